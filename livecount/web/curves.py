"""The curves of the growth page: wells as they stand, relative to a moment, averaged in groups."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from livecount.errors import RequestError
from livecount.growth import (
    ALL_WELLS,
    Base,
    GroupCurve,
    GrowthRow,
    GrowthSeries,
    Identity,
    PositionSeries,
    Reference,
    SpreadKind,
    WellSeries,
    bases_of,
    group_curve,
    mean_line,
    relative_wells,
)
from livecount.plate import Role, WellContents
from livecount.web.fresh import FreshCurve
from livecount.web.snapshots import EventShown, Snapshot, Trace, Track

__all__ = [
    "Drawn",
    "Group",
    "Line",
    "Well",
    "curves_drawn",
    "lines_of_groups",
    "lines_of_wells",
    "reference_named",
]

_LINE_POINTS: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Well:
    """One well's curve, or that of a place without a well.

    Attributes
    ----------
    number
        Of its track in the snapshot.
    label
        What tells it from the others.
    group
        Name of its group, or None.
    curve, excluded
        Mean over its fields at each visit, and the points that are not used.
    base
        What its values are divided by, and why there is none; None where they are as measured.
    """

    number: int
    label: str
    identity: Identity
    group: str | None
    curve: GrowthSeries
    excluded: GrowthSeries
    base: Base | None

    @property
    def divisor(self) -> float | None:
        """What the values are divided by; 1 where they are as measured, None where that lacks."""
        return 1.0 if self.base is None else self.base.value


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Replicate wells and their mean.

    Attributes
    ----------
    treatment, dose, dose_unit
        What all of its wells hold, where that is one treatment or none.
    is_control
        Whether its wells are controls.
    """

    name: str
    wells: tuple[Well, ...]
    curve: GroupCurve
    treatment: str
    dose: float | None
    dose_unit: str
    is_control: bool


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """All curves of an experiment at one moment, in one way."""

    wells: tuple[Well, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A fitted curve over its window, of a group or a well."""

    of: str
    points: Trace


def reference_named(name: str, events: Sequence[EventShown]) -> Reference | None:
    """Find the moment that curves are relative to: t0, else an event, else an hour; "" for none.

    Raises
    ------
    RequestError
        It is none of them.
    """
    wanted = name.strip().casefold()
    if not wanted:
        return None
    if wanted == "t0":
        return Reference("t0", 0.0)
    for event in sorted(events, key=lambda event: event.at_h):
        if event.name.strip().casefold() == wanted:
            return Reference(event.name, event.at_h)
    try:
        hours = float(wanted)
    except ValueError:
        hours = math.nan
    if not math.isfinite(hours):
        raise RequestError(
            f"There is no event {name!r}", hint="Give t0, an event or an hour", status=422
        )
    return Reference(f"{hours:g} h", hours)


def curves_drawn(
    snapshot: Snapshot,
    fresh: Mapping[int, FreshCurve],
    reference: Reference | None,
    spread: SpreadKind,
) -> Drawn:
    """Give the curves of all wells, and of their groups where there are any.

    Parameters
    ----------
    fresh
        What was counted after the snapshot.
    reference
        The moment whose value is 1 in every well, or None.
    spread
        What the bands of groups are.
    """
    series = [_as_one_field(track, fresh.get(n)) for n, track in enumerate(snapshot.tracks)]
    bases: dict[Identity, Base] = {}
    if reference:
        # As measured, in full precision; what was counted since serves those that had no base.
        bases = bases_of([track.series for track in snapshot.tracks], reference)
        lacking = [one for one in series if bases[one.identity].value is None]
        bases.update(bases_of(lacking, reference))
        series = relative_wells(series, bases, reference)
    telling = _telling(series)
    named = _group_names(series)
    wells = tuple(
        Well(
            number, _label(one, telling), one.identity, named[number],
            one.fields[0].used, one.fields[0].excluded, bases.get(one.identity),
        )
        for number, one in enumerate(series)
    )  # fmt: skip
    members: dict[str, list[Well]] = {}
    for well in wells:
        if well.group is not None:
            members.setdefault(well.group, []).append(well)
    return Drawn(
        wells,
        tuple(_group(name, found, snapshot.tracks, spread) for name, found in members.items()),
    )


def _as_one_field(track: Track, fresh: FreshCurve | None) -> WellSeries:
    """Give a well as its mean field, with what was counted since."""
    hours = track.growth.hours.astype(np.float64)
    values = track.growth.values.astype(np.float64)
    if fresh is not None:
        hours = np.concatenate([hours[: fresh.keep], fresh.trace.hours])
        values = np.concatenate([values[: fresh.keep], fresh.trace.values])
    left_out = [field.excluded for field in track.series.fields]
    excluded = GrowthSeries(
        np.concatenate([np.empty(0), *(one.times_h for one in left_out)]),
        np.concatenate([np.empty(0), *(one.counts for one in left_out)]),
    )
    field = PositionSeries(None, GrowthSeries(hours, values), excluded)
    return dataclasses.replace(track.series, fields=(field,))


def _telling(wells: Sequence[WellSeries]) -> list[str]:
    names = ("plate", "channel", "z")
    return [name for name in names if len({getattr(well, name) for well in wells}) > 1]


def _label(well: WellSeries, telling: Sequence[str]) -> str:
    place = "" if telling else "the field"
    parts = {"plate": "", **{name: getattr(well, name) or "" for name in telling}}
    return " ".join(
        part for part in (parts.pop("plate"), well.well or place, *parts.values()) if part
    )


def _group_names(wells: Sequence[WellSeries]) -> list[str | None]:
    """Name each well's group as the growth table has them; channels and planes stay apart."""
    stated = any(well.group is not None for well in wells)
    telling = [name for name in _telling(wells) if name != "plate"]
    names = []
    for well in wells:
        name = well.group if stated else ALL_WELLS
        also = [getattr(well, part) or "" for part in telling]
        named = name is not None and well.well is not None
        names.append(", ".join(filter(None, (name, *also))) if named else None)
    if stated:
        return names
    return [name if names.count(name) > 1 else None for name in names]


def _group(name: str, wells: Sequence[Well], tracks: Sequence[Track], spread: SpreadKind) -> Group:
    held = [tracks[well.number].held for well in wells]
    treatment, dose, unit = _dose_in_common(held)
    return Group(
        name=name,
        wells=tuple(wells),
        curve=group_curve([well.curve for well in wells if len(well.curve)], spread),
        treatment=treatment,
        dose=dose,
        dose_unit=unit,
        is_control=all(one is not None and one.role is Role.CONTROL for one in held),
    )


def _dose_in_common(held: Sequence[WellContents | None]) -> tuple[str, float | None, str]:
    treatments = {one.treatments if one is not None else None for one in held}
    only = treatments.pop() if len(treatments) == 1 else None
    if only is None or len(only) != 1:
        return "", None, ""
    (treatment,) = only
    if treatment.concentration is None:
        return treatment.name, None, ""
    return treatment.name, treatment.concentration.value, treatment.concentration.unit


def lines_of_wells(drawn: Drawn, rows: Sequence[GrowthRow]) -> list[Line]:
    """Give the fitted curves of wells, relative where the curves are."""
    found = {row.identity: row for row in rows if row.level == "well"}
    lines = []
    for well in drawn.wells:
        line = _line_of(well.label, [well], found)
        if line is not None:
            lines.append(line)
    return lines


def lines_of_groups(drawn: Drawn, rows: Sequence[GrowthRow]) -> list[Line]:
    """Give for each group the mean of the fitted curves of its wells."""
    found = {row.identity: row for row in rows if row.level == "well"}
    lines = [_line_of(group.name, group.wells, found) for group in drawn.groups]
    return [line for line in lines if line is not None]


def _line_of(of: str, wells: Sequence[Well], rows: Mapping[Identity, GrowthRow]) -> Line | None:
    curves, starts, ends = [], [], []
    for well in wells:
        row = rows.get(well.identity)
        if row is None or row.curve is None or row.start_h is None or row.end_h is None:
            continue
        if well.divisor is not None:
            curves.append(row.curve.divided(well.divisor))
            starts.append(row.start_h)
            ends.append(row.end_h)
    if not curves:
        return None
    hours, values = mean_line(curves, max(starts), min(ends), _LINE_POINTS)
    return Line(of, Trace(hours.astype(np.float32), values.astype(np.float32)))
