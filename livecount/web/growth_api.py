"""What the growth page draws: curves of wells or groups, and the lines fitted over a window."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount.errors import RequestError
from livecount.growth import GrowthSeries, Reference, SpreadKind, Window
from livecount.web.api import Curve, EventShown, ExperimentId, Hour, find_experiment, packed
from livecount.web.board import Board, Shown
from livecount.web.curves import (
    Drawn,
    Group,
    Well,
    curves_drawn,
    lines_of_groups,
    lines_of_wells,
    reference_named,
)
from livecount.web.fresh import FreshCurve

__all__ = ["make_growth_api"]

Level = Annotated[Literal["groups", "wells"], Query(description="Whose curves.")]
RelativeTo = Annotated[
    str, Query(max_length=500, description="t0, an event's name or an hour; empty: as measured.")
]
Spread = Annotated[SpreadKind, Query(description="What the bands of groups are.")]


class GroupDrawn(BaseModel):
    """A group's mean and band, packed as :class:`livecount.web.api.Curve`."""

    name: str
    wells: list[str]
    treatment: str
    dose: float | None
    dose_unit: str
    is_control: bool
    hours: str
    values: str
    low: str
    high: str
    n: str


class WellDrawn(BaseModel):
    """A well's curve; ``divisor`` is null where it has no base, and ``reason`` says why."""

    number: int
    label: str
    group: str | None
    divisor: float | None
    reason: str
    curve: Curve
    excluded: Curve


class NotDrawn(BaseModel):
    """A well that is not in the figure, and why."""

    well: str
    reason: str


class Curves(BaseModel):
    """All curves of an experiment on one level: wells where there are no groups."""

    snapshot: int
    metric: str
    relative_to: str | None = Field(description="The moment whose value is 1, in words.")
    spread: SpreadKind
    level: Literal["groups", "wells"]
    has_groups: bool
    groups: list[GroupDrawn]
    wells: list[WellDrawn]
    not_drawn: list[NotDrawn]
    events: list[EventShown]


class LineDrawn(BaseModel):
    """A fitted line: of a well, or the mean of the lines of a group's wells."""

    of: str
    curve: Curve


class Lines(BaseModel):
    """The lines of all fits over a window."""

    snapshot: int
    lines: list[LineDrawn]


class _Kept:
    """The last few figures, so that viewers who look at the same do not each compute it."""

    _MOST = 8

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], tuple[Mapping[int, FreshCurve], Drawn]] = {}

    def drawn(self, shown: Shown, reference: Reference | None, spread: SpreadKind) -> Drawn:
        snapshot, fresh = shown.snapshot, shown.fresh
        assert snapshot is not None
        key = (shown.name, id(snapshot), reference, spread)
        with self._lock:
            known = self._known.pop(key, None)
            if known is None or known[0] is not fresh:
                known = (fresh, curves_drawn(snapshot, fresh, reference, spread))
            self._known[key] = known
            while len(self._known) > self._MOST:
                del self._known[next(iter(self._known))]
            return known[1]


def make_growth_api(board: Board) -> APIRouter:
    """Make the routes."""
    api = APIRouter(prefix="/api/v1", tags=["read"])
    kept = _Kept()

    @api.get("/experiments/{experiment_id}/curves")
    def curves(
        experiment_id: ExperimentId,
        level: Level = "groups",
        relative_to: RelativeTo = "",
        spread: Spread = "interval",
    ) -> Curves:
        """Give the curves of groups with their bands, or of wells, as measured or relative."""
        shown = board.look(find_experiment(board, experiment_id))
        reference = _reference(shown, relative_to)
        drawn = kept.drawn(shown, reference, spread)
        return _curves(shown, drawn, reference, level, spread)

    @api.get("/experiments/{experiment_id}/lines")
    def lines(
        experiment_id: ExperimentId,
        level: Level = "groups",
        relative_to: RelativeTo = "",
        start_h: Hour = None,
        end_h: Hour = None,
    ) -> Lines:
        """Give the fitted lines over a window, in the units of the curves."""
        if start_h is not None and end_h is not None and start_h >= end_h:
            raise RequestError("The window ends before it starts", hint="Swap them", status=422)
        shown = board.look(find_experiment(board, experiment_id))
        window: Window | None = (start_h, end_h) if (start_h, end_h) != (None, None) else None
        rows = board.growth(shown, window)
        drawn = kept.drawn(shown, _reference(shown, relative_to), "interval")
        found = (lines_of_groups if level == "groups" else lines_of_wells)(drawn, rows)
        return Lines(
            snapshot=shown.number,
            lines=[
                LineDrawn(of=one.of, curve=_packed(one.points.hours, one.points.values))
                for one in found
            ],
        )

    return api


def _reference(shown: Shown, relative_to: str) -> Reference | None:
    assert shown.snapshot is not None
    return reference_named(relative_to, shown.snapshot.events)


def _curves(
    shown: Shown, drawn: Drawn, reference: Reference | None, level: Level, spread: SpreadKind
) -> Curves:
    snapshot = shown.snapshot
    assert snapshot is not None
    by_group = level == "groups" and bool(drawn.groups)
    return Curves(
        snapshot=shown.number,
        metric=snapshot.tracks[0].series.metric if snapshot.tracks else "count",
        relative_to=None if reference is None else reference.name,
        spread=spread,
        level="groups" if by_group else "wells",
        has_groups=bool(drawn.groups),
        groups=[_group(one) for one in drawn.groups],
        wells=[] if by_group else [_well(one) for one in drawn.wells],
        not_drawn=_not_drawn(drawn, by_group),
        events=[
            EventShown(name=one.name, at_h=one.at_h, wells=list(one.wells))
            for one in sorted(snapshot.events, key=lambda event: event.at_h)
        ],
    )


def _not_drawn(drawn: Drawn, by_group: bool) -> list[NotDrawn]:
    lacking = [
        NotDrawn(well=well.label, reason=well.base.reason)
        for well in drawn.wells
        if well.base is not None and well.base.value is None
    ]
    alone = [
        NotDrawn(well=well.label, reason="in no group: a blank, or not in the plate map")
        for well in drawn.wells
        if by_group and well.group is None and well.divisor is not None
    ]
    return lacking + alone


def _group(group: Group) -> GroupDrawn:
    curve = group.curve
    return GroupDrawn(
        name=group.name, wells=[well.label for well in group.wells], treatment=group.treatment,
        dose=group.dose, dose_unit=group.dose_unit, is_control=group.is_control,
        hours=packed(curve.times_h), values=packed(curve.values), low=packed(curve.low),
        high=packed(curve.high), n=packed(curve.n_wells),
    )  # fmt: skip


def _well(well: Well) -> WellDrawn:
    return WellDrawn(
        number=well.number, label=well.label, group=well.group, divisor=well.divisor,
        reason="" if well.base is None else well.base.reason,
        curve=_series(well.curve), excluded=_series(well.excluded),
    )  # fmt: skip


def _series(series: GrowthSeries) -> Curve:
    return _packed(series.times_h, series.counts)


def _packed(hours: Iterable[float], values: Iterable[float]) -> Curve:
    return Curve(hours=packed(np.asarray(hours)), values=packed(np.asarray(values)))
