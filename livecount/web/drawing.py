"""The lines of the growth page: made once a snapshot, and anew where counts have come since."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from livecount.growth import Identity, Reference, WellSeries
from livecount.web.board import Shown
from livecount.web.group_curves import (
    DrawnCurve,
    curve_of_group,
    curve_of_well,
    group_of,
    made_relative,
)
from livecount.web.snapshots import Snapshot

__all__ = ["Drawing", "Drawn"]

_View = tuple[str, str, float | None]

_MOST_VIEWS: Final = 8
"""Views that are kept: wells or groups, relative to this or that hour, of a few experiments."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Lines to draw.

    Attributes
    ----------
    lines
        In the order of the snapshot's tracks.
    changed
        Numbers of those that have counts which the snapshot has not.
    without_base
        Wells that have no value to be relative to, and why.
    """

    lines: Sequence[DrawnCurve]
    changed: frozenset[int]
    without_base: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """The lines of a snapshot, and what is needed to draw some of them anew.

    Attributes
    ----------
    wells, groups
        The curve of each well, and the name of its group.
    number_of
        The line of each well, or of its group.
    """

    wells: Mapping[Identity, DrawnCurve]
    groups: Mapping[Identity, str]
    lines: Sequence[DrawnCurve]
    number_of: Mapping[Identity, int]
    without_base: Mapping[str, str]


@dataclass(slots=True)
class _Kept:
    """What was drawn of one view last."""

    snapshot: Snapshot
    base: _Base
    drawn: Drawn | None = None
    look: int = 0


class Drawing:
    """Draws what is asked for; many viewers of the same make it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: OrderedDict[_View, _Kept] = OrderedDict()

    def draw(self, shown: Shown, by: str, relative_to_h: float | None) -> Drawn:
        """Give the lines of wells or groups, relative to their value at an hour if asked."""
        view = (shown.name, by, relative_to_h)
        reference = None if relative_to_h is None else Reference("that hour", relative_to_h)
        with self._lock:
            kept = self._views.pop(view, None)
            if kept is None or kept.snapshot is not shown.snapshot:
                series = [one.series for one in shown.snapshot.tracks]
                kept = _Kept(shown.snapshot, _make_base(series, by, reference))
            self._views[view] = kept
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
            if kept.drawn is None or kept.look != shown.look:
                fresh, _ = made_relative([one.series for one in shown.fresh.values()], reference)
                kept.drawn, kept.look = _with_fresh(kept.base, fresh, by), shown.look
            return kept.drawn


def _make_base(series: Sequence[WellSeries], by: str, reference: Reference | None) -> _Base:
    wells, without = made_relative(series, reference)
    curves = {well.identity: curve_of_well(well) for well in wells}
    groups = {well.identity: group_of(well) for well in wells}
    if by == "wells":
        numbers = {identity: number for number, identity in enumerate(curves)}
        return _Base(curves, groups, list(curves.values()), numbers, without)
    names = list(dict.fromkeys(groups.values()))
    lines = [curve_of_group(name, _members(curves, groups, name)) for name in names]
    numbers = {identity: names.index(name) for identity, name in groups.items()}
    return _Base(curves, groups, lines, numbers, without)


def _members(
    curves: Mapping[Identity, DrawnCurve], groups: Mapping[Identity, str], name: str
) -> list[DrawnCurve]:
    return [curves[identity] for identity, group in groups.items() if group == name]


def _with_fresh(base: _Base, fresh: Sequence[WellSeries], by: str) -> Drawn:
    """Draw anew the lines of wells that have new counts; others wait for the next snapshot."""
    new = {well.identity: curve_of_well(well) for well in fresh if well.identity in base.number_of}
    lines = list(base.lines)
    if by == "wells":
        for identity, curve in new.items():
            lines[base.number_of[identity]] = curve
    else:
        curves = {**base.wells, **new}
        for name in {base.groups[identity]: None for identity in new}:
            number = next(
                base.number_of[one] for one, group in base.groups.items() if group == name
            )
            lines[number] = curve_of_group(name, _members(curves, base.groups, name))
    changed = frozenset(base.number_of[identity] for identity in new)
    return Drawn(lines, changed, base.without_base)
