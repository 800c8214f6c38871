"""What browsers send: short, or not read to its end."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from livecount.errors import RequestError

__all__ = ["read_body", "read_model"]

_LONGEST: int = 10_000
Asked = TypeVar("Asked", bound=BaseModel)


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
