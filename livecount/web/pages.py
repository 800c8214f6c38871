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
from livecount.web.bodies import read_body
from livecount.web.frames_api import FrameId, series_of
from livecount.web.problems import status_of

__all__ = ["error_page", "make_pages"]

_FOLDER: Final = Path(__file__).parent / "templates"
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

    _add_frames(pages, board)

    @pages.get("/health")
    def health() -> Response:
        return _page("health.html", "Health")

    @pages.get("/sign-in")
    def sign_in(wrong: str = "", to: str = "/") -> Response:
        return _page("sign_in.html", "Sign in", wrong=bool(wrong), to=own_path(to))

    @pages.post("/sign-in")
    async def signed_in(request: Request) -> Response:
        given = dict(parse_qsl((await read_body(request)).decode("utf-8", "replace")))
        to = own_path(given.get("to", "/"))
        if not access.is_token(given.get("token", "").strip()):
            return RedirectResponse(f"/sign-in?{urlencode({'wrong': 1, 'to': to})}", 303)
        answer = RedirectResponse(to, 303)
        set_cookie(answer, access)
        return answer

    return pages


def _add_frames(pages: APIRouter, board: Board) -> None:
    @pages.get("/experiments/{experiment_id}/frames")
    def latest(
        experiment_id: ExperimentId, plate: str = "", well: str = "", channel: str = "", z: str = ""
    ) -> Response:
        """Lead to the latest frame of a well that is used, else to the latest of all."""
        found = find_experiment(board, experiment_id)
        snapshot = board.look(found).snapshot
        wanted = {"plate": plate, "well": well, "channel": channel, "z": z or None}
        rows = series_of(snapshot, wanted)
        if not len(rows):
            raise RequestError(f"Nothing is counted of well {well}", status=404)
        used = rows[rows["excluded"] == ""]
        number = int((used if len(used) else rows).index[-1])
        return RedirectResponse(f"/experiments/{experiment_id}/frames/{number}", 303)

    @pages.get("/experiments/{experiment_id}/frames/{frame_id}")
    def frame(experiment_id: ExperimentId, frame_id: FrameId) -> Response:
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            if store.frame(frame_id).experiment_id != found.id:
                raise RequestError(f"Experiment {found.name} has no frame {frame_id}", status=404)
        return _page("frame.html", "Frame", found, frame=frame_id)


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
