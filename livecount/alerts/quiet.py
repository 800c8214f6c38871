"""Hours in which nobody is to be woken."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

__all__ = ["is_quiet", "read_hours"]


def read_hours(text: str) -> tuple[time, time] | None:
    """Read hours of the day such as ``22:00-07:00``; None for an empty text.

    Raises
    ------
    ValueError
        It is not two times of a day.
    """
    if not text.strip():
        return None
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError("must be two times such as 22:00-07:00")
    try:
        return time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
    except ValueError as error:
        raise ValueError("must be two times such as 22:00-07:00") from error


def is_quiet(hours: str, now: datetime, zone: str) -> bool:
    """Tell whether a moment lies in the quiet hours of a time zone; they may run over midnight.

    Examples
    --------
    >>> from datetime import UTC
    >>> night = datetime(2026, 12, 3, 23, tzinfo=UTC)
    >>> is_quiet("22:00-07:00", night, "UTC"), is_quiet("22:00-07:00", night, "Asia/Tokyo")
    (True, False)
    """
    read = read_hours(hours)
    if read is None:
        return False
    start, end = read
    local = now.astimezone(ZoneInfo(zone)).time()
    return start <= local < end if start <= end else local >= start or local < end
