"""Moments as the database holds them: ISO 8601 UTC text of fixed width, so text order is order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

__all__ = ["from_text", "now_text", "to_text"]


@overload
def to_text(moment: datetime) -> str: ...
@overload
def to_text(moment: None) -> None: ...
def to_text(moment: datetime | None) -> str | None:
    """Write a time-zone aware moment as UTC text.

    >>> from datetime import timedelta, timezone
    >>> to_text(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))))
    '2026-01-02T02:04:05.000000Z'
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@overload
def from_text(text: str) -> datetime: ...
@overload
def from_text(text: None) -> None: ...
def from_text(text: str | None) -> datetime | None:
    """Read what :func:`to_text` wrote.

    >>> from_text("2026-01-02T02:04:05.000000Z")
    datetime.datetime(2026, 1, 2, 2, 4, 5, tzinfo=datetime.timezone.utc)
    """
    return None if text is None else datetime.fromisoformat(text)


def now_text() -> str:
    """Write the present moment."""
    return to_text(datetime.now(UTC))
