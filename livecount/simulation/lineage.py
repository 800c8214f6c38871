"""When cells divide and die: an age-structured branching process with an exact growth rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CycleTimes", "Lineage", "cycle_times", "grow_lineage"]

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CycleTimes:
    """Gamma distributed times from birth to division.

    Attributes
    ----------
    shape
        ``1 / cv**2``; infinite for a cycle without spread.
    scale_h
        Mean divided by ``shape``, hours.
    mean_h
        Mean, hours; infinite where cells do not divide.
    selection_per_h
        The rate at which age classes are thinned in the steady state: growth plus death, 1/h.
    """

    shape: float
    scale_h: float
    mean_h: float
    selection_per_h: float

    def draw(self, rng: np.random.Generator, n: int) -> Float64Array:
        """Draw ``n`` cycle times, hours."""
        if math.isinf(self.mean_h):
            return np.full(n, np.inf)
        if math.isinf(self.shape):
            return np.full(n, self.mean_h)
        return rng.gamma(self.shape, self.scale_h, n)


def cycle_times(doubling_time_h: float, *, cv: float, death_rate_per_h: float) -> CycleTimes:
    """Choose the cycle times whose population doubles every ``doubling_time_h``.

    Euler-Lotka for binary division under a constant hazard of death ``d``: the growth rate ``r``
    solves ``2 E[exp(-(r + d) T)] = 1``. For gamma distributed ``T`` of shape ``k`` and scale ``s``
    this is ``2 (1 + (r + d) s)**-k = 1``, so ``s = (2**(1 / k) - 1) / (r + d)``.

    Parameters
    ----------
    doubling_time_h
        Doubling time of the population net of death, hours; infinite for a standing population.
    cv
        Coefficient of variation of the cycle time, 0 <= cv < 1.
    death_rate_per_h
        Constant hazard of death, 1/h.

    Returns
    -------
    CycleTimes
        Parameters of the distribution.

    Examples
    --------
    >>> times = cycle_times(20.0, cv=0.0, death_rate_per_h=0.0)
    >>> round(times.mean_h, 6)
    20.0
    """
    selection = math.log(2) / doubling_time_h + death_rate_per_h
    if selection == 0:
        return CycleTimes(math.inf, math.inf, math.inf, 0.0)
    if cv == 0:
        return CycleTimes(math.inf, 0.0, math.log(2) / selection, selection)
    shape = 1 / cv**2
    scale = math.expm1(math.log(2) / shape) / selection
    return CycleTimes(shape, scale, shape * scale, selection)


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """Every cell that ever lives, in arrays of shape (n,); times in hours from the start.

    Attributes
    ----------
    born_h
        Birth; negative for founders.
    division_h
        When the cell divides, if it does not die before; infinite where it never does.
    end_h
        End as a live cell: division or death.
    dies
        True where that end is death.
    parent
        Index of the mother, -1 for founders; mothers come before their daughters.
    """

    born_h: Float64Array
    division_h: Float64Array
    end_h: Float64Array
    dies: npt.NDArray[np.bool_]
    parent: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.born_h)

    def alive(self, elapsed_h: float) -> npt.NDArray[np.bool_]:
        """Tell which cells live at ``elapsed_h``, shape (n,)."""
        return (self.born_h <= elapsed_h) & (elapsed_h < self.end_h)


def grow_lineage(
    n_founders: int,
    times: CycleTimes,
    *,
    death_rate_per_h: float,
    horizon_h: float,
    rng: np.random.Generator,
) -> Lineage:
    """Let founders of the stable age distribution divide and die up to a horizon.

    Parameters
    ----------
    n_founders
        Live cells at time 0.
    times
        Distribution of cycle times, from :func:`cycle_times`.
    death_rate_per_h
        Constant hazard of death, 1/h.
    horizon_h
        Divisions after this time are not followed.
    rng
        Source of all chance.

    Returns
    -------
    Lineage
        Founders first, then generation by generation.
    """
    cycle, age = _stable_ages(n_founders, times, rng)
    generation = _generation(
        -age, cycle - age, np.full(n_founders, -1), start_h=0.0, death=death_rate_per_h, rng=rng
    )
    generations = [generation]
    first = 0
    while True:
        mothers = np.flatnonzero(~generation.dies & (generation.end_h < horizon_h))
        if len(mothers) == 0:
            return _joined(generations)
        born = np.repeat(generation.end_h[mothers], 2)
        parent = np.repeat(mothers + first, 2)
        first += len(generation)
        generation = _generation(
            born, times.draw(rng, len(born)), parent, start_h=born, death=death_rate_per_h, rng=rng
        )
        generations.append(generation)


def _stable_ages(
    n: int, times: CycleTimes, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    """Draw cycle time and age of cells in balanced growth: density exp(-r a) f(T) for a < T."""
    if math.isinf(times.mean_h):
        return np.full(n, np.inf), rng.uniform(0, 24, n)
    rate = times.selection_per_h
    cycle = np.empty(0)
    while len(cycle) < n:
        drawn = times.draw(rng, 2 * n + 16)
        # integrating the joint density over age leaves f(T) (1 - exp(-r T)) for the cycle time
        kept = drawn[rng.random(len(drawn)) < -np.expm1(-rate * drawn)]
        cycle = np.concatenate([cycle, kept])
    cycle = cycle[:n]
    age = -np.log1p(rng.random(n) * np.expm1(-rate * cycle)) / rate
    return cycle, age


def _generation(
    born: Float64Array,
    until_division: Float64Array,
    parent: npt.NDArray[np.int64],
    *,
    start_h: float | Float64Array,
    death: float,
    rng: np.random.Generator,
) -> Lineage:
    if death > 0:
        until_death = rng.exponential(1 / death, len(born))
    else:
        until_death = np.full(len(born), np.inf)
    division = start_h + until_division
    end = np.minimum(division, start_h + until_death)
    return Lineage(born, division, end, until_death < until_division, parent.astype(np.int64))


def _joined(generations: list[Lineage]) -> Lineage:
    return Lineage(
        np.concatenate([g.born_h for g in generations]),
        np.concatenate([g.division_h for g in generations]),
        np.concatenate([g.end_h for g in generations]),
        np.concatenate([g.dies for g in generations]),
        np.concatenate([g.parent for g in generations]),
    )
