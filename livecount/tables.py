"""From stored counts to the tables that people read: time axis, one frame a place, order, flags.

Everything here is computed anew from what is stored, so that a late frame, a refined time or
another t0 changes the table and never needs a recount.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from livecount.experiment import TimeAxis
from livecount.frame import AttributeSource, FrameCount
from livecount.readers import well_sort_key
from livecount.storage import Analysis, CountReader, Experiment

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CELL_COLUMNS",
    "COUNT_COLUMNS",
    "arrange_counts",
    "cell_table",
    "count_table",
    "elapsed_hours",
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
)
"""Columns of ``export counts``; the first nineteen are a contract, later ones go to the end."""

_PLACE: Final = ["experiment", "plate", "well", "field", "position", "channel"]
CELL_COLUMNS: Final = (*COUNT_COLUMNS[:10], "source", "page", "model", "analysis_id")
"""Columns of ``export cells`` before ``y_px,x_px,score``: those that say which frame it is."""

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
_AS_STORED: Final = (
    *_ATTRIBUTES,
    "page",
    "mtime_ns",
    "count",
    "area_mm2",
    "focus",
    "mean_intensity",
    "saturated_fraction",
)
_WITH_ORIGIN: Final = ("acquired_at", "elapsed_s", "pixel_size_um")


def count_table(store: CountReader, experiment: Experiment, analysis: Analysis) -> pd.DataFrame:
    """Give an experiment's counts under one analysis, as ``export counts`` shows them.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COUNT_COLUMNS`; its index is the frame's id in the database.
    """
    import pandas as pd

    found = store.counts(analysis)
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
    axis = TimeAxis(experiment.t0, experiment.frame_interval_min)
    z = analysis.settings.z
    return arrange_counts(table, axis, z="all" if z == "all" else int(z) if z.isdigit() else None)


def table_of(counts: Sequence[FrameCount], rule: Mapping[str, Any], axis: TimeAxis) -> pd.DataFrame:
    """Give counts that were never stored in the form of ``export counts``.

    Parameters
    ----------
    rule
        The columns that say how was counted: ``experiment``, ``model``, ``h`` ...
    """
    import pandas as pd

    rows = [
        {
            **{name: getattr(count.attributes, name) for name in _ATTRIBUTES},
            **_origins_of(count.attributes.sources),
            "mtime_ns": 0,
            "count": count.count,
            "area_mm2": count.area_mm2,
            "focus": count.quality.focus,
            "mean_intensity": count.quality.mean_intensity,
            "saturated_fraction": count.quality.saturated_fraction,
            "source": count.key.display_path,
            "page": count.key.page,
            "watched_folder": count.key.source,
            "flags": ";".join(count.flags),
            "runtime": count.provenance.runtime,
            "precision": count.provenance.precision,
            "analysis_id": count.analysis_id,
            **rule,
        }
        for count in counts
    ]
    if not rows:
        return pd.DataFrame(columns=list(COUNT_COLUMNS))
    table = pd.DataFrame(rows).astype({"area_mm2": float, "elapsed_s": float})
    table["acquired_at"] = pd.to_datetime(table["acquired_at"], utc=True)
    return arrange_counts(table, axis)


def cell_table(store: CountReader, analysis: Analysis, counts: pd.DataFrame) -> pd.DataFrame:
    """Give every cell of the frames in a count table, as ``export cells`` shows them.

    Parameters
    ----------
    counts
        A result of :func:`count_table`, which gives the order of frames and what names them.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`CELL_COLUMNS`, then ``y_px,x_px,score`` (pixels of the frame, prominence).
    """
    import numpy as np
    import pandas as pd

    cells = {
        found.frame_id: found.candidates.at(analysis.settings.h)
        for found in store.iter_candidates(analysis)
    }
    kept = counts[counts.index.isin(cells)]
    numbers = [len(cells[frame_id]) for frame_id in kept.index]
    table = kept.loc[kept.index.repeat(numbers), list(CELL_COLUMNS)].reset_index(drop=True)
    for column, name in (("y_px", "y_px"), ("x_px", "x_px"), ("score", "prominence")):
        parts = [getattr(cells[frame_id], name) for frame_id in kept.index]
        table[column] = np.concatenate(parts) if parts else pd.Series(dtype="float32")
    return table


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


def elapsed_hours(table: pd.DataFrame, axis: TimeAxis) -> tuple[pd.Series, pd.Series]:
    """Put the frames of one experiment on one time axis.

    The first of these that **all** frames have is used, because clocks of different kinds do not
    share a zero: absolute times; seconds since the acquisition's start; time point times the
    declared interval; the file's modification time (marked as such).

    Parameters
    ----------
    table
        Columns ``acquired_at`` (UTC or NaT), ``elapsed_s``, ``time_point``, ``mtime_ns``,
        ``acquired_at_source``, ``elapsed_s_source``.

    Returns
    -------
    tuple of pandas.Series
        Hours since t0, and where the time came from.
    """
    import pandas as pd

    if table["acquired_at"].notna().all():
        start = pd.Timestamp(axis.t0) if axis.t0 else table["acquired_at"].min()
        hours = (table["acquired_at"] - start).dt.total_seconds() / 3600
        return hours, table["acquired_at_source"]
    if table["elapsed_s"].notna().all():
        seconds = table["elapsed_s"].astype(float)
        return (seconds - seconds.min()) / 3600, table["elapsed_s_source"]
    if axis.frame_interval_min and table["time_point"].notna().all():
        point = table["time_point"].astype(float)
        hours = (point - point.min()) * axis.frame_interval_min / 60
        return hours, pd.Series(AttributeSource.FRAME_INTERVAL.value, table.index)
    written = table["mtime_ns"].astype("int64")
    hours = (written - written.min()) / 3.6e12
    return hours, pd.Series(AttributeSource.MODIFICATION_TIME.value, table.index)


def arrange_counts(table: pd.DataFrame, axis: TimeAxis, *, z: ZSelection = None) -> pd.DataFrame:
    """Turn one experiment's stored counts into the table of ``export counts``.

    Parameters
    ----------
    table
        One row a counted frame with the stored columns.
    axis
        The experiment's declared time.
    z
        Which plane of a z series stands for its time point.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COUNT_COLUMNS`, in order of plate, well (A1, A2, A10), field, position, time.
    """
    import pandas as pd

    if table.empty:
        return pd.DataFrame(columns=list(COUNT_COLUMNS))
    table = table.copy()
    table["elapsed_h"], table["time_source"] = elapsed_hours(table, axis)
    table["density_per_mm2"] = table["count"] / table["area_mm2"].astype(float)
    table["pixel_size_source"] = table["pixel_size_um_source"]
    table["confluence_percent"] = pd.Series(float("nan"), table.index)
    table["flags"] = _flags(table)
    table["excluded"] = table["excluded"].fillna("") if "excluded" in table else ""
    _exclude_other_planes(table, z)
    _exclude_same_place_and_time(table)
    return _sorted(table)[list(COUNT_COLUMNS)]


def _flags(table: pd.DataFrame) -> pd.Series:
    untimed = table["time_source"] == AttributeSource.MODIFICATION_TIME.value
    return table["flags"].where(
        ~untimed, (table["flags"] + ";time_from_file_modification").str.strip(";")
    )


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
    keys = [table[name].astype("string").fillna("") for name in _PLACE]
    stack = table["source"].str.rpartition("/")[0]
    keys += [instant.where(instant != "", _when(table)), table["watched_folder"], stack]
    ranked = table[table["z"].notna()].sort_values(["focus", "z"], ascending=[False, True])
    groups = ranked.groupby([key.loc[ranked.index] for key in keys], sort=False)["z"]
    sharpest = groups.transform("first").reindex(table.index)
    other = table["z"].notna() & (table["z"] != sharpest) & (table["excluded"] == "")
    table.loc[other, "excluded"] = "z " + sharpest[other].astype(int).astype(str) + " is sharper"


def _exclude_same_place_and_time(table: pd.DataFrame) -> None:
    """Keep one of several frames that claim the same place and time, and say so on the others."""
    when = _when(table)
    keys = [table[name].astype("string").fillna("") for name in [*_PLACE, "z"]] + [when]
    candidates = table[(when != "") & (table["excluded"] == "")].sort_values(
        ["watched_folder", "source", "page"]
    )
    groups = candidates.groupby([key.loc[candidates.index] for key in keys], sort=False)
    first = groups["source"].transform("first")
    again = groups.cumcount() > 0
    doubled = groups["source"].transform("size") > 1
    both = candidates.index[doubled]
    table.loc[both, "flags"] = (table.loc[both, "flags"] + ";same_place_and_time").str.strip(";")
    later = candidates.index[again]
    table.loc[later, "excluded"] = "same place and time as " + first[later]


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    order = table.assign(
        _well=table["well"].map(lambda well: well_sort_key(well) if isinstance(well, str) else ()),
    )
    for name in ("plate", "field", "position", "channel"):
        order[f"_{name}"] = order[name].map(_natural_key)
    order["_z"] = order["z"].astype(float).fillna(-1)
    return order.sort_values(
        ["_plate", "_well", "_field", "_position", "_channel", "elapsed_h", "_z", "source", "page"],
        kind="stable",
    )


def _natural_key(name: object) -> tuple[tuple[int, int | str], ...]:
    """Sort names with numbers in them as people do: 2 before 10."""
    if not isinstance(name, str):
        return ()
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)
