"""What creeps: growth that has stopped, focus that drifts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from livecount.alerts.axis import Axis, Place
from livecount.alerts.findings import Finding
from livecount.alerts.kinds import FOCUS_DRIFTING, GROWTH_STOPPED
from livecount.growth import GrowthFit, GrowthSeries, Verdict, WellCurve, fit_fields, well_curve

__all__ = ["judge_focus", "judge_growth"]

_RECENT_VISITS = 6
_FEWEST_VISITS = 12
_SHARE_OF_DOUBLING = 1 / 3
_STOPPED = 0.25
_GROWS_AGAIN = 0.5

_FOCUS_LOST = 0.7
_FOCUS_BACK = 0.85
_FOCUS_SCATTERS = 4.0
_FOCUS_SCATTERS_WITHIN = 3.0
_FOCUS_VISITS = 8
_REFERENCE_VISITS = 5
_LAST_VISITS = 3


def judge_growth(
    place: Place, fields: Sequence[GrowthSeries], axis: Axis, *, lasts: bool
) -> Finding | None:
    """Tell whether a population that grew does not grow any more.

    The visits of the last doubling time (six at least, half of all at most, and no less than a
    third of a doubling time, in which growth must show) are held against the time before. Growth
    has stopped where none is resolved in them, or the cells get fewer, and their rate is below a
    quarter of that before. It goes on where growth is resolved again, at half that rate or more.
    """
    times_h = well_curve(fields).times_h
    if len(times_h) < _FEWEST_VISITS:
        return None
    recent_h = _recent_h(fields, times_h)
    if recent_h is None:
        if not lasts:
            return None
        recent_h = float(times_h[-1] - times_h[-_RECENT_VISITS])
    start_h = float(times_h[-1]) - recent_h
    before, recent = (_fit(fields, window) for window in ((None, start_h), (start_h, None)))
    if recent.rate_per_h is None or before.rate_per_h is None:
        return None
    grows_now = recent.verdict is Verdict.GROWING
    if lasts:
        was = before.rate_per_h if before.verdict is Verdict.GROWING else 0.0
        stopped = not (grows_now and recent.rate_per_h >= _GROWS_AGAIN * was)
    else:
        stopped = before.verdict is Verdict.GROWING and not grows_now
        stopped = stopped and recent.rate_per_h <= _STOPPED * before.rate_per_h
    if not stopped:
        return None
    now = "the cells get fewer" if recent.verdict is Verdict.SHRINKING else "no growth is seen"
    text = f"{place.opening}: {now} since {axis.moment(start_h)}"
    if before.doubling_time_h is not None:
        text += f"; before, cells doubled in {before.doubling_time_h:.0f} h"
    return Finding(GROWTH_STOPPED, place.words, text, place.plate or None, place.well or None)


def _recent_h(fields: Sequence[GrowthSeries], times_h: npt.NDArray[np.float64]) -> float | None:
    """Give the length of the recent time, in which what grew before must have grown, or None."""
    earlier = _fit(fields, (None, float(times_h[-_RECENT_VISITS - 1])))
    if earlier.verdict is not Verdict.GROWING or earlier.doubling_time_h is None:
        return None
    shortest_h = float(times_h[-1] - times_h[-_RECENT_VISITS])
    half_h = float(times_h[-1] - times_h[0]) / 2
    recent_h = max(min(earlier.doubling_time_h, half_h), shortest_h)
    return recent_h if recent_h >= _SHARE_OF_DOUBLING * earlier.doubling_time_h else None


def _fit(fields: Sequence[GrowthSeries], window: tuple[float | None, float | None]) -> GrowthFit:
    return fit_fields(fields, window, "quasi-Poisson")


def judge_focus(place: Place, focus: WellCurve, axis: Axis, *, lasts: bool) -> Finding | None:
    """Tell whether the sharpness of a well's frames falls off and stays low.

    The last three visits are held against the best five in a row before them. Sharpness has fallen
    off where its median lies below 0.7 of that, by more than four times its scatter from visit to
    visit and three times that within these eight; it is back above 0.85.

    Parameters
    ----------
    focus
        Mean of the frames' stored measure of focus at each visit.
    """
    values = focus.values[focus.values > 0]
    times_h = focus.times_h[focus.values > 0]
    if len(values) < _FOCUS_VISITS:
        return None
    logs = np.log(values)
    windows = np.lib.stride_tricks.sliding_window_view(logs[:-_LAST_VISITS], _REFERENCE_VISITS)
    medians = np.median(windows, axis=1)
    best = int(np.argmax(medians))
    last = logs[-_LAST_VISITS:]
    lost = float(medians[best] - np.median(last))
    if lasts:
        drifts = lost > -math.log(_FOCUS_BACK)
    else:
        by_chance = max(
            _FOCUS_SCATTERS * _scatter(logs),
            _FOCUS_SCATTERS_WITHIN * _pooled(windows[best], last),
        )
        drifts = lost > max(-math.log(_FOCUS_LOST), by_chance)
        drifts = drifts and bool((last < medians[best] + math.log(_FOCUS_BACK)).all())
    if not drifts:
        return None
    text = (
        f"{place.opening}: sharpness has fallen to "
        f"{100 * math.exp(-lost):.0f} % of what it was at "
        f"{axis.moment(float(times_h[best + _REFERENCE_VISITS // 2]))}"
    )
    return Finding(FOCUS_DRIFTING, place.words, text, place.plate or None, place.well or None)


def _scatter(logs: npt.NDArray[np.float64]) -> float:
    """Estimate the standard deviation of all visits from their steps, whatever trend they have."""
    return 1.4826 * float(np.median(np.abs(np.diff(logs)))) / math.sqrt(2)


def _pooled(*parts: npt.NDArray[np.float64]) -> float:
    """Give the standard deviation within parts: a few steps alone may be small by chance."""
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return math.sqrt(squares / sum(len(part) - 1 for part in parts))
