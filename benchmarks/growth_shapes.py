"""How well lag, plateau and rate are found in curves that run into a plateau, by which fit.

Every cell waits for a time of its own, then divides at random at a rate that falls as the well
fills (stochastic logistic growth); wells differ in rate, lag and room. Two designs are smooth
curves with Poisson counts instead. Each experiment of four replicate wells is evaluated with
``livecount.growth`` as livecount does it; its intervals are t-intervals across wells.

Example: ``python benchmarks/growth_shapes.py docs/growth-shapes.md --runs 500``
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import growth_coverage
import numpy as np
import numpy.typing as npt
from accuracy import describe_origin

from livecount.growth import GrowthFit, GrowthSeries, combine_wells, fit_wells, spread_of

Array = npt.NDArray[np.float64]

RATE_PER_H = math.log(2) / 20
STEP_H = 0.1
WELLS = 4
OF_RATE, OF_PLATEAU, LAG_SD_H = 0.03, 0.05, 1.0
"""How much wells differ: relative standard deviations, and hours."""
LAG_SHAPE = 9.0
"""Shape of the gamma distribution of the cells' waiting times: they differ by a third."""


@dataclass(frozen=True, slots=True)
class Design:
    """One experiment to repeat: founders, waiting time, room, and hours with a frame each."""

    kind: Literal["cells", "Gompertz", "logistic"]
    founders: int
    lag_h: float
    plateau: float
    duration_h: float
    every_h: float = 1.0

    @property
    def times_h(self) -> Array:
        """Times of the frames, hours, shape (n,)."""
        return np.arange(0, self.duration_h + 1e-9, self.every_h)


DESIGNS = (
    Design("logistic", 100, 0.0, 2000, 192),
    Design("Gompertz", 100, 12.0, 2000, 192),
    Design("cells", 100, 0.0, 1000, 168),
    Design("cells", 100, 0.0, 2000, 192),
    Design("cells", 100, 0.0, 2000, 96),
    Design("cells", 100, 12.0, 2000, 192),
    Design("cells", 100, 24.0, 2000, 192),
    Design("cells", 300, 24.0, 2000, 168),
    Design("cells", 100, 12.0, 1e9, 72),
)
UNTUNED = (
    Design("cells", 150, 8.0, 1500, 144, 2.0),
    Design("cells", 60, 16.0, 4000, 216, 4.0),
    Design("cells", 200, 0.0, 4000, 120, 4.0),
    Design("cells", 300, 12.0, 1e9, 72, 3.0),
    Design("cells", 200, 0.0, 1e9, 72, 3.0),
)
"""First run after the rules that choose a curve (0031, 0044) were fixed on the others."""


def counts_of_wells(design: Design, rng: np.random.Generator) -> list[Array]:
    """Simulate the counts of one experiment's wells, shape (n,) each."""
    return [_counts_of_well(design, rng) for _ in range(WELLS)]


def _counts_of_well(design: Design, rng: np.random.Generator) -> Array:
    rate = RATE_PER_H * rng.normal(1, OF_RATE)
    plateau = design.plateau * rng.normal(1, OF_PLATEAU)
    lag_h = max(design.lag_h + rng.normal(0, LAG_SD_H), 0.0) if design.lag_h else 0.0
    times, start = design.times_h, design.founders
    if design.kind == "cells":
        return _cells(design, rate, plateau, lag_h, rng)
    if design.kind == "logistic":
        truth = plateau / (1 + (plateau / start - 1) * np.exp(-rate * times))
    else:
        folds = math.log(plateau / start)
        truth = start * np.exp(folds * np.exp(-np.exp(rate * math.e / folds * (lag_h - times) + 1)))
    return rng.poisson(truth).astype(np.float64)


def _cells(
    design: Design, rate: float, plateau: float, lag_h: float, rng: np.random.Generator
) -> Array:
    """Let every cell wait, then divide with a hazard that falls as the well fills."""
    waits = rng.gamma(LAG_SHAPE, lag_h / LAG_SHAPE, design.founders)
    steps = round(design.duration_h / STEP_H)
    started = np.searchsorted(np.sort(waits), np.arange(1, steps + 1) * STEP_H, side="right")
    active, total, counts = int((waits <= 0).sum()), design.founders, [float(design.founders)]
    before = active
    for step in range(steps):
        hazard = rate * max(1 - total / plateau, 0.0)
        born = int(rng.binomial(active, -math.expm1(-hazard * STEP_H)))
        active += born + int(started[step]) - before
        before, total = int(started[step]), total + born
        if (step + 1) % round(design.every_h / STEP_H) == 0:
            counts.append(float(total))
    return np.array(counts)


def true_lag(design: Design) -> float | None:
    """Give the lag by the tangent, from the mean of the design; None where there is none."""
    if design.kind != "Gompertz":
        return design.lag_h or None
    times = np.linspace(0, design.duration_h, 100_001)
    folds = math.log(design.plateau / design.founders)
    logs = folds * np.exp(-np.exp(RATE_PER_H * math.e / folds * (design.lag_h - times) + 1))
    slopes = np.gradient(logs, times)
    at = int(np.argmax(slopes))
    return float(times[at] - (logs[at] - logs[0]) / slopes[at])


