"""One experiment as the pages show it: computed once from the database, held in memory.

A plate of 384 wells over 200 hours is 76,800 frames; their table takes seconds to make, more than
a page may. It is made apart (:mod:`livecount.web.analyst`) whenever the database has changed, and
every page asks this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from livecount.alerts import Rhythm
from livecount.alerts.scans import rhythm_of, visits_of
from livecount.checked_fields import DensityOrder, order_by_density
from livecount.flags import doubts_of
from livecount.growth import WellSeries, wells_of
from livecount.inside import EdgeRule
from livecount.plate import PlateMap, map_of_lines
from livecount.storage import Analysis, ChangeMarks, CountReader, Exclusion, Experiment
from livecount.tables import count_table
from livecount.time_axis import zero_of
from livecount.web.group_curves import DrawnCurve, GroupLines, curve_of_well, lines_of_groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Snapshot",
    "Trace",
    "Track",
    "counts_shown",
    "is_doubtful",
    "take_snapshot",
    "trace_of",
]

Reals = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

KEPT_COLUMNS: Final = (
    "plate", "well", "field", "position", "channel", "z", "time_point", "elapsed_h", "acquired_at",
    "count", "density_per_mm2", "pixel_size_um", "confluence_percent", "focus", "flags", "excluded",
    "excluded_by", "group", "experiment", "analysis_id", "curves_from",
)  # fmt: skip
_REPEATING: Final = (
    "plate", "well", "field", "position", "channel", "z", "flags", "excluded", "excluded_by",
    "group", "experiment", "analysis_id", "curves_from",
)  # fmt: skip
_ENOUGH_PLACES: Final = 24


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
        Its fields.
    curve
        What rates are fitted to (:attr:`WellSeries.metric` says what it is).
    growth, confluence
        The same for small figures, and the confluence.
    contents
        What the plate map says of the well, in words.
    n_frames, n_flagged, n_excluded
        Frames of it, and how many carry a flag that puts their count in doubt or are not used.
    """

    series: WellSeries
    curve: DrawnCurve
    growth: Trace
    confluence: Trace
    contents: str
    role: str
    n_frames: int
    n_flagged: int
    n_excluded: int


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The state of an experiment under one analysis.

    Attributes
    ----------
    frames
        One row a counted frame with :data:`KEPT_COLUMNS`, index its id in the database, in order of
        plate, well, field and time.
    rows_of_wells
        The numbers of the rows of ``frames`` that are of a plate and well, "" for none.
    densities
        The frames that can be used, from sparse to dense.
    groups
        The mean curves of the groups of wells.
    zero
        The date of hour 0, None where the clock has no dates.
    rhythm
        In what rhythm frames come, None before it can be told.
    marks
        How far the database had come.
    exclusions
        What people do not want to be used; newer counts may be of it too.
    """

    experiment: Experiment
    analysis: Analysis
    frames: pd.DataFrame
    rows_of_wells: Mapping[tuple[str, str], Rows]
    densities: DensityOrder
    tracks: tuple[Track, ...]
    groups: GroupLines
    zero: datetime | None
    rhythm: Rhythm | None
    marks: ChangeMarks
    taken_at: datetime
    exclusions: tuple[Exclusion, ...]


def counts_shown(store: CountReader, experiment: Experiment, analysis: Analysis) -> pd.DataFrame:
    """Make the count table whose curves are those of ``export`` and ``plot``.

    Where the run was set to leave edges out of the curves, every frame's cells are read for it.
    """
    edges = EdgeRule.of_settings(experiment.settings)
    return count_table(store, experiment, analysis, edges=edges if edges.for_curves else None)


def take_snapshot(
    store: CountReader,
    experiment: Experiment,
    analysis: Analysis,
    marks: ChangeMarks,
    table: pd.DataFrame,
) -> Snapshot:
    """Compute what the pages show of an experiment under one analysis.

    Parameters
    ----------
    marks
        How far the database had come before the table was made.
    table
        A result of :func:`counts_shown`.
    """
    said = store.plate_map(experiment)
    plate_map = None if said is None else map_of_lines(said.wells, "the stored plate map")
    zero = zero_of(table) if len(table) else None
    frames = _compact(table)
    tracks = tuple(_tracks(table, plate_map))
    return Snapshot(
        experiment=experiment,
        analysis=analysis,
        frames=frames,
        rows_of_wells=_rows_of_wells(frames),
        densities=order_by_density(table),
        tracks=tracks,
        groups=lines_of_groups([track.curve for track in tracks]),
        zero=None if zero is None else zero.to_pydatetime(warn=False),
        rhythm=_rhythm(store, experiment, analysis, table),
        marks=marks,
        taken_at=datetime.now(UTC),
        exclusions=tuple(store.exclusions(experiment)),
    )


def _rhythm(
    store: CountReader, experiment: Experiment, analysis: Analysis, table: pd.DataFrame
) -> Rhythm | None:
    """Learn in what rhythm frames come, as alerts do, from the places that were counted last."""
    import pandas as pd

    frame_ids, moments = store.counted_at(analysis)
    counted = table.join(pd.Series(moments, frame_ids, name="counted_at"), how="inner")
    if counted.empty:
        return None
    latest = counted.sort_values("counted_at")
    places = latest["well"].fillna(latest["position"])
    recent = places.iloc[::-1].drop_duplicates().iloc[:_ENOUGH_PLACES]
    declared = experiment.frame_interval_min
    return rhythm_of(
        visits_of(latest[places.isin(recent)]), None if declared is None else declared / 60
    )


def trace_of(curve: DrawnCurve) -> Trace:
    """Give a well's curve as small figures have it."""
    return Trace(curve.hours.astype(np.float32), curve.values.astype(np.float32))


