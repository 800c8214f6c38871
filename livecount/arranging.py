"""The rules that turn one experiment's stored counts into the table of ``export counts``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from livecount.calibrated import CALIBRATED_COLUMNS, add_calibrated
from livecount.excluding import exclude_as_said, name_rules
from livecount.experiment import ChannelRule, TimeAxis
from livecount.inside import INSIDE_COLUMNS, WHOLE_FRAME
from livecount.neighbours_in_time import neighbour_flags
from livecount.plate import WELL_COLUMNS, PlateMap, add_well_columns
from livecount.readers import well_sort_key
from livecount.readers.wells import natural_key
from livecount.restarts import begun_again
from livecount.same_scan import PLACE, same_scans
from livecount.storage import Exclusion, Validation
from livecount.time_axis import Timing, time_frames
from livecount.validated import validation_states

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COUNT_COLUMNS", "ZSelection", "arrange_counts"]

IntColumn = npt.NDArray[np.int64]

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
    "checked_by",
)
"""Columns of ``export counts``; the first nineteen are a contract, later ones go to the end."""

ZSelection = int | Literal["all"] | None
"""The plane of a z series that is counted: a number, all as series of their own, the sharpest."""

_SEGMENTED: Final = ("confluence_percent", "bright_rounded_count")
_INTERVAL: Final = ("count_low", "count_high")
_BEGUN_AGAIN: Final = (
    " again, and no date says when it was taken: watch its folder as one of [[experiments]], "
    "or let `pattern` in [watch] read dates (or plates) from the names"
)


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
    if "checked_by" not in table:
        table["checked_by"] = ""
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
    used = table["z"].notna() & (table["excluded"] == "")
    ranked = table[used].sort_values(["focus", "z"], ascending=[False, True])
    groups = ranked.groupby([key.loc[ranked.index] for key in keys], sort=False)["z"]
    sharpest = groups.transform("first").reindex(table.index)
    other = used & (table["z"] != sharpest)
    table.loc[other, "excluded"] = "z " + sharpest[other].astype(int).astype(str) + " is sharper"


def _exclude_same_place_and_time(table: pd.DataFrame, timing: Timing, *, each_plane: bool) -> None:
    """Keep one of several frames that claim the same place and time, and say so on the others."""
    import pandas as pd

    claiming = table[table["excluded"] == ""].sort_values(["watched_folder", "source", "page"])
    if claiming.empty:  # all is excluded for other reasons
        return
    scans = same_scans(claiming, timing, each_plane=each_plane)
    doubled = scans[(scans >= 0) & scans.duplicated(keep=False)]
    table.loc[doubled.index, "flags"] += ";same_place_and_time"
    table["flags"] = table["flags"].str.strip(";")
    later = doubled.index[doubled.duplicated()]
    first = doubled[~doubled.duplicated()]
    current = scans[later].map(dict(zip(first, first.index, strict=True)))
    table.loc[later, "excluded"] = "same place and time as " + _named(claiming, current)
    again = begun_again(claiming, timing, scans, each_plane=each_plane)
    if again:
        like = pd.Series(again)
        table.loc[like.index, "excluded"] = (
            "claims the times of " + _named(claiming, like) + _BEGUN_AGAIN
        )


def _named(claiming: pd.DataFrame, like: pd.Series) -> pd.Series:
    """Name the frames that others are like, with the watched folder where it is another."""
    frames = claiming.loc[like]
    elsewhere = frames["watched_folder"].to_numpy() != claiming.loc[like.index, "watched_folder"]
    where = (" in " + frames["watched_folder"]).where(elsewhere.to_numpy(), "")
    return (frames["source"] + where).set_axis(like.index)


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
