"""What is said when something cannot be answered: a problem document (RFC 9457), never a trace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from livecount.errors import (
    CorrectedMeanwhileError,
    CorrectionError,
    LivecountError,
    NotInStoreError,
    RequestError,
    StoreError,
)

__all__ = ["RESPONSES", "Problem", "problem", "problem_of", "responses", "sendable", "status_of"]

MEDIA_TYPE: Final = "application/problem+json"
_LONGEST_DETAIL: Final = 2000


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong.")
    hint: str | None = Field(None, description="What to do now.")


def responses(**words: str) -> dict[int | str, dict[str, Any]]:
    """Document statuses other than success, ``s404="Why"``, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {
        int(name[1:]): {"description": said, "content": content} for name, said in words.items()
    }


RESPONSES: Final = responses(
    s400="The server does not go by that name, or the body is no JSON.",
    s401="The token is missing.",
    s403="The request comes from a page of another site.",
    s404="There is no such experiment, or nothing of the kind in it.",
    s422="What was sent is not understood.",
    s503="The database cannot be read or written at present; ask again.",
)
"""Of every route."""


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
        "detail": sendable(detail)[:_LONGEST_DETAIL],
    }
    if hint:
        document["hint"] = sendable(hint)
    return JSONResponse(document, status, media_type=MEDIA_TYPE)


def sendable(text: str) -> str:
    """Write out what UTF-8 has no bytes for, as names of folders and fields may hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def problem_of(error: LivecountError) -> JSONResponse:
    """Say what went wrong inside, with the status that fits."""
    return problem(status_of(error), error.message, error.hint)


def status_of(error: LivecountError) -> int:
    """Give the HTTP status that fits an error."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, NotInStoreError):
        return 404
    if isinstance(error, CorrectedMeanwhileError):
        return 409
    if isinstance(error, CorrectionError):
        return 422
    if isinstance(error, StoreError):
        return 503
    return 422