def evaluate(design: Design, runs: int, rng: np.random.Generator) -> dict[str, str]:
    """Repeat a design: which curves are taken, and bias and coverage of what follows from them."""
    groups, alone = [], []
    for _ in range(runs):
        wells = [[GrowthSeries(design.times_h, one)] for one in counts_of_wells(design, rng)]
        groups.append(combine_wells(fit_wells(wells)))
        alone.append(fit_wells(wells[:1])[0])
    truths = {
        "rate_per_h": RATE_PER_H,
        "lag_h": true_lag(design),
        "plateau": design.plateau if design.plateau < 1e9 else None,
    }
    found = {name: _bias_and_coverage(groups, name, truth) for name, truth in truths.items()}
    biases = [(fit.rate_per_h or math.nan) / RATE_PER_H - 1 for fit in alone]
    return {
        "taken": _shares(groups),
        "taken alone": _shares(alone),
        "rate alone": f"{100 * float(np.mean(biases)):+.1f} %",
        **found,
    }


def days(runs: int, rng: np.random.Generator, of_day: float) -> dict[str, float]:
    """Tell how often intervals cover the mean rate when days differ: over all wells, over days.

    Three experiments of four wells whose cells divide on their own (:mod:`growth_coverage`); the
    rates of a day are off by ``of_day``, relative standard deviation.
    """
    design = growth_coverage.Design(WELLS, 70, 2.0, 25)
    pool, covered = growth_coverage.remaining_times(design, rng), Counter[str]()
    for _ in range(runs):
        by_day = []
        for _ in range(3):
            faster = rng.normal(1, of_day)
            counts = [growth_coverage.counts_of_well(design, pool, rng) for _ in range(WELLS)]
            series = [[GrowthSeries(design.times_h / faster, one)] for one in counts]
            by_day.append(
                [fit.rate_per_h or 0.0 for fit in fit_wells(series, model="quasi-Poisson")]
            )
        for name, values in (
            ("wells", [rate for rates in by_day for rate in rates]),
            ("one day", by_day[0]),
            ("days", [float(np.mean(rates)) for rates in by_day]),
        ):
            spread = spread_of(values)
            covered[name] += spread.low <= growth_coverage.RATE_PER_H <= spread.high
    return {name: 100 * n / runs for name, n in covered.items()}


def _shares(fits: Iterable[GrowthFit]) -> str:
    taken = Counter(fit.fit for fit in fits)
    whole = taken.total()
    return ", ".join(f"{name} {100 * n / whole:.0f} %" for name, n in taken.most_common())


def _bias_and_coverage(groups: Iterable[GrowthFit], name: str, truth: float | None) -> str:
    low, high = {
        "rate_per_h": ("rate_low", "rate_high"),
        "lag_h": ("lag_low_h", "lag_high_h"),
        "plateau": ("plateau_low", "plateau_high"),
    }[name]
    parts = [group if name == "rate_per_h" else group.shape for group in groups]
    known = [part for part in parts if getattr(part, low) is not None]
    given = f"given in {100 * len(known) / len(parts):.0f} %"
    if not known or truth is None:
        return given
    bias = float(np.mean([getattr(part, name) for part in known])) - truth
    covered = np.mean([getattr(part, low) <= truth <= getattr(part, high) for part in known])
    said = f"{bias:+.1f} h" if name == "lag_h" else f"{100 * bias / truth:+.1f} %"
    return f"{said}, covers {100 * covered:.0f} %, {given}"


def table(runs: int, seed: int) -> Iterable[str]:
    """Write the results as the lines of a markdown page."""
    rng = np.random.default_rng(seed)
    yield f"# Lag, plateau and rate of curves that bend ({runs} runs per design, seed {seed})\n"
    yield (
        f"Four wells, true doubling time {math.log(2) / RATE_PER_H:g} h; wells "
        f"differ by {100 * OF_RATE:g} % in rate, {100 * OF_PLATEAU:g} % in plateau and "
        f"{LAG_SD_H:g} h in lag. Intervals: 95 %, across wells. Room for 1e+09 is no plateau.\n"
    )
    yield (
        "The rules that choose a curve were set while looking at the designs with a frame an hour; "
        "those with fewer frames were first run when the rules were fixed.\n"
    )
    yield (
        "| growth | founders | lag, h | plateau | hours | a frame every, h "
        "| curve taken, four wells | rate | lag | plateau | curve taken, one well | its rate |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for design in (*DESIGNS, *UNTUNED):
        found = evaluate(design, runs, rng)
        yield (
            f"| {design.kind} | {design.founders} | {design.lag_h:g} | {design.plateau:g} "
            f"| {design.duration_h:g} | {design.every_h:g} "
            f"| {found['taken']} | {found['rate_per_h']} | {found['lag_h']} "
            f"| {found['plateau']} | {found['taken alone']} | {found['rate alone']} |"
        )
    yield "\nThree experiments of four wells, branching growth without a plateau; how often the"
    yield "95 % interval of the rate covers the mean of all days:\n"
    yield "| days differ by | wells of one day | all 12 wells as if alike | experiments, n = 3 |"
    yield "|---|---|---|---|"
    for of_day in (0.0, 0.05, 0.1):
        found = days(runs, rng, of_day)
        yield (
            f"| {100 * of_day:g} % | {found['one day']:.1f} % | {found['wells']:.1f} % "
            f"| {found['days']:.1f} % |"
        )
    origin = describe_origin()
    command = (
        f"python benchmarks/growth_shapes.py docs/growth-shapes.md --runs {runs} --seed {seed}"
    )
    yield f"\n`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}."


def main() -> None:
    """Write the table to the path given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    lines = list(table(chosen.runs, chosen.seed))
    chosen.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(chosen.path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
