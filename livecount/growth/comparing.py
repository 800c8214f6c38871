"""Whether groups grow differently from their control, corrected for many comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from livecount.growth.evidence import CONFIDENCE

__all__ = ["Comparison", "Spread", "compare_paired", "compare_with_control", "spread_of"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of some wells or experiments and how much they differ; None is "not known".

    Attributes
    ----------
    n
        Wells, or independent experiments.
    mean, sd, sem
        In units of the values; SD (n - 1) and standard error of the mean from n = 2 on.
    low, high
        t-interval of the mean, from n = 2 on.
    """

    n: int
    mean: float | None = None
    sd: float | None = None
    sem: float | None = None
    low: float | None = None
    high: float | None = None


def spread_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Spread:
    """Summarise one value of each well of a group, or of each independent experiment.

    Examples
    --------
    >>> found = spread_of([1.0, 2.0, 3.0])
    >>> found.mean, found.sd, round(found.low, 2), round(found.high, 2)
    (2.0, 1.0, -0.48, 4.48)
    """
    from scipy.special import stdtrit  # Student's t quantile; scipy.stats takes half a second

    n = len(values)
    if not n:
        return Spread(0)
    mean = float(np.mean(values))
    if n == 1:
        return Spread(1, mean)
    sd = float(np.std(values, ddof=1))
    sem = sd / math.sqrt(n)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sem
    return Spread(n, mean, sd, sem, mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group's mean less its control's; None is "cannot be computed", and ``reason`` says why.

    Attributes
    ----------
    difference, low, high
        In units of the values; the interval is of this comparison alone.
    p_value
        Of Welch's t test, two-sided.
    p_adjusted
        The same after Holm's correction for all comparisons with this control.
    reason
        Why something is missing.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    reason: str = ""


def compare_with_control(
    control: Sequence[float],
    groups: Mapping[str, Sequence[float]],
    confidence: float = CONFIDENCE,
) -> dict[str, Comparison]:
    """Compare the wells of each group with those of the control.

    Welch's t test, which does not take the groups to vary alike; Holm's correction (1979), which
    holds the chance of any false difference among all groups at 1 - confidence.

    Parameters
    ----------
    control
        One value a well.
    groups
        Name to one value a well.

    Returns
    -------
    dict
        A comparison for every group, also where none can be computed.
    """
    return _adjusted({name: _welch(control, values, confidence) for name, values in groups.items()})


def compare_paired(
    differences: Mapping[str, Sequence[float]], confidence: float = CONFIDENCE
) -> dict[str, Comparison]:
    """Compare groups with the control that stood beside them in each independent experiment.

    Student's t test of the mean difference; what makes one day's cells grow differently from
    another day's drops out of it. Holm's correction as in :func:`compare_with_control`.

    Parameters
    ----------
    differences
        Name of a group to its value less the control's, one of each experiment that has both.

    Returns
    -------
    dict
        A comparison for every group, also where none can be computed.
    """
    return _adjusted({name: _paired(values, confidence) for name, values in differences.items()})


def _paired(values: Sequence[float], confidence: float) -> Comparison:
    from scipy import stats

    if not len(values):
        return Comparison(reason="no experiment has both the group and its control")
    difference = float(np.mean(values))
    if len(values) == 1:
        return Comparison(difference, reason="one experiment with a control tells no spread")
    if np.ptp(values) == 0:
        return Comparison(difference, reason="the experiments do not differ at all")
    test = stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(confidence)
    return Comparison(difference, float(low), float(high), float(test.pvalue))


def _adjusted(found: Mapping[str, Comparison]) -> dict[str, Comparison]:
    tested = {name: one.p_value for name, one in found.items() if one.p_value is not None}
    return {
        name: _with_adjusted(one, adjusted)
        for (name, one), adjusted in zip(found.items(), _holm(found, tested), strict=True)
    }


def _welch(control: Sequence[float], values: Sequence[float], confidence: float) -> Comparison:
    from scipy import stats

    if not len(control) or not len(values):
        return Comparison(reason="no well of the " + ("group" if len(control) else "control"))
    difference = float(np.mean(values) - np.mean(control))
    if len(control) < 2 or len(values) < 2:
        which = "control" if len(control) < 2 else "group"
        return Comparison(difference, reason=f"one well of the {which} tells no spread")
    if np.ptp(control) == 0 and np.ptp(values) == 0:
        return Comparison(difference, reason="the wells do not differ at all")
    test = stats.ttest_ind(values, control, equal_var=False)
    low, high = test.confidence_interval(confidence)
    return Comparison(difference, float(low), float(high), float(test.pvalue))


def _holm(found: Mapping[str, Comparison], tested: Mapping[str, float]) -> list[float | None]:
    from statsmodels.stats.multitest import multipletests

    if not tested:
        return [None] * len(found)
    adjusted = multipletests(list(tested.values()), method="holm")[1]
    by_name = dict(zip(tested, map(float, adjusted), strict=True))
    return [by_name.get(name) for name in found]


def _with_adjusted(one: Comparison, adjusted: float | None) -> Comparison:
    values = (one.difference, one.low, one.high, one.p_value)
    return Comparison(*values, p_adjusted=adjusted, reason=one.reason)
