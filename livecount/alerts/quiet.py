"""Hours in which nobody is to be woken."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

__all__ = ["is_quiet"]


def is_quiet(span: tuple[time, time] | None, now: datetime, zone: str) -> bool:
    """Tell whether a moment lies in the quiet hours of a time zone; they may run over midnight.

    Examples
    --------
    >>> from datetime import UTC
    >>> night, span = datetime(2026, 12, 3, 23, tzinfo=UTC), (time(22), time(7))
    >>> is_quiet(span, night, "UTC"), is_quiet(span, night, "Asia/Tokyo")
    (True, False)
    """
    if span is None:
        return False
    start, end = span
    local = now.astimezone(ZoneInfo(zone)).time()
    return start <= local < end if start <= end else local >= start or local < end
