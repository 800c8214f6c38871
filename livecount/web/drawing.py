"""The lines of the growth page: made once a snapshot, and anew where counts have come since."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from livecount.growth import Reference
from livecount.web.board import Shown
from livecount.web.group_curves import (
    DrawnCurve,
    line_of_group,
    lines_of_groups,
    relative_curve,
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
    wells
        The curve of each track.
    line_of
        The number of the line that shows each track, alone or with its group.
    """

    wells: Sequence[DrawnCurve]
    lines: Sequence[DrawnCurve]
    line_of: Sequence[int]
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
                kept = _Kept(shown.snapshot, _make_base(shown.snapshot, by, reference))
            self._views[view] = kept
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
            if kept.drawn is None or kept.look != shown.look:
                fresh = {
                    track: _relative(one.curve, reference)[0] for track, one in shown.fresh.items()
                }
                kept.drawn, kept.look = _with_fresh(kept.base, fresh, by), shown.look
            return kept.drawn


def _make_base(snapshot: Snapshot, by: str, reference: Reference | None) -> _Base:
    found = [_relative(track.curve, reference) for track in snapshot.tracks]
    wells = [curve for curve, _ in found]
    without = {curve.label: reason for curve, reason in found if reason}
    if by == "wells":
        return _Base(wells, wells, range(len(wells)), without)
    groups = snapshot.groups if reference is None else lines_of_groups(wells)
    return _Base(wells, groups.lines, groups.line_of, without)


def _relative(curve: DrawnCurve, reference: Reference | None) -> tuple[DrawnCurve, str]:
    return (curve, "") if reference is None else relative_curve(curve, reference)


def _with_fresh(base: _Base, fresh: Mapping[int, DrawnCurve], by: str) -> Drawn:
    """Draw the lines of wells with new counts anew."""
    wells, lines = list(base.wells), list(base.lines)
    for track, curve in fresh.items():
        wells[track] = curve
    changed = frozenset(base.line_of[track] for track in fresh)
    for number in changed:
        lines[number] = (
            wells[number]
            if by == "wells"
            else line_of_group(lines[number].label, number, wells, base.line_of)
        )
    return Drawn(lines, changed, base.without_base)
