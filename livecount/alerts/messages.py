"""What is sent: one message for all that a target is due to hear, in plain text and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from livecount.alerts.kinds import KINDS
from livecount.alerts.wording import in_hours, local_time, one_line
from livecount.storage import Delivery, Notice

__all__ = ["Message", "compose"]

_MOST_LINES = 20
_LISTED = "`livecount incidents` lists all"


@dataclass(frozen=True, slots=True)
class Message:
    """What one target is sent.

    Attributes
    ----------
    title
        One line, for a mail's subject.
    body
        Plain text.
    incidents
        The same as plain values, for a webhook.
    """

    title: str
    body: str
    incidents: tuple[Mapping[str, Any], ...] = ()


def compose(
    due: Sequence[Delivery], zones: Mapping[str, str], zone: str, most_lines: int = _MOST_LINES
) -> Message:
    """Put what a target is due to hear into one message, most alike together.

    Ninety-six wells that reach a threshold in one scan are one message.

    Parameters
    ----------
    due
        Begins and ends, at least one.
    zones
        Experiment -> its time zone.
    zone
        Time zone of what concerns no single experiment.
    most_lines
        How many of one kind are written out. 0: they are only counted, whatever they are called,
        for who takes nothing longer.
    """
    if most_lines == 0:
        return Message(f"livecount: {len(due)} incidents", f"{_LISTED}\n")
    times = _Times(zones, zone)
    ordered = sorted(due, key=lambda one: (one.part == "end", _rank(one.notice.code), one.id))
    groups = [(title, list(members)) for title, members in groupby(ordered, key=_heading)]
    body = "\n\n".join(_paragraph(title, members, times, most_lines) for title, members in groups)
    first = groups[0]
    place = _place(first[1][0].notice) if len(first[1]) == 1 else f"{len(first[1])} times"
    title = f"{first[0]}: {place}" if place else first[0]
    if len(groups) > 1:
        title += f" (and {len(due) - len(first[1])} more)"
    entries = tuple(_entry(one) for one in due)
    return Message(one_line(f"livecount: {title}"), body + "\n", entries)


@dataclass(frozen=True, slots=True)
class _Times:
    zones: Mapping[str, str]
    zone: str

    def since(self, notice: Notice) -> str:
        zone = self.zones.get(notice.experiment or "", self.zone)
        return local_time(notice.since, zone)


def _rank(code: str) -> tuple[int, str]:
    """Order kinds as they are listed: what hurts most first."""
    ranks = {known: rank for rank, known in enumerate(KINDS)}
    return ranks.get(code, len(ranks)), code


def _heading(one: Delivery) -> str:
    title = KINDS[one.notice.code].title if one.notice.code in KINDS else one.notice.code
    return title if one.part == "begin" else f"Over: {title}"


def _place(notice: Notice) -> str:
    named = {
        "experiment": notice.experiment,
        "plate": notice.plate,
        "well": notice.well,
    }
    return ", ".join(f"{what} {name}" for what, name in named.items() if name)


def _paragraph(title: str, members: Sequence[Delivery], times: _Times, most_lines: int) -> str:
    lines = [title.upper()]
    for one in members[:most_lines]:
        place = _place(one.notice)
        lines.append(one_line(f"- {place}: {one.notice.text}" if place else f"- {one.notice.text}"))
        lines.append(f"  {_since(one, times)}")
    if len(members) > most_lines:
        lines.append(f"- and {len(members) - most_lines} more: {_LISTED}")
    kind = KINDS.get(members[0].notice.code)
    if kind is not None and members[0].part == "begin":
        lines.append(f"What to do now: {kind.advice}")
    return "\n".join(lines)


def _since(one: Delivery, times: _Times) -> str:
    since = times.since(one.notice)
    if one.part == "begin" or one.notice.until is None:
        return f"since {since}"
    lasted_h = (one.notice.until - one.notice.since).total_seconds() / 3600
    return f"over after {in_hours(lasted_h)}; it began {since}"


def _entry(one: Delivery) -> dict[str, Any]:
    notice = one.notice
    kind = KINDS.get(notice.code)
    return {
        "incident": notice.id,
        "part": one.part,
        "kind": notice.code,
        "title": one_line(_heading(one)),
        "experiment": notice.experiment,
        "plate": notice.plate,
        "well": notice.well,
        "subject": notice.subject,
        "text": notice.text,
        "since": notice.since.isoformat(),
        "until": None if one.part == "begin" or notice.until is None else notice.until.isoformat(),
        "advice": kind.advice if kind is not None and one.part == "begin" else "",
    }
