"""Dose responses of wells: the dose of half the effect and the effect of the highest dose.

Two scales share one fit: growth rates, whose response is the GR value
(:mod:`livecount.growth.growth_inhibition`), and relative cell counts, whose half dose is the IC50.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from livecount.growth.evidence import CONFIDENCE
from livecount.growth.series import Series

__all__ = ["DoseResponse", "Interval", "Scale", "fit_dose_response", "gr_of_wells", "sigmoid"]

Scale = Literal["rate", "count"]
"""What is fitted: growth rates (response: GR), or relative counts (response: share of control)."""

_FEWEST_DOSES = 4
_FEWEST_WELLS = 6
_RESOLVED_P = 0.05
_HILL = (0.1, 5.0)
"""Bounds of the slope, as in GRmetrics (Clark et al. 2017, BMC Cancer 17:698)."""
_BEYOND_DECADES = 2.0
_LOWEST: dict[Scale, float] = {"rate": -0.999, "count": 0.0}
_NAMES: dict[Scale, str] = {"rate": "GR", "count": "the count relative to the control"}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval; an end is None where the data do not bound it."""

    value: float
    low: float | None
    high: float | None

    def through(self, function: Callable[[float], float]) -> Interval:
        """Carry estimate and ends through a rising function."""
        ends = (None if end is None else function(end) for end in (self.low, self.high))
        return Interval(function(self.value), *ends)


@dataclass(frozen=True, slots=True)
class DoseResponse:
    """A dose response; None is "cannot be computed", and ``reason`` says why.

    Attributes
    ----------
    control
        Of untreated cells, as fitted: a growth rate (1/h) or a relative count.
    half_dose
        Dose at which the response is 0.5 (GR50, IC50), in the unit of the doses.
    at_infinity
        Response that the fitted curve runs to.
    middle_dose, hill
        Where the curve is half-way down, and its slope; see :func:`sigmoid`.
    p_value
        Of the F test against "no effect at any dose".
    n_wells, n_doses
        Wells (controls included) and doses above 0 behind it.
    confidence
        Of all intervals.
    reason
        What is to be known of it, in words.
    """

    control: Interval | None = None
    half_dose: Interval | None = None
    at_infinity: Interval | None = None
    middle_dose: float | None = None
    hill: float | None = None
    p_value: float | None = None
    n_wells: int = 0
    n_doses: int = 0
    confidence: float = CONFIDENCE
    reason: str = ""


def sigmoid(doses: Series, at_infinity: float, middle_dose: float, hill: float) -> Series:
    """Evaluate at_infinity + (1 - at_infinity) / (1 + (dose / middle_dose)^hill), shape (n,).

    The curve of GR values in Hafner et al. 2016 (Nature Methods 13:521), where they are called
    GR_inf, GEC50 and h_GR.
    """
    with np.errstate(over="ignore"):
        return at_infinity + (1 - at_infinity) / (1 + (np.asarray(doses) / middle_dose) ** hill)


def fit_dose_response(
    doses: Sequence[float],
    values: Sequence[float],
    scale: Scale = "rate",
    confidence: float = CONFIDENCE,
) -> DoseResponse:
    """Fit a dose response to the wells of a treatment and of its control, each well one point.

    Rates are fitted themselves, rate = control's rate x log2(GR + 1), counts as control's count x
    response; the control's level is a parameter, so that its uncertainty is part of every interval.
    Intervals are profile likelihood ones (lmfit); frames and fields are no replicates and do not
    narrow them.

    Parameters
    ----------
    doses
        Of each well, 0 for controls, all in one unit; shape (n,).
    values
        Growth rate (1/h) or relative count of each well; shape (n,).
    scale
        Which of the two it is.
    confidence
        Of the intervals, between 0 and 1.

    Returns
    -------
    DoseResponse
        Without ``half_dose`` where no effect is resolved or half of it is not reached.
    """
    given = np.asarray(doses, dtype=np.float64), np.asarray(values, dtype=np.float64)
    used = np.isfinite(given[0]) & np.isfinite(given[1]) & (given[0] >= 0)
    wells = given[0][used], given[1][used]
    n_doses = len(np.unique(wells[0][wells[0] > 0]))
    whole = DoseResponse(n_wells=len(wells[0]), n_doses=n_doses, confidence=confidence)
    reason = _why_not(*wells, n_doses, scale)
    if reason:
        return dataclasses.replace(whole, reason=reason)
    return _Fitting(*wells, scale, confidence).result(whole)


