"""Growth rate inhibition (GR): what a treatment does to the rate, not to the count.

A count after three days says as much of how fast the controls divide as of the treatment. GR values
(Hafner et al. 2016, Nature Methods 13:521) compare rates: 1 is no effect, 0 a standstill, below 0
cells are lost.
"""

from __future__ import annotations

import math

__all__ = ["gr_of_rates", "gr_value"]


def gr_value(count: float, count_at_start: float, control: float) -> float | None:
    """Compute a GR value from counts: 2^(log2(x / x0) / log2(control / x0)) - 1.

    Parameters
    ----------
    count, control
        Cells at the end, treated and in the control; positive.
    count_at_start
        Cells when the treatment began; positive.

    Returns
    -------
    float or None
        None where the control does not grow or a count is not positive: GR is not defined there.

    Examples
    --------
    >>> round(gr_value(1710, 492.8, 1766), 7)
    0.9653055
    >>> gr_value(10, 10, 10) is None
    True
    """
    if min(count, count_at_start, control) <= 0 or control <= count_at_start:
        return None
    return float(2 ** (math.log(count / count_at_start) / math.log(control / count_at_start)) - 1)


def gr_of_rates(rate_per_h: float, control_rate_per_h: float) -> float | None:
    """Compute a GR value from growth rates: 2^(rate / control's rate) - 1.

    The same as :func:`gr_value` where growth is exponential, from all time points instead of two.

    Examples
    --------
    >>> gr_of_rates(0.0, 0.035), gr_of_rates(0.035, 0.035), gr_of_rates(0.1, -0.01)
    (0.0, 1.0, None)
    """
    if control_rate_per_h <= 0:
        return None
    return float(2.0 ** (rate_per_h / control_rate_per_h) - 1)
