"""Which curve a well's counts are fitted with: the exponential, or one with a lag or a plateau.

By the corrected Akaike criterion (AICc) on ln N of the mean field, of curves whose residuals are
autocorrelated, as those of growth are; and only where the points have come near the plateau that a
curve claims. Wells of one group get one curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from livecount.growth.bending import (
    BendingFit,
    BendingModel,
    fit_gompertz,
    fit_logistic,
)
from livecount.growth.curves import FittedCurve
from livecount.growth.evidence import PreparedWell
from livecount.growth.lagged import fit_lagged_exponential, fit_lagged_logistic
from livecount.growth.series import Series, WellCurve

__all__ = [
    "CLEARLY",
    "BendingCandidates",
    "Choice",
    "candidates_of",
    "choose_curve",
    "speaks_against",
]

_FEWEST_POINTS = 8
_MORE_THAN_PARAMETERS = 4
"""AICc needs two points more than a curve has parameters, variance and correlation included."""
_WITH_BOTH: Final[tuple[BendingModel, ...]] = ("lagged logistic", "Gompertz")
_WELLS_THAT_AGREE = 3
_SHARE_THAT_BENDS = 0.75
CLEARLY: Final = 6.0
_GAIN_OF_A_LAG = 25.0
"""In the mean of the wells. Chance divisions of 70 to 100 cells that do not wait gave up to 24, and
up to 6 where no plateau follows; cells that wait 3 h before a plateau 31 and more, 6 h without one
38 and more (25 and 40 groups a design, four wells, a frame an hour)."""
_GAIN_OF_SLOWING = 12.0
"""In the mean of the wells: twice as much as chance gave where growth did not slow."""
_ALONE = (CLEARLY, 0.5, 0.8)
_TOGETHER = (2.0, 0.3, 0.5)
"""By how much a curve's AICc must be lower, and how much of its plateau the logistic and a curve
with a lag must have reached, in a well without others and in wells that agree."""
_LEFT_EARLY = 0.6
"""A well seen for less of the longest time says nothing of what came later."""
_MOST_CORRELATED = 0.995


@dataclass(frozen=True, slots=True, eq=False)
class BendingCandidates:
    """The curves with a lag or a plateau that a well's mean field could be fitted with.

    Attributes
    ----------
    constant, line
        Residuals of ln N about its mean and about the straight line through it, shape (n,); empty
        where there are none.
    fits
        Those curves that grow and were found, by model.
    reason
        Why none was tried, else empty.
    duration_h
        Hours from the first visit to the last.
    tells
        Whether it has visits and cells enough to say for or against a curve.
    """

    constant: Series
    line: Series
    fits: Mapping[BendingModel, BendingFit] = field(default_factory=dict)
    reason: str = ""
    duration_h: float = 0.0
    tells: bool = True

    def rises(self, fit: BendingFit) -> bool:
        """Tell whether a curve explains the points better than no growth at all."""
        return _gain(self.constant, 1, fit) > CLEARLY


@dataclass(frozen=True, slots=True)
class Choice:
    """The curve for some wells; None is the exponential. The reason is in words, for people."""

    model: BendingModel | None
    reason: str


def candidates_of(well: PreparedWell) -> BendingCandidates:
    """Fit the curves that bend to a well's mean field, where it grows and has visits enough.

    Parameters
    ----------
    well
        The points that :func:`livecount.growth.evidence.prepare` gathered.
    """
    times, values = well.curve.times_h, well.curve.values
    reason, duration_h = _why_none(well), well.end_h - well.start_h
    if reason:
        tells = len(values) >= _FEWEST_POINTS and values.min() > 0
        return BendingCandidates(np.empty(0), np.empty(0), {}, reason, duration_h, tells)
    logs = np.log(values)
    line = logs - np.polynomial.Polynomial.fit(times, logs, 1)(times)
    tried = (
        fit_lagged_exponential(times, values),
        fit_logistic(times, values),
        fit_lagged_logistic(times, values),
        fit_gompertz(times, values),
    )
    fits = {
        fit.model: fit
        for fit in tried
        if fit and len(values) >= fit.n_parameters + _MORE_THAN_PARAMETERS
    }
    return BendingCandidates(logs - logs.mean(), line, fits, duration_h=duration_h)


def _why_none(well: PreparedWell) -> str:
    values = well.curve.values
    if len(values) < _FEWEST_POINTS:
        return f"{len(values)} of at least {_FEWEST_POINTS} visits that a lag or a plateau needs"
    if values.min() <= 0:
        return "counts of 0, which no curve with a lag or a plateau can be fitted to"
    return "" if well.exponential.rate_per_h > 0 else "the counts do not grow"


def choose_curve(wells: Sequence[BendingCandidates]) -> Choice:
    """Choose one curve for the wells of a group, or for one well.

    A well bends towards a plateau where a curve with one has an AICc lower by 6 than the straight
    line through ln N and the last point has passed 0.5 of the logistic's plateau, or 0.8 of that of
    a curve with a lag, which has more parameters to be wrong with. Where three wells or more agree,
    2, 0.3 and 0.5 suffice. With three wells or more, three quarters of them must bend, else all;
    wells with few visits, with counts of 0, or that were left early do not vote. A curve with a lag
    must then beat the logistic by 25 in the mean of these wells; of two, the one that beats it by
    more is taken. Where no plateau is taken, the exponential with a lag is, if it
    lies 25 below the straight line in the mean of the wells. ``benchmarks/growth_shapes.py`` and
    ``growth_coverage.py`` measure how often that is right.

    Parameters
    ----------
    wells
        Only wells from which a rate follows; their AICc are added up, for wells are independent.
    """
    if not wells:
        return Choice(None, "")
    voting = _voting(wells)
    chosen = (_with_plateau(voting) or _with_lag_only(voting)) if voting else None
    return chosen or Choice(None, _why_exponential(voting or wells))


def _voting(wells: Sequence[BendingCandidates]) -> list[BendingCandidates]:
    longest_h = max(well.duration_h for well in wells)
    return [well for well in wells if well.tells and well.duration_h >= _LEFT_EARLY * longest_h]


def speaks_against(curve: FittedCurve, instead: FittedCurve, measured: WellCurve) -> float | None:
    """Tell by how much AICc favours one exponential over another; above 6 is clear.

    Parameters
    ----------
    curve, instead
        Each with two parameters fitted: the one that is asked about, and the other.
    measured
        A well's mean field over time.

    Returns
    -------
    float or None
        None where there are too few visits, or counts of 0, which tell nothing.
    """
    if len(measured.values) < _FEWEST_POINTS or measured.values.min() <= 0:
        return None
    logs = np.log(measured.values)
    criteria = [_aicc(logs - np.log(one.values(measured.times_h)), 2) for one in (curve, instead)]
    return criteria[0] - criteria[1]


def _with_plateau(wells: Sequence[BendingCandidates]) -> Choice | None:
    bent = _bent(wells)
    needed = _needed(wells)
    gains = {
        model: sum(_over_logistic(well, model) for well in bent[model]) / len(bent[model])
        for model in _WITH_BOTH
        # A well that bends without such a curve is steepest before its first visit.
        if len(bent[model]) >= needed and all(model in well.fits for well in bent["logistic"])
    }
    best = max(gains, key=gains.__getitem__, default=None)
    if best is not None and gains[best] > _GAIN_OF_A_LAG:
        return Choice(best, _in_words(best, bent[best], wells, gains[best] * len(bent[best])))
    if len(bent["logistic"]) >= needed:
        return Choice("logistic", _in_words("logistic", bent["logistic"], wells))
    return None


def _with_lag_only(wells: Sequence[BendingCandidates]) -> Choice | None:
    waiting = [well for well in wells if _over_line(well, "lagged exponential") > 0]
    gain = sum(_over_line(well, "lagged exponential") for well in waiting)
    if len(waiting) < _needed(wells) or gain <= _GAIN_OF_A_LAG * len(waiting):
        return None
    return Choice("lagged exponential", _in_words("lagged exponential", waiting, wells))


def _needed(wells: Sequence[BendingCandidates]) -> float:
    """Give how many wells must bend for all to get a curve that does."""
    return len(wells) if len(wells) < _WELLS_THAT_AGREE else _SHARE_THAT_BENDS * len(wells)


def _bent(wells: Sequence[BendingCandidates]) -> dict[BendingModel, list[BendingCandidates]]:
    """Give the wells that bend towards a plateau, by the curve that says so."""
    least, reached, further = _ALONE if len(wells) < _WELLS_THAT_AGREE else _TOGETHER
    shares: dict[BendingModel, float] = {"logistic": reached, **dict.fromkeys(_WITH_BOTH, further)}
    return {
        model: [well for well in wells if _bends(well, model, least, share)]
        for model, share in shares.items()
    }


def _bends(well: BendingCandidates, model: BendingModel, gain: float, reached: float) -> bool:
    fit = well.fits.get(model)
    if fit is None or (fit.plateau_reached or 0.0) < reached:
        return False
    return _over_line(well, model) > gain


def _over_line(well: BendingCandidates, model: BendingModel) -> float:
    return _gain(well.line, 2, well.fits[model]) if model in well.fits else -math.inf


def _over_logistic(well: BendingCandidates, model: BendingModel) -> float:
    logistic = well.fits.get("logistic")
    if logistic is None:
        return _over_line(well, model)
    return _gain(logistic.residuals, logistic.n_parameters, well.fits[model])


def _gain(residuals: Series, n_parameters: int, fit: BendingFit) -> float:
    """Tell by how much a curve's AICc lies below that of a curve with other residuals."""
    return _aicc(residuals, n_parameters) - _aicc(fit.residuals, fit.n_parameters)


