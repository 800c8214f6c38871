"""The pages: drawn here, filled by small scripts that ask the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import jinja2
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from livecount import __version__
from livecount.errors import LivecountError, RequestError
from livecount.storage import Experiment
from livecount.web.access import Access, own_path, set_cookie
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.problems import status_of

__all__ = ["error_page", "make_pages"]

_FOLDER: Final = Path(__file__).parent / "templates"
_LONGEST_FORM: Final = 10_000
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
)


def make_pages(board: Board, access: Access) -> APIRouter:
    """Make the routes of the pages."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/")
    def experiments() -> Response:
        return _page("experiments.html", "Experiments")

    def of_experiment(route: str, template: str, title: str) -> None:
        @pages.get(f"/experiments/{{experiment_id}}{route}")
        def page(experiment_id: ExperimentId) -> Response:
            found = find_experiment(board, experiment_id)
            return _page(template, title, found)

    of_experiment("", "plate.html", "Plate")
    of_experiment("/growth", "growth.html", "Growth")
    of_experiment("/review", "review.html", "Review")

    @pages.get("/health")
    def health() -> Response:
        return _page("health.html", "Health")

    @pages.get("/sign-in")
    def sign_in(wrong: str = "", to: str = "/") -> Response:
        return _page("sign_in.html", "Sign in", wrong=bool(wrong), to=own_path(to))

    @pages.post("/sign-in")
    async def signed_in(request: Request) -> Response:
        given = dict(parse_qsl((await _body(request)).decode("utf-8", "replace")))
        to = own_path(given.get("to", "/"))
        if not access.is_token(given.get("token", "").strip()):
            return RedirectResponse(f"/sign-in?{urlencode({'wrong': 1, 'to': to})}", 303)
        answer = RedirectResponse(to, 303)
        set_cookie(answer, access)
        return answer

    return pages


async def _body(request: Request) -> bytes:
    """Read a short form; the rest of a long one is not waited for."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise RequestError("That form is too long", status=413)
    return body


def error_page(request: Request, error: LivecountError) -> Response:
    """Say on a page what cannot be shown, and what to do."""
    del request
    status = status_of(error)
    return _page("error.html", "Cannot be shown", status=status, error=error)


def _page(
    template: str, title: str, experiment: Experiment | None = None, status: int = 200, **more: Any
) -> HTMLResponse:
    text = _templates.get_template(template).render(
        title=title,
        experiment=experiment,
        version=__version__,
        page=template[:-5],
        status=status,
        **more,
    )
    return HTMLResponse(text, status)
