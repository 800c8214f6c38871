"""The interval of every stored count: from its candidates, and from what people clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.storage import Analysis, CountColumns, CountReader, Validation
from livecount.uncertainty import Calibration, count_interval, widen
from livecount.validated import covering, usable

__all__ = ["frame_intervals"]

_Reals = npt.NDArray[np.float64]
_Limits = tuple[float, float]


def frame_intervals(
    store: CountReader,
    analysis: Analysis,
    counts: CountColumns,
    validations: Sequence[Validation],
    on_frame: Callable[[], Any] = lambda: None,
) -> tuple[_Reals, _Reals]:
    """Give the ends of the interval of each count.

    From the candidates where the model's calibration is known, widened by the latest validation
    that covers the count, else by the latest there is: beyond what was compared, a count is not
    surer than within.

    Parameters
    ----------
    counts
        The analysis' counts, n of them.
    on_frame
        Called for each frame whose candidates were read.

    Returns
    -------
    low, high
        Both of shape (n,); NaN where neither calibration nor validation is there.
    """
    values = store.calibration(analysis.settings.model_sha256)
    calibration = None if values is None else Calibration.from_mapping(values)
    limits = _limits_of(counts, validations)
    ends = np.full((2, len(counts)), np.nan)
    if calibration is None and limits is None:
        return ends[0], ends[1]
    rows = {int(frame_id): row for row, frame_id in enumerate(counts.frame_id)}
    for found in store.iter_candidates(analysis):
        row = rows.get(found.frame_id)
        if row is None:  # counted since
            continue
        count = int(counts.count[row])
        interval = None
        if calibration is not None:
            interval = count_interval(calibration, found.candidates.prominence, count)
        if limits is not None:
            interval = widen(interval, count, limits[row])
        assert interval is not None
        ends[:, row] = interval
        on_frame()
    return ends[0], ends[1]


def _limits_of(counts: CountColumns, validations: Sequence[Validation]) -> list[_Limits] | None:
    """Choose for each count the limits that speak of it."""
    known = [
        (made, limits)
        for made in usable(validations)
        if (limits := made.agreement.log_limits_of_new) is not None
    ]
    if not known:
        return None
    chosen = [known[0][1]] * len(counts)
    density = counts.count / counts.area_mm2
    for made, limits in reversed(known):
        covered = covering(made, counts.count, density, counts.pixel_size_um)
        for row in np.flatnonzero(covered):
            chosen[row] = limits
    return chosen
