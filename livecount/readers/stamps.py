"""Time stamps as microscopes write them -> aware datetimes in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

__all__ = ["parse_stamp", "to_utc"]

_STAMP = re.compile(
    r"\s*(\d{4})[-/.:]?(\d{2})[-/.:]?(\d{2})[T ]+(\d{2}):?(\d{2}):?(\d{2})(?:[.,:](\d+))?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2}|-)?\s*"
)


def parse_stamp(text: object, time_zone: tzinfo) -> datetime | None:
    """Read an absolute time.

    Parameters
    ----------
    text
        For example ``2023-10-31 10:52:30.123 -0700``, ``20110302 10:12:35.5`` or ISO 8601.
    time_zone
        Zone of stamps that name none.

    Returns
    -------
    datetime or None
        In UTC, or None where the text is no such stamp.

    >>> parse_stamp("2022-12-28 17:04:24 -", UTC).isoformat()
    '2022-12-28T17:04:24+00:00'
    """
    match = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    *parts, fraction, zone = match.groups()
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    try:
        naive = datetime(*(int(part) for part in parts), microsecond)  # type: ignore[arg-type,call-arg]  # noqa: DTZ001
    except ValueError:
        return None
    if zone in (None, "-"):
        return to_utc(naive, time_zone)
    offset = "+00:00" if zone in ("Z", "UTC") else zone
    try:
        moment = datetime.fromisoformat(naive.isoformat() + offset)
    except ValueError:
        return None
    return to_utc(moment, time_zone)


def to_utc(moment: datetime, time_zone: tzinfo) -> datetime | None:
    """Bring a time to UTC, taking it as ``time_zone`` where it names no zone; None out of range."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=time_zone)
    try:
        return aware.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
