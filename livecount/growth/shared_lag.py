"""Wells that show no lag take that of wells sown with the same cells, so that rates compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, median

from livecount.growth.choosing import CLEARLY
from livecount.growth.curves import Waking
from livecount.growth.evidence import Window
from livecount.growth.fitting import fit_after_a_lag
from livecount.growth.verdicts import GrowthFit, Verdict
from livecount.growth.wells import WellSeries, groups_in

__all__ = ["share_lag"]


def share_lag(
    wells: Sequence[WellSeries], fits: Mapping[int, GrowthFit], window: Window | None
) -> dict[int, GrowthFit]:
    """Fit wells that got a plain exponential with the lag of the others (docs/decisions, 0044).

    Parameters
    ----------
    wells
        Sown alike, on one plate.
    fits
        The fit of each, by the well's ``id``.
    window
        First and last time to use, hours; None for all.

    Returns
    -------
    dict
        New fits, by the well's ``id``: of all usable wells of a group, or none. Empty where no well
        shows a lag, or where as many growing wells speak against the median lag as show one.
    """
    waking = _median_waking([fits[id(well)] for well in wells])
    plain = [well for well in wells if fits[id(well)].fit == "quasi-Poisson"]
    if waking is None or not plain:
        return {}
    tried = {id(well): fit_after_a_lag(well.used, window, waking) for well in plain}
    told = {well: found for well, found in tried.items() if found is not None}
    denying = [
        well
        for well, (_, against) in told.items()
        if against > CLEARLY and fits[well].verdict is Verdict.GROWING
    ]
    if len(denying) >= sum(_waking_of(fits[id(well)]) is not None for well in wells):
        return {}
    taken: dict[int, GrowthFit] = {}
    for members in groups_in(plain):
        usable = [id(well) for well in members if id(well) in told]
        if usable and _is_to_share([told[well] for well in usable]):
            taken |= {well: told[well][0] for well in usable}
    return taken


def _waking_of(fit: GrowthFit) -> Waking | None:
    return fit.curve.waking if fit.curve is not None else None


def _median_waking(fits: Sequence[GrowthFit]) -> Waking | None:
    shown = [waking for fit in fits if (waking := _waking_of(fit)) is not None]
    if not shown:
        return None
    return Waking(
        median(waking.middle_h for waking in shown), median(waking.width_h for waking in shown)
    )


def _is_to_share(found: Sequence[tuple[GrowthFit, float]]) -> bool:
    """Tell whether a group grows and does not speak against a lag; both in the mean."""
    rates = [fit.rate_per_h or 0.0 for fit, _ in found]
    return mean(rates) > 0 and mean(against for _, against in found) <= CLEARLY