def _aicc(residuals: Series, n_parameters: int) -> float:
    """Corrected Akaike criterion (Hurvich & Tsai 1989) of a curve with AR(1) residuals.

    What a well's frames have in common, chance divisions and slow changes of the light alike, lasts
    from one frame to the next. The likelihood is therefore that of a first-order autoregression
    (Box & Jenkins 1976, section 7.1), whose variance and correlation are two parameters more.
    """
    from statsmodels.tools.eval_measures import aicc

    n = len(residuals)
    squares = float(np.sum(residuals**2))
    lagged = float(np.sum(residuals[1:] * residuals[:-1]))
    rho = min(max(lagged / squares, 0.0), _MOST_CORRELATED) if squares > 0 else 0.0
    innovations = residuals[1:] - rho * residuals[:-1]
    first = (1 - rho**2) * float(residuals[0]) ** 2
    variance = max((float(np.sum(innovations**2)) + first) / n, 1e-24)
    log_likelihood = -0.5 * n * math.log(variance) + 0.5 * math.log(1 - rho**2)
    return float(aicc(log_likelihood, n, n_parameters + 2))


def _in_words(
    model: BendingModel,
    bent: Sequence[BendingCandidates],
    wells: Sequence[BendingCandidates],
    over_logistic: float | None = None,
) -> str:
    straight = sum(_over_line(well, model) for well in bent)
    which = "" if len(wells) == 1 else f"{len(bent)} of {len(wells)} wells bend; "
    than = f", {over_logistic:.1f} below the logistic's" if over_logistic is not None else ""
    reached = _plateau_reached(bent, model)
    plateau = "" if reached is None else f"; {100 * reached:.0f} % of its plateau reached"
    steepest = "; its rate is the steepest reached" if model == "Gompertz" else ""
    return f"{model}: {which}AICc {straight:.1f} below the exponential's{than}{plateau}{steepest}"


