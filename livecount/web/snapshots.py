"""One experiment as the pages show it: computed once from the database, held in memory.

A plate of 384 wells over 200 hours is 76,800 frames; their table takes seconds to make, more than
a page may. It is made apart (:mod:`livecount.web.analyst`) whenever the database has changed, and
every page asks this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from livecount.growth import PositionSeries, WellSeries, well_curve, wells_of
from livecount.plate import PlateMap, WellContents, map_of_lines
from livecount.storage import Analysis, ChangeMarks, CountReader, Experiment
from livecount.tables import count_table
from livecount.time_axis import hours_of, zero_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EventShown", "Snapshot", "Trace", "Track", "take_snapshot", "trace_of"]

Reals = npt.NDArray[np.float32]

KEPT_COLUMNS: Final = (
    "plate", "well", "field", "position", "channel", "z", "time_point", "elapsed_h", "acquired_at",
    "count", "density_per_mm2", "confluence_percent", "focus", "flags", "excluded", "excluded_by",
    "group", "experiment", "analysis_id", "curves_from",
)  # fmt: skip
_REPEATING: Final = (
    "plate", "well", "field", "position", "channel", "z", "flags", "excluded", "excluded_by",
    "group", "experiment", "analysis_id", "curves_from",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A value over time.

    Attributes
    ----------
    hours, values
        Hours after t0 and the mean over a well's fields at each visit, shape (n,), float32.
    """

    hours: Reals
    values: Reals

    def __len__(self) -> int:
        return len(self.hours)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One curve of the experiment: a well in one channel and plane, or a place without a well.

    Attributes
    ----------
    series
        Its fields, for fits.
    growth, confluence
        What rates are fitted to (:attr:`WellSeries.metric` says what it is), and the confluence.
    contents, held
        What the plate map says of the well, in words and as it is; None where it says nothing.
    n_frames, n_flagged, n_excluded
        Frames of it, and how many carry a flag or are not used.
    """

    series: WellSeries
    growth: Trace
    confluence: Trace
    contents: str
    role: str
    n_frames: int
    n_flagged: int
    n_excluded: int
    held: WellContents | None = None


@dataclass(frozen=True, slots=True)
class EventShown:
    """Something done to the cells, at an hour of the axis."""

    name: str
    at_h: float
    wells: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The state of an experiment under one analysis.

    Attributes
    ----------
    frames
        One row a counted frame with :data:`KEPT_COLUMNS`, index its id in the database, in order of
        plate, well, field and time.
    zero
        The date of hour 0, None where the clock has no dates.
    marks
        How far the database had come.
    """

    experiment: Experiment
    analysis: Analysis
    frames: pd.DataFrame
    tracks: tuple[Track, ...]
    events: tuple[EventShown, ...]
    zero: datetime | None
    marks: ChangeMarks
    taken_at: datetime


def take_snapshot(store: CountReader, experiment: Experiment, analysis: Analysis) -> Snapshot:
    """Compute what the pages show of an experiment under one analysis."""
    taken_at = datetime.now(UTC)
    marks = store.change_marks(experiment, analysis)
    table = count_table(store, experiment, analysis)
    said = store.plate_map(experiment)
    plate_map = None if said is None else map_of_lines(said.wells, "the stored plate map")
    zero = zero_of(table) if len(table) else None
    standing = [event for event in store.events(experiment) if event.withdrawn is None]
    return Snapshot(
        experiment=experiment,
        analysis=analysis,
        frames=_compact(table),
        tracks=tuple(_tracks(table, plate_map)),
        events=tuple(
            EventShown(event.name, hours_of(table, event.when), event.wells)
            for event in standing
            if len(table)
        ),
        zero=None if zero is None else zero.to_pydatetime(warn=False),
        marks=marks,
        taken_at=taken_at,
    )


def trace_of(fields: Sequence[PositionSeries]) -> Trace:
    """Average a well's fields at each visit."""
    curve = well_curve([field.used for field in fields])
    return Trace(curve.times_h.astype(np.float32), curve.values.astype(np.float32))


def _compact(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    kept = table[[name for name in KEPT_COLUMNS if name in table]].copy()
    for name in _REPEATING:
        if name in kept:
            kept[name] = kept[name].astype("string").fillna("").astype("category")
    return kept


def _tracks(table: pd.DataFrame, plate_map: PlateMap | None) -> list[Track]:
    if table.empty:
        return []
    wells = wells_of(table)
    covered = {
        one.identity: trace_of(one.fields)
        for one in wells_of(_as_counts(table, "confluence_percent"))
    }
    tallies = _tallies(table)
    empty = Trace(np.empty(0, np.float32), np.empty(0, np.float32))
    found = []
    for well in wells:
        contents = plate_map.of(well.plate, well.well) if plate_map else None
        n_frames, n_flagged, n_excluded = tallies.get((well.plate, well.well), (0, 0, 0))
        found.append(
            Track(
                series=well,
                growth=trace_of(well.fields),
                confluence=covered.get(well.identity, empty),
                contents="" if contents is None else contents_in_words(contents),
                role="" if contents is None else contents.role.value,
                n_frames=n_frames,
                n_flagged=n_flagged,
                n_excluded=n_excluded,
                held=contents,
            )
        )
    return found


def contents_in_words(contents: Any) -> str:
    """Write what a well holds as one line."""
    parts = (contents.cell_line, *(str(each) for each in contents.treatments))
    return ", ".join(part for part in parts if part)


def _as_counts(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Let another measurement go the way of the counts."""
    return table.assign(
        count=table[column], density_per_mm2=float("nan"), curves_from="whole frame"
    )


def _tallies(table: pd.DataFrame) -> Mapping[tuple[str | None, str | None], tuple[int, int, int]]:
    keys = [table[name].astype("string").fillna("") for name in ("plate", "well")]
    noted = {
        "n": np.ones(len(table), np.int64),
        "flagged": (table["flags"] != "").to_numpy(np.int64),
        "excluded": (table["excluded"] != "").to_numpy(np.int64),
    }
    summed = table.assign(**noted).groupby(keys, sort=False)[list(noted)].sum()
    return {
        (plate or None, well or None): (int(n), int(flagged), int(excluded))
        for (plate, well), (n, flagged, excluded) in zip(
            summed.index, summed.to_numpy(), strict=True
        )
    }
