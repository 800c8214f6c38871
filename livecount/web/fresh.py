"""Counts that are newer than the snapshot, on the curves of their wells at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livecount.excluding import exclude_as_said
from livecount.growth import INSIDE, wells_of
from livecount.storage import CountColumns
from livecount.web.group_curves import DrawnCurve, curve_of_well
from livecount.web.snapshots import Snapshot, Trace, trace_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FreshCurve", "fresh_curves"]

_HOUR_S: Final = 3600.0
_PLACE: Final = ("plate", "well", "field", "position", "channel", "z")


@dataclass(frozen=True, slots=True, eq=False)
class FreshCurve:
    """The end of a track's curve, from the first value that the snapshot has not.

    Attributes
    ----------
    keep
        How many values of the snapshot's curve come before it.
    curve
        The whole curve.
    """

    keep: int
    trace: Trace
    latest_frame_id: int
    curve: DrawnCurve

    def equals(self, other: FreshCurve | None) -> bool:
        """Tell whether another shows the same."""
        return (
            other is not None
            and self.keep == other.keep
            and np.array_equal(self.trace.hours, other.trace.hours)
            and np.array_equal(self.trace.values, other.trace.values)
        )

    def as_json(self) -> dict[str, Any]:
        """Give it as a page takes it."""
        return {
            "keep": self.keep,
            "hours": [round(float(hour), 4) for hour in self.trace.hours],
            "values": [round(float(value), 4) for value in self.trace.values],
            "frame": self.latest_frame_id,
        }


def fresh_curves(snapshot: Snapshot, new: CountColumns) -> dict[int, FreshCurve]:
    """Put counts on the curves that a snapshot has, by their dates.

    Frames without a date, of another channel or plane, or of a well that the snapshot does not know
    wait for the next snapshot, which knows the rules that they need; so do all where curves leave
    the edges out.

    Returns
    -------
    dict
        Number of the track -> the new end of its curve.
    """
    import pandas as pd

    if snapshot.zero is None or not len(new):
        return {}
    if (snapshot.frames["curves_from"] == INSIDE).any():
        return {}
    added = _as_table(snapshot, new, np.datetime64(snapshot.zero.replace(tzinfo=None), "us"))
    if not len(added):
        return {}
    latest = {
        (plate or "", well or ""): frame_id
        for frame_id, plate, well in zip(added.index, added["plate"], added["well"], strict=True)
    }
    numbers = {track.series.identity: number for number, track in enumerate(snapshot.tracks)}
    ends = {}
    for well in wells_of(pd.concat([_known(snapshot, latest, added.columns.tolist()), added])):
        number = numbers.get(well.identity)
        if number is None or well.metric != snapshot.tracks[number].series.metric:
            continue
        known = snapshot.tracks[number]
        frame_id = latest[well.plate or "", well.well or ""]
        curve = curve_of_well(replace(well, group=known.series.group))
        end = _new_end(known.growth, curve, frame_id)
        if end is not None:
            ends[number] = end
    return ends


def _as_table(snapshot: Snapshot, new: CountColumns, zero: np.datetime64) -> pd.DataFrame:
    """Make rows of the dated counts, without those that people do not want to be used."""
    import pandas as pd

    added = pd.DataFrame(
        {
            **{name: getattr(new, name) for name in _PLACE},
            "count": new.count,
            "density_per_mm2": new.count / new.area_mm2,
            "elapsed_h": (new.acquired_at - zero) / np.timedelta64(1, "s") / _HOUR_S,
            "experiment": snapshot.experiment.name,
            "analysis_id": snapshot.analysis.id,
            "excluded": "",
        },
        index=new.frame_id,
    )
    columns = list(added)
    added["acquired_at"] = pd.to_datetime(new.acquired_at, utc=True)
    added = added[np.isfinite(added["elapsed_h"])].copy()
    exclude_as_said(added, snapshot.exclusions)
    used: pd.DataFrame = added.loc[added["excluded"] == "", columns]
    return used


def _known(
    snapshot: Snapshot, wells: Iterable[tuple[str, str]], columns: list[str]
) -> pd.DataFrame:
    """Give the snapshot's frames of some wells."""
    import pandas as pd

    rows = [snapshot.rows_of_wells[pair] for pair in wells if pair in snapshot.rows_of_wells]
    old = pd.concat([snapshot.frames.iloc[of_well] for of_well in rows] or [snapshot.frames[:0]])
    old = old[columns]
    return old.astype({name: object for name in columns if old[name].dtype == "category"})


def _new_end(known: Trace, curve: DrawnCurve, latest_frame_id: int) -> FreshCurve | None:
    now = trace_of(curve)
    common = min(len(known), len(now))
    same = np.isclose(known.hours[:common], now.hours[:common], atol=1e-3)
    same &= np.isclose(known.values[:common], now.values[:common], rtol=1e-4)
    keep = common if same.all() else int(np.argmin(same))
    if keep == len(now) == len(known):
        return None
    return FreshCurve(keep, Trace(now.hours[keep:], now.values[keep:]), latest_frame_id, curve)
