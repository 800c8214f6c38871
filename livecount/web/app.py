"""The web application: today health and metrics, which the dashboard's pages will stand beside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from livecount import __version__
from livecount.errors import LivecountError
from livecount.storage import CountReader, CountStore
from livecount.web.health import metrics, read_health

__all__ = ["make_app"]

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def make_app(database: Path, hosts: list[str]) -> FastAPI:
    """Make the application over one database, which may not be there yet.

    Parameters
    ----------
    hosts
        Names by which the server may be called; a request with another ``Host`` is refused, so
        that no foreign page can rebind its own name to this computer.
    """
    app = FastAPI(title="livecount", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    @contextmanager
    def opened() -> Iterator[CountReader]:
        # Opened for each request: the database may be made, upgraded or restored meanwhile.
        with CountStore.open(database, read_only=True) as store:
            yield store

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """Say how the run is: 200 while all is well, else 503 with the reason."""
        try:
            with opened() as store:
                health = read_health(store)
        except LivecountError as error:
            return JSONResponse({"is_well": False, "reason": str(error)}, 503)
        return JSONResponse(health.as_json(), 200 if health.is_well else 503)

    @app.get("/metrics")
    def prometheus() -> Response:
        """Say the same to Prometheus."""
        try:
            with opened() as store:
                text = metrics(read_health(store), _sizes(database))
        except LivecountError as error:
            return Response(f"# {error}\nlivecount_up 0\n", media_type=_PROMETHEUS)
        return Response(text, media_type=_PROMETHEUS)

    @app.middleware("http")
    async def harden(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _sizes(database: Path) -> dict[str, int]:
    files = {"database": database, "log": database.with_name(database.name + "-wal")}
    return {kind: file.stat().st_size for kind, file in files.items() if file.exists()}
