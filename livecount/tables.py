"""From stored counts to the tables that people read: time axis, one frame a place, order, flags.

Everything here is computed anew from what is stored, so that a late frame, a refined time or
another t0 changes the table and never needs a recount.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from livecount.calibrated import CALIBRATED_COLUMNS, add_calibrated
from livecount.excluding import exclude_as_said, name_rules
from livecount.experiment import ChannelRule, TimeAxis
from livecount.frame import FrameCount
from livecount.frame_intervals import frame_intervals
from livecount.inside import (
    INSIDE_COLUMNS,
    WHOLE_FRAME,
    EdgeRule,
    add_counts_inside,
    places_of,
)
from livecount.neighbours_in_time import neighbour_flags
from livecount.plate import WELL_COLUMNS, PlateMap, add_well_columns, map_of_lines
from livecount.readers import well_sort_key
from livecount.readers.wells import natural_key
from livecount.same_scan import PLACE, same_scans
from livecount.storage import (
    Analysis,
    CountColumns,
    CountReader,
    Exclusion,
    Experiment,
    Validation,
)
from livecount.time_axis import Timing, time_frames
from livecount.uncertainty import Calibration, count_interval
from livecount.validated import validation_states

if TYPE_CHECKING:
    import pandas as pd

IntColumn = npt.NDArray[np.int64]

__all__ = [
    "COUNT_COLUMNS",
    "arrange_counts",
    "count_table",
    "table_of",
]

COUNT_COLUMNS: Final = (
    "experiment",
    "plate",
    "well",
    "field",
    "position",
    "time_point",
    "channel",
    "z",
    "acquired_at",
    "elapsed_h",
    "count",
    "density_per_mm2",
    "confluence_percent",
    "flags",
    "excluded",
    "source",
    "page",
    "model",
    "analysis_id",
    "h",
    "cell_diameter",
    "cell_diameter_unit",
    "pixel_size_um",
    "pixel_size_source",
    "time_source",
    "focus",
    "mean_intensity",
    "saturated_fraction",
    "runtime",
    "precision",
    "watched_folder",
    "bright_rounded_count",
    "validation",
    "count_low",
    "count_high",
    *WELL_COLUMNS,
    "excluded_by",
    "excluded_at",
    *INSIDE_COLUMNS,
    *CALIBRATED_COLUMNS,
    "corrected_count",
)
"""Columns of ``export counts``; the first nineteen are a contract, later ones go to the end."""

ZSelection = int | Literal["all"] | None
"""The plane of a z series that is counted: a number, all as series of their own, the sharpest."""

_ATTRIBUTES: Final = (
    "plate",
    "well",
    "field",
    "position",
    "time_point",
    "channel",
    "z",
    "acquired_at",
    "elapsed_s",
    "pixel_size_um",
)
_SEGMENTED: Final = ("confluence_percent", "bright_rounded_count")
_INTERVAL: Final = ("count_low", "count_high")
_AS_STORED: Final = (
    *_ATTRIBUTES,
    "page",
    "mtime_ns",
    "count",
    "area_mm2",
    "focus",
    "mean_intensity",
    "saturated_fraction",
    *_SEGMENTED,
)
_WITH_ORIGIN: Final = ("acquired_at", "elapsed_s", "pixel_size_um")


def count_table(
    store: CountReader,
    experiment: Experiment,
    analysis: Analysis,
    *,
    intervals: bool = False,
    edges: EdgeRule | None = None,
    on_frame: Callable[[], Any] = lambda: None,
) -> pd.DataFrame:
    """Give an experiment's counts under one analysis, as ``export counts`` shows them.

    Parameters
    ----------
    intervals
        Compute ``count_low`` and ``count_high``, for which every frame's candidates are read; else
        they stay empty.
    edges
        What is done about edges and overlaps, for which every frame's candidates are read; None:
        nothing, and curves are made of whole frames.
    on_frame
        Called for each frame of which an interval was computed.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COUNT_COLUMNS`; its index is the frame's id in the database.
    """
    found = store.counts(analysis)
    table = _stored_table(store, experiment, analysis, found)
    validations = store.validations(analysis)
    if intervals:
        bounds = frame_intervals(store, analysis, found, validations, on_frame)
        table["count_low"], table["count_high"] = bounds
    axis = TimeAxis(experiment.t0, experiment.frame_interval_min)
    said = store.plate_map(experiment)
    z = analysis.settings.z
    arranged = arrange_counts(
        table,
        axis,
        z="all" if z == "all" else int(z) if z.isdecimal() else None,
        channels=_channel_rule(analysis),
        validations=validations,
        exclusions=store.exclusions(experiment),
        plate_map=None if said is None else map_of_lines(said.wells, "the stored plate map"),
    )
    calibrated = store.nuclei_calibrations(analysis)
    if calibrated:
        add_calibrated(arranged, calibrated[0].calibration)
    if edges is not None and len(arranged):
        cells = ((one.frame_id, one.candidates) for one in store.iter_candidates(analysis))
        at_h = ((frame_id, found.at(analysis.settings.h)) for frame_id, found in cells)
        add_counts_inside(arranged, places_of(found), at_h, edges, each_plane=z == "all")
    return arranged


def _stored_table(
    store: CountReader, experiment: Experiment, analysis: Analysis, found: CountColumns
) -> pd.DataFrame:
    """Give what is stored of each count, before any rule has looked at it."""
    import pandas as pd

    stored = {name: getattr(found, name) for name in _AS_STORED}
    table = pd.DataFrame(stored, index=pd.Index(found.frame_id, name="frame_id"))
    table["acquired_at"] = pd.to_datetime(table["acquired_at"], utc=True)
    table = table.assign(
        experiment=experiment.name,
        source=[path.decode("utf-8", "backslashreplace") for path in found.relative_path],
        watched_folder=found.folder,
        flags=[";".join(flags) for flags in found.flags],
        runtime=[made.runtime for made in found.provenance],
        precision=[made.precision for made in found.provenance],
    )
    for name, values in {**_origins(found.attribute_sources), **_rule_columns(analysis)}.items():
        table[name] = values
    looks = store.looks(analysis)
    table["look"] = pd.Series([looks.get(frame) for frame in table.index], table.index, object)
    changes = store.corrected_by(analysis)
    if changes:
        table["corrected_count"] = table["count"] + table.index.map(changes).astype(float)
    return table


def _channel_rule(analysis: Analysis) -> ChannelRule | None:
    """Give the choice of channel of an analysis; None where it says nothing of channels."""
    channel = analysis.settings.channel
    return ChannelRule(None if channel == "automatic" else channel) if channel else None


def table_of(
    counts: Sequence[FrameCount],
    rule: Mapping[str, Any],
    axis: TimeAxis,
    *,
    channels: ChannelRule | None = None,
    calibration: Calibration | None = None,
    edges: EdgeRule | None = None,
) -> pd.DataFrame:
    """Give counts that were never stored in the form of ``export counts``.

    Parameters
    ----------
    rule
        The columns that say how was counted: ``experiment``, ``model``, ``h`` ...
    channels
        Which channel is counted; None where there was no choice.
    calibration
        The model's, for ``count_low`` and ``count_high``; None leaves them empty.
    edges
        As for :func:`count_table`.
    """
    import pandas as pd

    rows = [
        {
            **{name: getattr(count.attributes, name) for name in _ATTRIBUTES},
            **_origins_of(count.attributes.sources),
            "mtime_ns": float("nan"),
            "count": count.count,
            "confluence_percent": count.confluence_percent,
            "bright_rounded_count": None if count.shapes is None else count.shapes.n_bright_rounded,
            "area_mm2": count.area_mm2,
            "focus": count.quality.focus,
            "mean_intensity": count.quality.mean_intensity,
            "saturated_fraction": count.quality.saturated_fraction,
            "look": count.quality.look,
            "source": count.key.display_path,
            "page": count.key.page,
            "watched_folder": count.key.source,
            "flags": ";".join(count.flags),
            "runtime": count.provenance.runtime,
            "precision": count.provenance.precision,
            "analysis_id": count.analysis_id,
            **_interval_columns(count, calibration),
            **rule,
        }
        for count in counts
    ]
    if not rows:
        return pd.DataFrame(columns=list(COUNT_COLUMNS))
    table = pd.DataFrame(rows).astype(dict.fromkeys((*_SEGMENTED, "area_mm2", "elapsed_s"), float))
    table["acquired_at"] = pd.to_datetime(table["acquired_at"], utc=True)
    arranged = arrange_counts(table, axis, channels=channels)
    if edges is not None:
        at_h = ((row, count.candidates.at(rule["h"])) for row, count in enumerate(counts))
        add_counts_inside(arranged, places_of(counts), at_h, edges)
    return arranged


def _interval_columns(count: FrameCount, calibration: Calibration | None) -> dict[str, float]:
    if calibration is None:
        return {}
    low, high = count_interval(calibration, count.candidates.prominence, count.count)
    return {"count_low": low, "count_high": high}


def _rule_columns(analysis: Analysis) -> dict[str, Any]:
    settings = analysis.settings
    return {
        "model": settings.model_name,
        "analysis_id": analysis.id,
        "h": settings.h,
        "cell_diameter": settings.cell_diameter,
        "cell_diameter_unit": settings.cell_diameter_unit,
    }


def _origins_of(sources: Mapping[str, str]) -> dict[str, str | None]:
    return {f"{name}_source": sources.get(name) for name in _WITH_ORIGIN}


def _origins(sources: Sequence[Mapping[str, str]]) -> dict[str, list[str | None]]:
    return {f"{name}_source": [each.get(name) for each in sources] for name in _WITH_ORIGIN}


def arrange_counts(
    table: pd.DataFrame,
    axis: TimeAxis,
    *,
    z: ZSelection = None,
    channels: ChannelRule | None = None,
    validations: Sequence[Validation] = (),
    exclusions: Sequence[Exclusion] = (),
    plate_map: PlateMap | None = None,
) -> pd.DataFrame:
    """Turn one experiment's stored counts into the table of ``export counts``.

    Parameters
    ----------
    table
        One row a counted frame with the stored columns.
    axis
        The experiment's declared time.
    z
        Which plane of a z series stands for its time point.
    channels
        Which channel is counted, where one must be: frames whose channel became known late, or
        that were counted before the counted channel appeared, are excluded by it.
    validations
        What people found of the counts' analysis.
    exclusions
        What people do not want to be used; it goes before the choice of planes and of doubled
        frames, so that another frame can take the place of an excluded one.
    plate_map
        What the wells hold; None where nobody said.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COUNT_COLUMNS`, in order of plate, well (A1, A2, A10), field, position, time.
    """
    import pandas as pd

    if table.empty:
        return pd.DataFrame(columns=list(COUNT_COLUMNS))
    table = table.copy()
    for name in (*_SEGMENTED, *_INTERVAL, *INSIDE_COLUMNS[:4], "corrected_count"):
        if name not in table:
            table[name] = float("nan")
    table = table.assign(overlap="", curves_from=WHOLE_FRAME)
    table["density_per_mm2"] = table["count"] / table["area_mm2"].astype(float)
    add_calibrated(table, None)
    table["excluded"] = table["excluded"].fillna("") if "excluded" in table else ""
    if channels is not None:
        _exclude_other_channels(table, channels)
    timing = time_frames(table, axis)
    table["elapsed_h"], table["time_source"] = timing.elapsed_h, timing.source
    known = (table[name] for name in ("count", "density_per_mm2", "pixel_size_um"))
    table["validation"] = validation_states(validations, *known)
    table["pixel_size_source"] = table["pixel_size_um_source"]
    table["flags"] = (table["flags"] + ";" + timing.flags).str.strip(";")
    add_well_columns(table, plate_map or PlateMap())
    exclude_as_said(table, exclusions)
    _exclude_other_planes(table, z)
    _exclude_same_place_and_time(table, timing, each_plane=z == "all")
    name_rules(table)
    table["flags"] = (table["flags"] + ";" + neighbour_flags(table)).str.strip(";")
    return _sorted(table)[list(COUNT_COLUMNS)]


def _exclude_other_channels(table: pd.DataFrame, channels: ChannelRule) -> None:
    kept = table["excluded"] == ""
    present = table.loc[kept, "channel"].dropna().unique()
    reasons = table["channel"].map(channels.refusals(present))
    refused = kept & reasons.notna()
    table.loc[refused, "excluded"] = reasons[refused]


def _when(table: pd.DataFrame) -> pd.Series:
    """Give each frame's instant as the microscope names it, as text; empty where it has none."""
    named = _texts(table["time_point"], lambda point: f"t{point:g}")
    named = _texts(table["elapsed_s"], lambda seconds: f"{seconds:.3f} s").where(
        table["elapsed_s"].notna(), named
    )
    return _texts(table["acquired_at"], lambda at: at.isoformat()).where(
        table["acquired_at"].notna(), named
    )


