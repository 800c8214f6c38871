"""How far counts agree with a person's: mean ratio, limits of agreement, limits for a new frame.

On logarithms, since the error of a count grows with it: Bland & Altman, Lancet 327, 307 (1986), and
Stat. Methods Med. Res. 8, 135 (1999), section 3.2 on ratios.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["CELLS_NOT_BY_CHANCE", "FIELDS_FOR_LIMITS", "Agreement", "agree"]

FIELDS_FOR_LIMITS = 3
"""Fields with cells below which no limits are given: two always look as if they agreed."""

CELLS_NOT_BY_CHANCE = 3
"""So many cells against none contradict: a Poisson count with a mean of 3 is 0 in 5 % of fields."""

_NORMAL_95 = 1.96
_UPPER = 0.975


@dataclass(frozen=True, slots=True)
class Agreement:
    """Mean and spread of ln(count / annotation) over frames that have both.

    Attributes
    ----------
    n
        Number of frames with cells in both.
    mean_log_ratio, sd_log_ratio
        Mean (None without a frame) and sample standard deviation (None below two).
    one_sided
        (counted, annotated) of further frames in which only one of them is 0, most cells first.
    """

    n: int
    mean_log_ratio: float | None = None
    sd_log_ratio: float | None = None
    one_sided: tuple[tuple[int, int], ...] = ()

    @property
    def contradiction(self) -> str:
        """Say why these frames speak against the counts, or nothing where they do not.

        A frame with cells in one count alone has no ratio, so that no bias shows it.
        """
        wrong = [pair for pair in self.one_sided if max(pair) >= CELLS_NOT_BY_CHANCE]
        invented = [counted for counted, annotated in wrong if not annotated]
        missed = [annotated for counted, annotated in wrong if not counted]
        found = []
        if invented:
            cells = _up_to(invented)
            found.append(f"the model finds cells where there are none ({cells} counted against 0)")
        if missed:
            cells = _up_to(missed)
            found.append(f"the model misses fields altogether (0 counted against {cells})")
        return " and ".join(found)

    @property
    def bias_percent(self) -> float | None:
        """How much a count is too high in the geometric mean, in percent of the true one."""
        return None if self.mean_log_ratio is None else _percent(self.mean_log_ratio)

    @property
    def bias_interval_percent(self) -> tuple[float, float] | None:
        """The 95 % interval of that mean: Student's t on the logarithms."""
        return _percents(self._around_mean(lambda sd: self._t() * sd / math.sqrt(self.n)))

    @property
    def log_limits(self) -> tuple[float, float] | None:
        """The 95 % limits of agreement: mean +- 1.96 standard deviations (Bland & Altman 1986)."""
        return self._around_mean(lambda sd: _NORMAL_95 * sd)

    @property
    def limits_percent(self) -> tuple[float, float] | None:
        """The same in percent of the true count."""
        return _percents(self.log_limits)

    @property
    def log_limits_of_new(self) -> tuple[float, float] | None:
        """Where ln(count / truth) of one further frame lies with 95 %: wider, as n is small.

        Prediction interval of a normal distribution, mean +- t(n - 1) sd sqrt(1 + 1 / n).
        """
        return self._around_mean(lambda sd: self._t() * sd * math.sqrt(1 + 1 / self.n))

    def _t(self) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.n - 1, _UPPER))

    def _around_mean(self, reach_of: Callable[[float], float]) -> tuple[float, float] | None:
        if self.n < FIELDS_FOR_LIMITS or self.mean_log_ratio is None or self.sd_log_ratio is None:
            return None
        reach = reach_of(self.sd_log_ratio)
        return self.mean_log_ratio - reach, self.mean_log_ratio + reach


def agree(pairs: Iterable[tuple[int, int]]) -> Agreement:
    """Compare counts with annotations, frame by frame.

    Parameters
    ----------
    pairs
        Cells counted and cells annotated of each frame; where either is 0 there is no ratio: where
        one of them is, the frame is among ``one_sided``, where both are, it is left out.

    Examples
    --------
    >>> found = agree([(11, 10), (22, 20), (33, 30), (0, 4)])
    >>> found.n, round(found.bias_percent, 6), [round(limit, 6) for limit in found.limits_percent]
    (3, 10.0, [10.0, 10.0])
    >>> found.one_sided
    ((0, 4),)
    """
    pairs = list(pairs)
    one_sided = tuple(
        sorted((pair for pair in pairs if max(pair) and not min(pair)), key=max, reverse=True)
    )
    logs = [math.log(counted / annotated) for counted, annotated in pairs if counted and annotated]
    if not logs:
        return Agreement(0, one_sided=one_sided)
    mean = math.fsum(logs) / len(logs)
    if len(logs) < 2:
        return Agreement(1, mean, one_sided=one_sided)
    spread = math.fsum((log - mean) ** 2 for log in logs)
    return Agreement(len(logs), mean, math.sqrt(spread / (len(logs) - 1)), one_sided)


def _up_to(cells: list[int]) -> str:
    return f"{cells[0]}" if len(cells) == 1 else f"up to {max(cells)}"


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)


def _percents(log_ratios: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if log_ratios is None else (_percent(log_ratios[0]), _percent(log_ratios[1]))