def _why_not(doses: Series, values: Series, n_doses: int, scale: Scale) -> str:
    controls = values[doses == 0]
    if not len(controls):
        return "no control well has a value"
    if n_doses < _FEWEST_DOSES:
        return f"only {n_doses} of at least {_FEWEST_DOSES} doses have a value"
    if len(values) < _FEWEST_WELLS:
        return f"only {len(values)} of at least {_FEWEST_WELLS} wells have a value"
    if controls.mean() <= 0:
        lacking = "does not grow" if scale == "rate" else "holds no cells"
        return f"the control {lacking}, so that {_NAMES[scale]} is not defined"
    if np.ptp(values) <= 1e-12 * abs(values.mean()):
        return "all wells are alike"
    return ""


def gr_of_wells(
    control: Sequence[float], treated: Sequence[float], confidence: float = CONFIDENCE
) -> Interval | None:
    """Give the GR value of some wells against their controls, with its interval.

    GR = 2^(ratio of the mean rates) - 1. The ratio's interval is Fieller's (1954), each side with
    its own variance and the degrees of freedom of Welch's test: wells that hardly grow vary more
    than their controls do (1.7 times on simulated branching growth).

    Parameters
    ----------
    control, treated
        Growth rate of each well, 1/h.

    Returns
    -------
    Interval or None
        None where GR is not defined; without ends where one well tells no spread, or where the
        control's rate is not clearly above 0.
    """
    if not len(control) or not len(treated) or np.mean(control) <= 0:
        return None
    ratio = float(np.mean(treated) / np.mean(control))
    gr = Interval(ratio, *_fieller(control, treated, confidence))
    return gr.through(lambda end: float(2**end - 1))


def _fieller(
    control: Sequence[float], treated: Sequence[float], confidence: float
) -> tuple[float | None, float | None]:
    """Give the ends of the interval of mean(treated) / mean(control)."""
    from scipy import stats

    if min(len(control), len(treated)) < 2 or np.ptp(control) == np.ptp(treated) == 0:
        return None, None
    below, above = float(np.mean(control)), float(np.mean(treated))
    v_below = float(np.var(control, ddof=1)) / len(control)
    v_above = float(np.var(treated, ddof=1)) / len(treated)
    scaled = (above / below) ** 2 * v_below
    spread = v_above**2 / (len(treated) - 1) + scaled**2 / (len(control) - 1)
    freedom = (v_above + scaled) ** 2 / spread if spread > 0 else len(control) - 1
    t_squared = float(stats.t.ppf((1 + confidence) / 2, freedom)) ** 2
    # Ends of {r : (above - r below)^2 <= t^2 (v_above + r^2 v_below)}: a quadratic in r.
    a = below**2 - t_squared * v_below
    root = (above * below) ** 2 - a * (above**2 - t_squared * v_above)
    if a <= 0 or root < 0:
        return None, None
    return (above * below - math.sqrt(root)) / a, (above * below + math.sqrt(root)) / a


def _minimised(residuals: Callable[..., Series], parameters: Any, *arguments: object) -> Any:
    """Fit by least squares; the result knows its minimiser, which profiles need."""
    import lmfit

    minimiser = lmfit.Minimizer(residuals, parameters, fcn_args=arguments)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = minimiser.minimize(method="leastsq")
    found.minimiser = minimiser
    return found


def _interval(found: Any, name: str, confidence: float) -> Interval:
    """Profile the likelihood of one parameter; an end that runs away is not bounded."""
    import lmfit

    value = float(found.params[name].value)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            ends = lmfit.conf_interval(
                found.minimiser, found, p_names=[name], sigmas=[confidence], maxiter=200
            )[name]
        except (lmfit.MinimizerException, ValueError, IndexError, TypeError):
            return Interval(value, None, None)
    low, high = (float(end) if math.isfinite(end) else None for end in (ends[0][1], ends[-1][1]))
    return Interval(value, low, high)