def _texts(column: pd.Series, write: Callable[[Any], str]) -> pd.Series:
    import pandas as pd

    texts = ["" if pd.isna(value) else write(value) for value in column]
    return pd.Series(texts, column.index, dtype=object)


def _exclude_other_planes(table: pd.DataFrame, z: ZSelection) -> None:
    if z == "all" or table["z"].isna().all():
        return
    if isinstance(z, int):
        other = table["z"].notna() & (table["z"] != z) & (table["excluded"] == "")
        table.loc[other, "excluded"] = f"z {z} is the counted plane"
        return
    instant = _texts(table["time_point"], lambda point: f"t{point:g}")
    keys = [table[name].astype("string").fillna("") for name in PLACE]
    stack = table["source"].str.rpartition("/")[0]
    keys += [instant.where(instant != "", _when(table)), table["watched_folder"], stack]
    ranked = table[table["z"].notna()].sort_values(["focus", "z"], ascending=[False, True])
    groups = ranked.groupby([key.loc[ranked.index] for key in keys], sort=False)["z"]
    sharpest = groups.transform("first").reindex(table.index)
    other = table["z"].notna() & (table["z"] != sharpest) & (table["excluded"] == "")
    table.loc[other, "excluded"] = "z " + sharpest[other].astype(int).astype(str) + " is sharper"