def _compact(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    kept = table[[name for name in KEPT_COLUMNS if name in table]].copy()
    for name in _REPEATING:
        if name in kept:
            kept[name] = kept[name].astype("string").fillna("").astype("category")
    kept["pixel_size_um"] = kept["pixel_size_um"].astype("float64")
    return kept


def _rows_of_wells(frames: pd.DataFrame) -> dict[tuple[str, str], Rows]:
    if frames.empty:
        return {}
    groups = frames.groupby(["plate", "well"], observed=True, sort=False).indices
    return {(str(key[0]), str(key[1])): np.asarray(rows) for key, rows in groups.items()}  # type: ignore[index]


def _tracks(table: pd.DataFrame, plate_map: PlateMap | None) -> list[Track]:
    if table.empty:
        return []
    wells = wells_of(table)
    covered = {}
    if table["confluence_percent"].notna().any():
        covered = {
            one.identity: trace_of(curve_of_well(one))
            for one in wells_of(_as_counts(table, "confluence_percent"))
        }
    planes_are_apart = any(well.z for well in wells)
    tallies = _tallies(table, planes_are_apart)
    empty = Trace(np.empty(0, np.float32), np.empty(0, np.float32))
    found = []
    for well in wells:
        contents = plate_map.of(well.plate, well.well) if plate_map else None
        curve = curve_of_well(well)
        place = (well.plate, well.well, well.channel, well.z)[: 4 if planes_are_apart else 3]
        n_frames, n_flagged, n_excluded = tallies[tuple(name or "" for name in place)]
        found.append(
            Track(
                series=well,
                curve=curve,
                growth=trace_of(curve),
                confluence=covered.get(well.identity, empty),
                contents="" if contents is None else contents_in_words(contents),
                role="" if contents is None else contents.role.value,
                n_frames=n_frames,
                n_flagged=n_flagged,
                n_excluded=n_excluded,
            )
        )
    return found


def is_doubtful(flags: pd.Series) -> npt.NDArray[np.bool_]:
    """Tell which frames carry a flag that puts their count in doubt.

    Parameters
    ----------
    flags
        The column ``flags`` of a table, few of whose texts differ.
    """
    codes, texts = flags.factorize()
    doubtful = np.array([bool(doubts_of(str(text))) for text in texts], dtype=np.bool_)
    found: npt.NDArray[np.bool_] = np.append(doubtful, False)[codes]
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


def _tallies(
    table: pd.DataFrame, planes_are_apart: bool
) -> Mapping[tuple[str, ...], tuple[int, int, int]]:
    """Count the frames of each curve: all, flagged, not used; by plate, well, channel and plane."""
    names = (table[name].astype("string") for name in ("plate", "well", "channel"))
    keys = [name.fillna("").str.strip() for name in names]
    if planes_are_apart:
        keys.append(table["z"].astype("Int64").astype("string").fillna(""))
    noted = {
        "n": np.ones(len(table), np.int64),
        "flagged": is_doubtful(table["flags"]).astype(np.int64),
        "excluded": (table["excluded"] != "").to_numpy(np.int64),
    }
    summed = table.assign(**noted).groupby(keys, sort=False)[list(noted)].sum()
    return {
        tuple(map(str, place)): (int(n), int(flagged), int(excluded))
        for place, (n, flagged, excluded) in zip(summed.index, summed.to_numpy(), strict=True)
    }
