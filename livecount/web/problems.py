"""What is said when something cannot be answered: a problem document (RFC 9457), never a trace."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse

from livecount.errors import (
    CorrectionError,
    LivecountError,
    NotInStoreError,
    RequestError,
    StoreError,
)

__all__ = ["problem", "problem_of", "status_of"]


def problem(status: int, detail: str, hint: str) -> JSONResponse:
    """Make a problem document.

    Parameters
    ----------
    detail, hint
        What is wrong, and what to do now.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if hint:
        document["hint"] = hint
    return JSONResponse(document, status, media_type="application/problem+json")


def problem_of(error: LivecountError) -> JSONResponse:
    """Say what went wrong inside, with the status that fits."""
    return problem(status_of(error), error.message, error.hint)


def status_of(error: LivecountError) -> int:
    """Give the HTTP status that fits an error."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, NotInStoreError):
        return 404
    if isinstance(error, CorrectionError):
        return 422
    if isinstance(error, StoreError):
        return 503
    return 422
