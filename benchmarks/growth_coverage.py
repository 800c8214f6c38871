"""How often the growth intervals cover the truth when growth is a branching process.

Every cell divides on its own after a gamma-distributed cycle; founders are of all ages, as in a
culture that has grown for long. The counts are exact, or thinned (cells missed at random). For each
design, experiments of replicate wells are simulated and evaluated with ``livecount.growth``.

Example: ``python benchmarks/growth_coverage.py coverage.md --runs 2000``
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from accuracy import describe_origin

from livecount.growth import GrowthSeries, Verdict, combine_wells, fit_series, fit_wells
from livecount.growth.curves import fit_exponential

Array = npt.NDArray[np.float64]

DOUBLING_TIME_H = 20.0
RATE_PER_H = math.log(2) / DOUBLING_TIME_H


@dataclass(frozen=True, slots=True)
class Design:
    """One experiment to repeat: cycle shape 1 is memoryless, 25 varies by 20 %."""

    wells: int
    founders: int
    interval_h: float
    cycle_shape: float
    recall: float = 1.0
    duration_h: float = 48.0

    @property
    def times_h(self) -> Array:
        """Times of the frames, hours, shape (n,)."""
        return np.arange(0, self.duration_h + 1e-9, self.interval_h)

    @property
    def cycle_scale_h(self) -> float:
        """Scale of the gamma cycle from 2 E[exp(-rate x cycle)] = 1 (Euler-Lotka)."""
        return float((2 ** (1 / self.cycle_shape) - 1) / RATE_PER_H)


DESIGNS = (
    Design(4, 70, 1 / 6, 1),
    Design(4, 70, 1 / 6, 25),
    Design(3, 70, 1, 25),
    Design(4, 300, 2, 25, recall=0.9),
    Design(8, 20, 1, 25, recall=0.9),
    Design(2, 70, 1, 25),
)


def remaining_times(design: Design, rng: np.random.Generator) -> Array:
    """Remaining cycle times of the cells of a culture after six doublings, shape (cells,)."""
    end = 6 * DOUBLING_TIME_H
    births, remaining = np.zeros(200), []
    while births.size:
        divisions = births + rng.gamma(design.cycle_shape, design.cycle_scale_h, births.size)
        remaining.append(divisions[divisions > end] - end)
        births = np.repeat(divisions[divisions <= end], 2)
    return np.concatenate(remaining)


def counts_of_well(design: Design, pool: Array, rng: np.random.Generator) -> Array:
    """Simulate one well's counts at the design's times, shape (n,)."""
    times = design.times_h
    pending = rng.choice(pool, design.founders)
    divisions = []
    while pending.size:
        pending = pending[pending <= times[-1]]
        divisions.append(pending)
        births = np.repeat(pending, 2)
        pending = births + rng.gamma(design.cycle_shape, design.cycle_scale_h, births.size)
    born = np.searchsorted(np.sort(np.concatenate(divisions)), times, side="right")
    return rng.binomial(design.founders + born, design.recall).astype(np.float64)


def naive_interval_covers(times: Array, counts: Array) -> bool:
    """Tell whether one well's own quasi-Poisson 95 % interval, which is not shown, is right."""
    fit = fit_exponential(times, counts, np.zeros(len(times), dtype=np.intp))
    return fit is not None and abs(fit.rate_per_h - RATE_PER_H) < 1.96 * fit.standard_error


def evaluate(design: Design, runs: int, rng: np.random.Generator) -> dict[str, float]:
    """Repeat a design and tell bias, coverage and how often the logistic was taken, in percent."""
    pool = remaining_times(design, rng)
    times, rates, covered, naive, logistic = design.times_h, [], 0, 0, 0
    for _ in range(runs):
        wells = [counts_of_well(design, pool, rng) for _ in range(design.wells)]
        fits = fit_wells([[GrowthSeries(times, counts)] for counts in wells])
        group = combine_wells(fits)
        if group.rate_per_h is None or group.rate_low is None or group.rate_high is None:
            raise SystemExit(f"no rate from {design}: {group.reason}")
        rates.append(group.rate_per_h)
        covered += group.rate_low <= RATE_PER_H <= group.rate_high
        naive += naive_interval_covers(times, wells[0])
        logistic += fits[0].fit == "logistic"
    return {
        "bias": 100 * (float(np.mean(rates)) / RATE_PER_H - 1),
        "covered": 100 * covered / runs,
        "naive": 100 * naive / runs,
        "logistic": 100 * logistic / runs,
    }