def _exclude_same_place_and_time(table: pd.DataFrame, timing: Timing, *, each_plane: bool) -> None:
    """Keep one of several frames that claim the same place and time, and say so on the others."""
    claiming = table[table["excluded"] == ""].sort_values(["watched_folder", "source", "page"])
    if claiming.empty:  # all is excluded for other reasons
        return
    scans = same_scans(claiming, timing, each_plane=each_plane)
    doubled = scans[(scans >= 0) & scans.duplicated(keep=False)]
    table.loc[doubled.index, "flags"] += ";same_place_and_time"
    table["flags"] = table["flags"].str.strip(";")
    later = doubled.index[doubled.duplicated()]
    first = doubled[~doubled.duplicated()]
    current = claiming.loc[scans[later].map(dict(zip(first, first.index, strict=True)))]
    elsewhere = current["watched_folder"].to_numpy() != claiming.loc[later, "watched_folder"]
    where = (" in " + current["watched_folder"]).where(elsewhere.to_numpy(), "")
    table.loc[later, "excluded"] = (
        "same place and time as " + current["source"] + where
    ).to_numpy()


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    order = table.assign(_z=table["z"].astype(float).fillna(-1))
    for name, key in (
        ("plate", natural_key), ("well", well_sort_key), ("field", natural_key),
        ("position", natural_key), ("channel", natural_key),
    ):  # fmt: skip
        order[f"_{name}"] = _ranks(table[name], key)
    return order.sort_values(
        ["_plate", "_well", "_field", "_position", "_channel", "elapsed_h", "_z", "source", "page"],
        kind="stable",
    )


def _ranks(texts: pd.Series, key: Callable[[str], Any]) -> IntColumn:
    """Rank texts by their keys; equal keys alike, what is no text first."""
    codes, values = texts.factorize()
    keys = [key(text) if isinstance(text, str) else () for text in values]
    rank_of = {each: rank for rank, each in enumerate(sorted({(), *keys}))}
    ranks: IntColumn = np.array([*(rank_of[each] for each in keys), rank_of[()]], np.int64)[codes]
    return ranks
