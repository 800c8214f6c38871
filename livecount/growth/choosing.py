"""Which curve a well's counts are fitted with: the exponential, the logistic or the Gompertz.

By the corrected Akaike criterion (AICc) on ln N of the mean field, of curves whose residuals are
autocorrelated, as those of growth are; and only where the points have come near the plateau that a
curve claims. Wells of one group get one curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livecount.growth.evidence import PreparedWell
from livecount.growth.plateaus import PlateauFit, PlateauModel, fit_gompertz, fit_logistic
from livecount.growth.series import Series

__all__ = ["Choice", "PlateauCandidates", "candidates_of", "choose_curve"]

_FEWEST_FOR_PLATEAU = 8
"""AICc needs two points more than a Gompertz has parameters, variance and correlation included."""
_WELLS_THAT_AGREE = 3
_SHARE_THAT_BENDS = 0.75
_GAIN_ALONE = 6.0
_ALONE = (_GAIN_ALONE, 0.5, 0.8)
_TOGETHER = (2.0, 0.3, 0.5)
"""By how much a curve's AICc must be lower, and how much of its plateau the logistic and the
Gompertz must have reached, in a well without others and in wells that agree."""
_MOST_CORRELATED = 0.995


@dataclass(frozen=True, slots=True, eq=False)
class PlateauCandidates:
    """The curves with a plateau that a well's mean field could be fitted with.

    Attributes
    ----------
    constant, line
        Residuals of ln N about its mean and about the straight line through it, shape (n,); empty
        where there are none.
    logistic, gompertz
        None where no such curve that grows was found.
    reason
        Why no curve with a plateau was tried, else empty.
    """

    constant: Series
    line: Series
    logistic: PlateauFit | None = None
    gompertz: PlateauFit | None = None
    reason: str = ""

    def fit_of(self, model: PlateauModel) -> PlateauFit | None:
        """Give the candidate of that name."""
        return self.logistic if model == "logistic" else self.gompertz

    def rises(self, fit: PlateauFit) -> bool:
        """Tell whether a curve explains the points better than no growth at all."""
        return _gain(self.constant, 1, fit) > _GAIN_ALONE


@dataclass(frozen=True, slots=True)
class Choice:
    """The curve for some wells; None is the exponential. The reason is in words, for people."""

    model: PlateauModel | None
    reason: str


def candidates_of(well: PreparedWell) -> PlateauCandidates:
    """Fit the curves with a plateau to a well's mean field, where it grows and has visits enough.

    Parameters
    ----------
    well
        The points that :func:`livecount.growth.evidence.prepare` gathered.
    """
    times, values = well.curve.times_h, well.curve.values
    reason = _why_none(well)
    if reason:
        return PlateauCandidates(np.empty(0), np.empty(0), reason=reason)
    logs = np.log(values)
    line = logs - np.polynomial.Polynomial.fit(times, logs, 1)(times)
    fits = fit_logistic(times, values), fit_gompertz(times, values)
    return PlateauCandidates(logs - logs.mean(), line, *fits)


def _why_none(well: PreparedWell) -> str:
    values = well.curve.values
    if len(values) < _FEWEST_FOR_PLATEAU:
        return f"{len(values)} of at least {_FEWEST_FOR_PLATEAU} visits that a plateau needs"
    if values.min() <= 0:
        return "counts of 0, which no curve with a plateau can be fitted to"
    return "" if well.exponential.rate_per_h > 0 else "the counts do not grow"


def choose_curve(wells: Sequence[PlateauCandidates]) -> Choice:
    """Choose one curve for the wells of a group, or for one well.

    A well bends where a curve with a plateau has an AICc lower by 6 than the straight line through
    ln N and the last point has passed 0.5 of the logistic's plateau, or 0.8 of the Gompertz's,
    which has a parameter more to be wrong with. Where three wells or more agree, 2, 0.3 and 0.5
    suffice. With three wells or more, three quarters of them must bend, else all. The Gompertz must
    then beat the logistic by 6 in the sum over the wells. ``benchmarks/growth_shapes.py`` and
    ``growth_coverage.py`` measure how often that is right.

    Parameters
    ----------
    wells
        Only wells from which a rate follows; their AICc are added up, for wells are independent.
    """
    if not wells:
        return Choice(None, "")
    alone = len(wells) < _WELLS_THAT_AGREE
    needed = len(wells) if alone else _SHARE_THAT_BENDS * len(wells)
    least, reached, further = _ALONE if alone else _TOGETHER
    by_logistic = [well for well in wells if _bends(well.line, well.logistic, reached, least)]
    by_gompertz = [well for well in wells if _bends(well.line, well.gompertz, further, least)]
    # Where one well that bends has no Gompertz, its steepest point lies before the first visit.
    if len(by_gompertz) >= needed and all(well.gompertz for well in by_logistic):
        gain = sum(_over_logistic(well, well.gompertz) for well in by_gompertz if well.gompertz)
        if gain > _GAIN_ALONE:
            return Choice("Gompertz", _in_words("Gompertz", by_gompertz, wells, gain))
    if len(by_logistic) >= needed:
        return Choice("logistic", _in_words("logistic", by_logistic, wells))
    return Choice(None, _why_exponential(wells, len({*map(id, [*by_logistic, *by_gompertz])})))


def _bends(line: Series, fit: PlateauFit | None, reached: float, gain: float) -> bool:
    if fit is None or fit.plateau_reached < reached:
        return False
    return _gain(line, 2, fit) > gain


def _over_logistic(well: PlateauCandidates, gompertz: PlateauFit) -> float:
    if well.logistic is None:
        return _gain(well.line, 2, gompertz)
    return _gain(well.logistic.residuals, well.logistic.n_parameters, gompertz)


def _gain(residuals: Series, n_parameters: int, fit: PlateauFit) -> float:
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
    model: PlateauModel,
    bent: Sequence[PlateauCandidates],
    wells: Sequence[PlateauCandidates],
    over_logistic: float | None = None,
) -> str:
    fits = [fit for well in bent if (fit := well.fit_of(model))]
    straight = sum(_gain(well.line, 2, fit) for well, fit in zip(bent, fits, strict=True))
    reached = float(np.median([fit.plateau_reached for fit in fits]))
    which = "" if len(wells) == 1 else f"{len(bent)} of {len(wells)} wells bend; "
    than = f", {over_logistic:.1f} below the logistic's" if over_logistic is not None else ""
    steepest = "; its rate is the steepest reached" if model == "Gompertz" else ""
    return (
        f"{model}: {which}AICc {straight:.1f} below the exponential's{than}; "
        f"{100 * reached:.0f} % of its plateau reached{steepest}"
    )


def _why_exponential(wells: Sequence[PlateauCandidates], n_bent: int) -> str:
    if n_bent:
        return f"exponential: only {n_bent} of {len(wells)} wells bend towards a plateau"
    reasons = list(dict.fromkeys(well.reason for well in wells if well.reason))
    if len([well for well in wells if well.reason]) == len(wells):
        return f"exponential: {'; '.join(reasons)}"
    fits = [well.logistic for well in wells if well.logistic]
    reached = float(np.median([fit.plateau_reached for fit in fits])) if fits else 0.0
    if reached < _TOGETHER[1]:
        return "exponential: no plateau in sight"
    return "exponential: AICc favours no plateau, or too little of it was reached"
