"""Moments that a user names: the hours that are fitted, and what curves are relative to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import finite

if TYPE_CHECKING:
    import pandas as pd

    from livecount.growth import Reference, Window
    from livecount.plots import EventMark
    from livecount.storage import CountReader, Experiment

__all__ = ["FromEvent", "FromHour", "Normalise", "Span", "ToHour", "marks_of", "reference_named"]

FromHour = Annotated[
    float | None,
    typer.Option("--from-h", callback=finite, help="Fit from this hour on (default: the first)."),
]
ToHour = Annotated[
    float | None,
    typer.Option("--to-h", callback=finite, help="Fit up to this hour (default: the last)."),
]
FromEvent = Annotated[
    str | None,
    typer.Option("--from-event", help="Fit from this event on, by its name."),
]
Normalise = Annotated[
    str | None,
    typer.Option(
        "--normalise",
        metavar="t0|EVENT|HOUR",
        help="Curves relative to each well's own value at t0 (hour 0), an event, or an hour.",
    ),
]


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the curves that is fitted, as the user says it."""

    from_h: float | None
    to_h: float | None
    from_event: str | None

    def window(self, store: CountReader, found: Experiment, counts: pd.DataFrame) -> Window | None:
        """Give first and last hour, or None for all of the curves."""
        start_h = self.from_h
        if self.from_event is not None:
            if start_h is not None:
                raise typer.BadParameter("--from-event and --from-h exclude each other.")
            start_h = _event_named(self.from_event, marks_of(store, found, counts), found).at_h
        if start_h is not None and self.to_h is not None and start_h >= self.to_h:
            raise typer.BadParameter(f"{start_h:g} h is not before {self.to_h:g} h.")
        return None if start_h is None and self.to_h is None else (start_h, self.to_h)


def marks_of(store: CountReader, found: Experiment, counts: pd.DataFrame) -> list[EventMark]:
    """Place the events that hold on the axis as it is now, by time."""
    from livecount.plots import EventMark
    from livecount.time_axis import hours_of

    marks = [
        EventMark(one.name, hours_of(counts, one.when), one.wells)
        for one in store.events(found)
        if one.withdrawn is None
    ]
    return sorted(marks, key=lambda mark: mark.at_h)


def reference_named(
    name: str | None, store: CountReader, found: Experiment, counts: pd.DataFrame
) -> Reference | None:
    """Find the moment that curves are relative to: t0, else an event, else an hour.

    Raises
    ------
    NotInStoreError
        It is none of them.
    """
    from livecount.growth import Reference

    if name is None:
        return None
    if name.strip().casefold() == "t0":
        return Reference("t0", 0.0)
    marks = marks_of(store, found, counts)
    hours = _as_hours(name)
    if hours is not None and not any(_is_called(mark, name) for mark in marks):
        return Reference(f"{hours:g} h", hours)
    mark = _event_named(name, marks, found)
    return Reference(mark.name, mark.at_h)


def _as_hours(text: str) -> float | None:
    try:
        hours = float(text)
    except ValueError:
        return None
    return hours if math.isfinite(hours) else None


def _is_called(mark: EventMark, name: str) -> bool:
    return mark.name.casefold() == name.strip().casefold()


def _event_named(name: str, marks: Sequence[EventMark], found: Experiment) -> EventMark:
    """Find an event by its name, the first one where several have it."""
    from livecount.errors import NotInStoreError

    for mark in marks:
        if _is_called(mark, name):
            return mark
    known = ", ".join(repr(mark.name) for mark in marks) or "none"
    raise NotInStoreError(
        f"Experiment {found.name!r} has no event {name!r}, but {known}",
        hint="Note it with `livecount event add`",
    )
