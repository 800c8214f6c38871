"""What browsers send: short, or not read to its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from livecount.errors import RequestError
from livecount.platform.login import user_name
from livecount.storage import Said

__all__ = ["ONE_LINE", "Given", "Name", "TakenBackBy", "read_body", "read_model", "said_by"]

ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=ONE_LINE),
]
TakenBackBy = Annotated[Name | None, Query(description="Who takes it back (default: the user).")]

_LONGEST: int = 10_000
Asked = TypeVar("Asked", bound=BaseModel)


class Given(BaseModel):
    """A body: what it does not know is refused, so that a misspelt name is not overlooked."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    by: Name | None = Field(None, description="Who says so (default: the computer's user).")


def said_by(name: str | None) -> Said:
    """Give who says something now: the name given, else who is logged in."""
    return Said(name or user_name(), datetime.now(UTC))


async def read_body(request: Request) -> bytes:
    """Read a short body; the rest of a long one is not waited for.

    Raises
    ------
    RequestError
        It is too long.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise RequestError("What was sent is too long", status=413)
    return body


async def read_model(request: Request, kind: type[Asked]) -> Asked:
    """Read a short JSON document.

    Raises
    ------
    RequestError
        It is too long, no JSON, or does not say what is needed.
    """
    sort = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sort != "application/json":
        raise RequestError(
            "What was sent is not JSON", hint="Send Content-Type: application/json", status=415
        )
    try:
        return kind.model_validate_json(await read_body(request))
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ")
            for one in error.errors()
        )
        raise RequestError(told, status=422) from error