def false_growth(runs: int, rng: np.random.Generator, correlation: float) -> float:
    """Percent of constant single wells, 100 cells over 49 frames, in which a change is seen."""
    times, found = np.arange(49.0), 0
    for _ in range(runs):
        noise = np.empty(len(times))
        noise[0] = rng.normal()
        for index in range(1, len(times)):
            step = rng.normal() * math.sqrt(1 - correlation**2)
            noise[index] = correlation * noise[index - 1] + step
        fit = fit_series(
            GrowthSeries(times, rng.poisson(100 * np.exp(0.08 * noise)).astype(np.float64))
        )
        found += fit.verdict is not Verdict.NOT_RESOLVED
    return 100 * found / runs


def crowded(runs: int, rng: np.random.Generator, plateau: float) -> dict[str, float]:
    """Repeat four wells of Poisson counts about a logistic, 300 cells at the start, 97 frames."""
    times, taken, rates = np.arange(0, 48.1, 0.5), 0, []
    truth = plateau / (1 + (plateau / 300 - 1) * np.exp(-RATE_PER_H * times))
    for _ in range(runs):
        fits = fit_wells(
            [[GrowthSeries(times, rng.poisson(truth).astype(np.float64))] for _ in range(4)]
        )
        taken += fits[0].fit == "logistic"
        rates.append(combine_wells(fits).rate_per_h or math.nan)
    return {"bias": 100 * (float(np.mean(rates)) / RATE_PER_H - 1), "logistic": 100 * taken / runs}


def table(runs: int, seed: int) -> Iterable[str]:
    """Write the results as the lines of a markdown page."""
    rng = np.random.default_rng(seed)
    yield f"# Growth intervals on branching growth ({runs} runs per design, seed {seed})\n"
    yield f"True doubling time {DOUBLING_TIME_H:g} h, 48 h, nominal confidence 95 %.\n"
    yield (
        "| wells | founders | frame every | cycle shape | recall | bias of the rate "
        "| interval across wells covers | one well's own fit would cover | logistic taken |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for design in DESIGNS:
        found = evaluate(design, runs, rng)
        yield (
            f"| {design.wells} | {design.founders} | {60 * design.interval_h:.0f} min "
            f"| {design.cycle_shape:g} | {design.recall:g} | {found['bias']:+.2f} % "
            f"| {found['covered']:.1f} % | {found['naive']:.1f} % | {found['logistic']:.1f} % |"
        )
    yield "\nA change seen in a constant single well (100 cells, 49 frames, 8 % variation):\n"
    yield "| autocorrelation between frames | seen |"
    yield "|---|---|"
    for correlation in (0.0, 0.5, 0.9):
        yield f"| {correlation:g} | {false_growth(runs, rng, correlation):.1f} % |"
    yield "\nFour wells that grow into a plateau (Poisson counts about a logistic from 300):\n"
    yield "| plateau | bias of the rate | logistic taken |"
    yield "|---|---|---|"
    for plateau in (600.0, 1000.0, 2000.0, 3000.0, 6000.0):
        found = crowded(max(runs // 10, 1), rng, plateau)
        yield f"| {plateau:g} | {found['bias']:+.1f} % | {found['logistic']:.0f} % |"
    origin = describe_origin()
    command = f"python benchmarks/growth_coverage.py docs/growth-coverage.md --runs {runs}"
    yield f"\n`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}."


def main() -> None:
    """Write the table to the path given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    lines = list(table(chosen.runs, chosen.seed))
    chosen.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(chosen.path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
