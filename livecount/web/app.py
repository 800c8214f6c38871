"""The web application over one database: pages, REST API, live updates, health and metrics."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from livecount import __version__
from livecount.errors import LivecountError, RequestError
from livecount.settings import DashboardSettings
from livecount.storage import CountStore
from livecount.web.access import Access, AccessMiddleware
from livecount.web.analyses_api import make_analyses_api
from livecount.web.api import make_api
from livecount.web.board import Board
from livecount.web.checks_api import make_checks_api
from livecount.web.corrections_api import make_corrections_api
from livecount.web.edits_api import make_edits_api
from livecount.web.flagged_api import make_flagged_api
from livecount.web.frames_api import make_frames_api
from livecount.web.growth_api import make_growth_api
from livecount.web.health import metrics, read_health
from livecount.web.health_api import make_health_api
from livecount.web.masks_api import make_masks_api
from livecount.web.pages import error_page, make_pages
from livecount.web.picture_cache import PictureCache
from livecount.web.pictures import Pictures
from livecount.web.pictures_api import make_pictures_api
from livecount.web.problems import problem, problem_of
from livecount.web.recounts import Recounts
from livecount.web.socket import make_socket
from livecount.web.validation_api import make_validation_api

__all__ = ["make_app"]

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_STATIC = Path(__file__).parent / "static"
_DAY = "public, max-age=86400"


def make_app(database: Path, settings: DashboardSettings, access: Access) -> FastAPI:
    """Make the application over one database, which may not be there yet.

    ``state.close`` of the application ends its work, so that requests which wait are answered; it
    may be called before the server waits for them.

    Parameters
    ----------
    access
        Who is let in.
    """
    board = Board(database)
    pictures = Pictures(PictureCache(most_bytes=round(settings.picture_cache_gb * 1e9)))
    recounts = Recounts(database)

    def close() -> None:
        board.close()
        pictures.close()
        recounts.close()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app = FastAPI(
        title="livecount",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.close = close
    app.include_router(make_api(board))
    app.include_router(make_growth_api(board))
    app.include_router(make_frames_api(board))
    app.include_router(make_masks_api(board))
    app.include_router(make_corrections_api(board))
    app.include_router(make_checks_api(board))
    app.include_router(make_pictures_api(board, pictures))
    app.include_router(make_edits_api(board))
    app.include_router(make_flagged_api(board))
    app.include_router(make_validation_api(board))
    app.include_router(make_analyses_api(board, recounts))
    app.include_router(make_health_api(board))
    app.include_router(make_socket(board))
    app.include_router(make_pages(board, access))
    _add_health(app, database)
    _add_static(app)
    _add_refusals(app)
    app.add_middleware(AccessMiddleware, access=access)
    return app


def _add_health(app: FastAPI, database: Path) -> None:
    """Say how the run is, to anybody on this computer: monitoring systems hold no token."""

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> JSONResponse:
        """Say how the run is: 200 while all is well, else 503 with the reason."""
        try:
            with CountStore.open(database, read_only=True) as store:
                health = read_health(store)
        except LivecountError as error:
            return JSONResponse({"is_well": False, "reason": str(error)}, 503)
        return JSONResponse(health.as_json(), 200 if health.is_well else 503)

    @app.get("/metrics", include_in_schema=False)
    def prometheus() -> Response:
        """Say the same to Prometheus."""
        try:
            with CountStore.open(database, read_only=True) as store:
                text = metrics(read_health(store), _sizes(database))
        except LivecountError as error:
            return Response(f"# {error}\nlivecount_up 0\n", media_type=_PROMETHEUS)
        return Response(text, media_type=_PROMETHEUS)


def _add_static(app: FastAPI) -> None:
    @app.get("/static/plotly.min.js", include_in_schema=False)
    def plotly() -> FileResponse:
        """Give plotly's script out of the installed package; plotly itself is not imported."""
        found = importlib.util.find_spec("plotly")
        if found is None or found.origin is None:
            raise RequestError(
                "plotly is not installed", hint="Run `pip install plotly`", status=503
            )
        script = Path(found.origin).parent / "package_data" / "plotly.min.js"
        return FileResponse(script, media_type="text/javascript", headers={"Cache-Control": _DAY})

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")


def _add_refusals(app: FastAPI) -> None:
    """Answer what cannot be answered: a page to people, a problem document to scripts."""

    def refuse(request: Request, error: LivecountError) -> Response:
        if request.url.path.startswith("/api/"):
            return problem_of(error)
        return error_page(request, error)

    @app.exception_handler(LivecountError)
    def of_ours(request: Request, error: LivecountError) -> Response:
        return refuse(request, error)

    @app.exception_handler(RequestValidationError)
    def of_shape(request: Request, error: RequestValidationError) -> Response:
        told = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}"
            for one in error.errors()
        )
        return refuse(request, RequestError(told or "not understood", status=422))

    @app.exception_handler(HTTPException)
    def of_framework(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return problem(405, "That cannot be done with this address", "")
        return refuse(request, RequestError(str(error.detail), status=error.status_code))

    @app.exception_handler(Exception)
    def of_chance(request: Request, error: Exception) -> Response:
        del error  # uvicorn logs it
        return refuse(
            request,
            RequestError("Something is wrong inside livecount", hint="See its log", status=500),
        )


def _sizes(database: Path) -> dict[str, int]:
    files = {"database": database, "log": database.with_name(database.name + "-wal")}
    return {kind: file.stat().st_size for kind, file in files.items() if file.exists()}
