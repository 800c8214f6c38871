"""From stored counts to the tables that people read: time axis, one frame a place, order, flags.

Everything here is computed anew from what is stored, so that a late frame, a refined time or
another t0 changes the table and never needs a recount.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from livecount.arranging import COUNT_COLUMNS, arrange_counts
from livecount.calibrated import add_calibrated
from livecount.experiment import ChannelRule, TimeAxis
from livecount.frame import FrameCount
from livecount.frame_intervals import frame_intervals
from livecount.inside import (
    EdgeRule,
    add_counts_inside,
    places_of,
)
from livecount.plate import map_of_lines
from livecount.storage import (
    Analysis,
    CountColumns,
    CountReader,
    Experiment,
)
from livecount.uncertainty import Calibration, count_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["count_table", "table_of"]

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
_AS_STORED: Final = (
    *_ATTRIBUTES,
    "page",
    "content_hash",
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
    checked = {one.frame_id: one.said.made_by for one in store.checked_frames(analysis)}
    table["checked_by"] = [checked.get(frame, "") for frame in table.index]
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
            "content_hash": count.key.content_hash,
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
