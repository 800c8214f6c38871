"""From the rates of replicate wells to that of their group, with its interval."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from livecount.growth.comparing import spread_of
from livecount.growth.evidence import CONFIDENCE
from livecount.growth.reasons import joined
from livecount.growth.shape import CurveShape, combine_shapes
from livecount.growth.verdicts import GrowthFit, doubling_of

__all__ = ["combine_wells"]


def combine_wells(fits: Sequence[GrowthFit], confidence: float = CONFIDENCE) -> GrowthFit:
    """Combine the rates and shapes of replicate wells: their means and t-intervals.

    Parameters
    ----------
    fits
        One per well of a group; wells without a rate are left out, and the reason tells how many.
    confidence
        Of the interval, between 0 and 1.

    Returns
    -------
    GrowthFit
        With an interval from two wells on. The doubling time's interval has the inverted ends of
        the rate's; it is None, like the doubling time, where the rate's interval contains 0.
    """
    used = [fit for fit in fits if fit.rate_per_h is not None]
    whole = GrowthFit(
        sum(fit.n_points for fit in used),
        min((fit.start_h for fit in used if fit.start_h is not None), default=None),
        max((fit.end_h for fit in used if fit.end_h is not None), default=None),
        fit=" + ".join(sorted({fit.fit for fit in used})) or "none",
        n_wells=len(used),
        fit_reason=_why_fitted(used),
        shape=combine_shapes(
            [fit.shape for fit in used], [(fit.start_h, fit.end_h) for fit in used], confidence
        ),
    )
    missing = f"{len(used)} of {len(fits)} wells gave a rate" if len(used) < len(fits) else ""
    if not used:
        nothing = CurveShape(shape_reason="no well gave a rate")
        return dataclasses.replace(whole, reason="no well gave a rate", shape=nothing)
    if len(used) == 1:
        reason = joined("one well has no interval", missing, used[0].reason)
        return dataclasses.replace(used[0], reason=reason, curve=None, r_squared=None)
    rates = spread_of([fit.rate_per_h or 0.0 for fit in used], confidence)
    doubling = doubling_of(rates, f"{len(used)} wells")
    return dataclasses.replace(
        whole,
        rate_per_h=rates.mean,
        rate_low=rates.low,
        rate_high=rates.high,
        doubling_time_h=doubling.doubling_time_h,
        doubling_time_low_h=doubling.doubling_time_low_h,
        doubling_time_high_h=doubling.doubling_time_high_h,
        verdict=doubling.verdict,
        reason=joined(doubling.reason, missing),
        confidence=confidence,
    )


def _why_fitted(fits: Sequence[GrowthFit]) -> str:
    """Give the reason that all wells share; wells that nobody grouped have one each."""
    reasons = {fit.fit_reason for fit in fits}
    if len(reasons) < 2:
        return "".join(reasons)
    kinds = Counter(fit.fit for fit in fits).most_common()
    return "chosen for each well: " + ", ".join(f"{name} ({n})" for name, n in kinds)