class _Fitting:
    """The fits to one set of wells; doses as log10, values in units of the controls'."""

    def __init__(self, doses: Series, values: Series, scale: Scale, confidence: float) -> None:
        self._unit = float(values[doses == 0].mean())
        self._doses = doses
        self._values = values / self._unit
        self._scale = scale
        self._confidence = confidence
        positive = np.log10(doses[doses > 0])
        self._lowest, self._highest = float(positive.min()), float(positive.max())

    def result(self, whole: DoseResponse) -> DoseResponse:
        """Fit, test against no effect, and give the intervals."""
        found = self._best("middle dose")
        if found is None:
            return dataclasses.replace(whole, reason="no dose response could be fitted")
        values = found.params.valuesdict()
        control = _interval(found, "control", self._confidence)
        whole = dataclasses.replace(
            whole,
            control=control.through(lambda end: end * self._unit),
            p_value=self._p_of_no_effect(found),
        )
        if (whole.p_value or 0.0) > _RESOLVED_P:
            return dataclasses.replace(whole, reason="no effect of the dose is resolved")
        whole = dataclasses.replace(
            whole,
            at_infinity=_interval(found, "at_infinity", self._confidence),
            middle_dose=10 ** values["middle"],
            hill=values["hill"],
        )
        half_dose, reason = self._half_dose(values["at_infinity"])
        return dataclasses.replace(whole, half_dose=half_dose, reason=reason)

    def _best(self, middle: str) -> Any:
        """Fit from several starts; ``middle`` says what the parameter of that name is log10 of."""
        fits = []
        for at in np.linspace(self._lowest, self._highest, 4):
            for hill in (0.8, 2.0):
                parameters = self._parameters(float(at), hill, below_half=middle == "half dose")
                found = _minimised(self._residuals, parameters, middle)
                if found.success and np.isfinite(found.chisqr):
                    fits.append(found)
        return min(fits, key=lambda found: float(found.chisqr)) if fits else None

    def _parameters(self, at: float, hill: float, *, below_half: bool) -> Any:
        import lmfit

        parameters = lmfit.Parameters()
        parameters.add("control", value=1.0, min=1e-3)
        highest = 0.499 if below_half else 1.0
        parameters.add("at_infinity", value=0.1, min=_LOWEST[self._scale], max=highest)
        low, high = self._lowest - _BEYOND_DECADES, self._highest + _BEYOND_DECADES
        parameters.add("middle", value=at, min=low, max=high)
        parameters.add("hill", value=hill, min=_HILL[0], max=_HILL[1])
        return parameters

    def _residuals(self, parameters: Any, middle: str) -> Series:
        values = parameters.valuesdict()
        dose = 10 ** values["middle"]
        if middle == "half dose":
            dose /= (0.5 / (0.5 - values["at_infinity"])) ** (1 / values["hill"])
        response = sigmoid(self._doses, values["at_infinity"], dose, values["hill"])
        if self._scale == "rate":
            response = np.log2(np.maximum(response + 1, 1e-9))
        return np.asarray(self._values - values["control"] * response)

    def _p_of_no_effect(self, found: Any) -> float:
        """F test of the sigmoid against one value for all wells."""
        from scipy import stats

        flat = float(np.sum((self._values - self._values.mean()) ** 2))
        freedom = len(self._values) - 4
        gain = (flat - float(found.chisqr)) / 3
        return float(stats.f.sf(gain / max(float(found.chisqr) / freedom, 1e-300), 3, freedom))

    def _half_dose(self, at_infinity: float) -> tuple[Interval | None, str]:
        name = _NAMES[self._scale]
        if at_infinity >= 0.5:
            return None, f"{name} stays above 0.5 however high the dose"
        found = self._best("half dose")
        if found is None:
            return None, "the half dose could not be fitted"
        interval = _interval(found, "middle", self._confidence)
        if interval.value > self._highest:
            return None, f"{name} does not fall to 0.5 at the highest dose"
        if interval.value < self._lowest:
            return None, f"{name} is below 0.5 at the lowest dose already"
        return interval.through(lambda end: float(10**end)), ""
