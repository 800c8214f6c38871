"""How times, lengths of time and names are written for people, wherever they are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

__all__ = ["in_hours", "local_time", "one_line"]

_MENTION = re.compile(r"@(?=\w)")
_LONGEST = 400


def in_hours(hours: float) -> str:
    """Write a length of time as people say it.

    Examples
    --------
    >>> in_hours(2.0), in_hours(0.25), in_hours(3.21), in_hours(0.001)
    ('2 h', '15 min', '3.2 h', '4 s')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h".replace(".0 h", " h")


def local_time(moment: datetime, zone: str) -> str:
    """Write a moment in a time zone, with UTC beside it.

    Examples
    --------
    >>> local_time(datetime(2026, 12, 3, 13, tzinfo=UTC), "Europe/Berlin")
    'Thu 2026-12-03 14:00 CET (13:00 UTC)'
    >>> local_time(datetime(2026, 12, 3, 13, tzinfo=UTC), "UTC")
    'Thu 2026-12-03 13:00 UTC'
    """
    local = moment.astimezone(ZoneInfo(zone))
    words = f"{_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {local:%Z}"
    utc = moment.astimezone(UTC)
    if local.utcoffset() == utc.utcoffset():
        return words
    same_day = local.date() == utc.date()
    return f"{words} ({utc:%H:%M} UTC)" if same_day else f"{words} ({utc:%Y-%m-%d %H:%M} UTC)"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def one_line(text: str) -> str:
    r"""Make text from anywhere harmless in a subject, a mail or a chat.

    No line breaks or other characters that steer something, no tags, nobody called by "@", and no
    more than 400 characters. Names of files and wells may hold any of these.

    Examples
    --------
    >>> one_line("A1\r\nBcc: all@lab.org <b>")
    'A1 Bcc: all@\u200blab.org \u2039b\u203a'
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    shown = " ".join(shown.split()).replace("<", "\u2039").replace(">", "\u203a")
    shown = _MENTION.sub("@\u200b", shown)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "\u2026"
