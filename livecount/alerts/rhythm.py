"""In what rhythm frames come, when one is overdue, and when the disk gets full."""

from __future__ import annotations

from datetime import datetime

from livecount.alerts.findings import Finding, Rhythm
from livecount.alerts.kinds import DISK_LOW, FRAME_OVERDUE
from livecount.alerts.wording import in_hours

__all__ = ["disk_low", "overdue"]

_SLACK_H = 1 / 60
_ENOUGH_AGAIN = 1.5
_GIGABYTE = 1e9


def overdue(rhythm: Rhythm, factor: float, now: datetime, last: str) -> Finding | None:
    """Tell whether the next frame should have come by now.

    Parameters
    ----------
    factor
        How many intervals may pass without any frame.
    last
        The last frame's time in words.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> rhythm = Rhythm(2.0, datetime(2026, 12, 3, 12, tzinfo=UTC))
    >>> overdue(rhythm, 1.5, rhythm.last_at + timedelta(hours=3), "12:00 UTC") is None
    True
    >>> overdue(rhythm, 1.5, rhythm.last_at + timedelta(hours=4), "12:00 UTC").text
    'No new frame since 12:00 UTC; until then they came every 2 h'
    """
    waited_h = (now - rhythm.last_at).total_seconds() / 3600
    if waited_h <= factor * rhythm.interval_h + _SLACK_H:
        return None
    text = f"No new frame since {last}; until then they came every {in_hours(rhythm.interval_h)}"
    return Finding(FRAME_OVERDUE, "", text)


def disk_low(free_bytes: int, low_gb: float, place: str, *, lasts: bool) -> Finding | None:
    """Tell whether a disk has little space left; while that lasts, until it has half as much again.

    Examples
    --------
    >>> disk_low(1_200_000_000, 1.0, "D:", lasts=False) is None
    True
    >>> disk_low(1_200_000_000, 1.0, "D:", lasts=True).text
    '1.2 GB are left on the disk of D:'
    """
    limit = low_gb * _GIGABYTE * (_ENOUGH_AGAIN if lasts else 1.0)
    if free_bytes >= limit:
        return None
    return Finding(
        DISK_LOW, place, f"{free_bytes / _GIGABYTE:.1f} GB are left on the disk of {place}"
    )
