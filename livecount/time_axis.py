"""One clock for all frames of an experiment, and hours on it.

Clocks of different kinds do not share a zero, so one experiment is put on exactly one of them;
frames that lack it have no place on the time axis, and are said to have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from livecount.experiment import TimeAxis
from livecount.frame import AttributeSource
from livecount.storage import Instant

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Clock",
    "Timing",
    "hours_from",
    "hours_of",
    "instant_at",
    "instant_on",
    "time_frames",
    "zero_of",
]

_ENOUGH: Final = 0.9
_HOUR_S: Final = 3600.0
_HOUR_NS: Final = 3.6e12
_SAME_ZERO: Final = timedelta(seconds=1)


class Clock(StrEnum):
    """What tells the time of an experiment's frames, the most trusted first."""

    ABSOLUTE = "absolute time"
    ELAPSED = "seconds since the acquisition's start"
    TIME_POINT = "time point x declared interval"
    MODIFICATION = "file modification time"


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """The frames of one experiment on its one time axis; columns with the index of the table.

    Attributes
    ----------
    clock
        The clock that all times are of, or None where no frame has any.
    elapsed_h
        Hours since t0, NaN where a frame lacks the clock.
    source
        Where each time came from, None where there is none.
    flags
        What is to be known of each time, each flag followed by ``;``.
    """

    clock: Clock | None
    elapsed_h: pd.Series
    source: pd.Series
    flags: pd.Series


def time_frames(table: pd.DataFrame, axis: TimeAxis) -> Timing:
    """Put the frames of one experiment on one time axis.

    The clock is the most trusted one that nearly as many frames have as the most common clock (nine
    in ten; frames that are excluded already have no say). A frame that lacks it is flagged
    ``no_time``. The modification time serves only where no frame has any other clock.

    Zero is the declared t0, on the absolute clock and for modification times. Seconds since an
    acquisition's start and time points cannot be set against a date: there zero is the first
    frame, and every time is flagged ``t0_not_applied``.

    Parameters
    ----------
    table
        Columns ``acquired_at`` (UTC or NaT), ``elapsed_s``, ``time_point``, ``mtime_ns`` (NaN where
        not known), ``acquired_at_source``, ``elapsed_s_source``, ``excluded`` (empty or a reason).
    """
    import pandas as pd

    readings = _readings(table, axis)
    clock = _chosen(readings, table["excluded"] == "")
    if clock is None:
        return Timing(
            None,
            pd.Series(float("nan"), table.index),
            pd.Series(None, table.index, dtype=object),
            pd.Series("", table.index, dtype=object),
        )
    hours, source = readings[clock], _source(table, clock)
    t0_h = _t0_h(table, clock, axis)
    timed = hours.notna()
    flags = pd.Series("", table.index, dtype=object)
    flags[~timed] += "no_time;"
    if t0_h is None:
        flags[timed] += "t0_not_applied;"
    if clock is Clock.MODIFICATION:
        flags[timed] += "time_from_file_modification;"
    return Timing(clock, hours - (t0_h or 0.0), source.astype(object).where(timed, None), flags)


def zero_of(table: pd.DataFrame) -> pd.Timestamp | None:
    """Give the date of hour 0 of an experiment, or None where its clock has no dates.

    Parameters
    ----------
    table
        Columns ``acquired_at`` and ``elapsed_h``.
    """
    import pandas as pd

    zeros = table["acquired_at"] - pd.to_timedelta(table["elapsed_h"], unit="h")
    zeros = zeros.dropna()
    if zeros.empty or zeros.max() - zeros.min() > _SAME_ZERO:
        return None
    return pd.Timestamp(zeros.iloc[0])


def hours_of(table: pd.DataFrame, instant: Instant) -> float:
    """Place an instant on an experiment's axis as it is now: by its date where both have one."""
    return hours_from(zero_of(table), instant)


def hours_from(zero: datetime | None, instant: Instant) -> float:
    """Do the same where the date of hour 0 is known; None where the clock has no dates."""
    if zero is None or instant.at is None:
        return instant.elapsed_h
    return (instant.at - zero).total_seconds() / _HOUR_S


def instant_at(table: pd.DataFrame, elapsed_h: float) -> Instant:
    """Keep a time of an experiment so that it stays where it is when t0 is declared anew."""
    zero = zero_of(table)
    if zero is None:
        return Instant(elapsed_h)
    return Instant(elapsed_h, (zero + timedelta(hours=elapsed_h)).to_pydatetime(warn=False))


def instant_on(table: pd.DataFrame, at: datetime) -> Instant | None:
    """Place a date on an experiment's axis, None where its clock has no dates."""
    zero = zero_of(table)
    if zero is None:
        return None
    return Instant((at - zero.to_pydatetime(warn=False)).total_seconds() / _HOUR_S, at)


def _readings(table: pd.DataFrame, axis: TimeAxis) -> dict[Clock, pd.Series]:
    """Read each clock in hours since the first frame that has it."""
    interval_h = (axis.frame_interval_min or float("nan")) / 60
    acquired_at = table["acquired_at"]
    return {
        Clock.ABSOLUTE: (acquired_at - acquired_at.min()).dt.total_seconds() / _HOUR_S,
        Clock.ELAPSED: _since_first(table["elapsed_s"]) / _HOUR_S,
        Clock.TIME_POINT: _since_first(table["time_point"]) * interval_h,
        Clock.MODIFICATION: _since_first(table["mtime_ns"]) / _HOUR_NS,
    }


def _since_first(column: pd.Series) -> pd.Series:
    import numpy as np

    # Whole numbers stay whole: nanoseconds since 1970 do not fit a float.
    values = column if column.dtype == np.int64 else column.astype(float)
    known = values[np.isfinite(values)]
    if known.empty:
        return values * float("nan")
    return (values - known.min()).where(np.isfinite(values))


def _chosen(readings: dict[Clock, pd.Series], has_a_say: pd.Series) -> Clock | None:
    if not has_a_say.any():
        has_a_say = ~has_a_say
    votes = {clock: int((hours.notna() & has_a_say).sum()) for clock, hours in readings.items()}
    last_resort = votes.pop(Clock.MODIFICATION)
    most = max(votes.values())
    if most == 0:
        return Clock.MODIFICATION if last_resort else None
    return next(clock for clock, number in votes.items() if number >= _ENOUGH * most)


def _t0_h(table: pd.DataFrame, clock: Clock, axis: TimeAxis) -> float | None:
    """Give the declared t0 in hours after the clock's first frame; None where it has no date."""
    import pandas as pd

    if axis.t0 is None:
        return 0.0
    if clock is Clock.ABSOLUTE:
        first = table["acquired_at"].min()
    elif clock is Clock.MODIFICATION:
        first = pd.Timestamp(int(table["mtime_ns"].min()), tz="UTC")
    else:
        return None
    return float((pd.Timestamp(axis.t0) - first).total_seconds() / _HOUR_S)


def _source(table: pd.DataFrame, clock: Clock) -> pd.Series:
    import pandas as pd

    if clock is Clock.ABSOLUTE:
        return table["acquired_at_source"]
    if clock is Clock.ELAPSED:
        return table["elapsed_s_source"]
    origin = {
        Clock.TIME_POINT: AttributeSource.FRAME_INTERVAL,
        Clock.MODIFICATION: AttributeSource.MODIFICATION_TIME,
    }[clock]
    return pd.Series(origin.value, table.index)