def _plateau_reached(wells: Sequence[BendingCandidates], model: BendingModel) -> float | None:
    reached = [well.fits[model].plateau_reached for well in wells if model in well.fits]
    known = [share for share in reached if share is not None]
    return float(np.median(known)) if known else None


def _why_exponential(wells: Sequence[BendingCandidates]) -> str:
    waits = [well for well in wells if _over_line(well, "lagged exponential") > _GAIN_OF_A_LAG]
    if waits:
        return f"exponential: only {len(waits)} of {len(wells)} wells show a lag"
    n_bent = len({id(well) for those in _bent(wells).values() for well in those})
    if n_bent:
        return f"exponential: only {n_bent} of {len(wells)} wells bend towards a plateau"
    reasons = list(dict.fromkeys(well.reason for well in wells if well.reason))
    if len([well for well in wells if well.reason]) == len(wells):
        return f"exponential: {'; '.join(reasons)}"
    reached = _plateau_reached(wells, "logistic") or 0.0
    bent = [_over_line(well, "logistic") for well in wells if "logistic" in well.fits]
    if bent and float(np.mean(bent)) > _GAIN_OF_SLOWING:
        return (
            f"exponential: growth slows, but at {100 * reached:.0f} % of a plateau, too early to "
            "know one; the rate is the mean over these hours"
        )
    if reached < _TOGETHER[1]:
        return "exponential: neither lag nor plateau in sight"
    return "exponential: AICc favours no plateau, or too little of it was reached"
