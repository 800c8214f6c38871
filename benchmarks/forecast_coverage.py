"""How often the forecast interval of reaching a threshold held, on simulated wells.

Growth is a branching process without crowding, or logistic towards a plateau; what is measured
scatters about it (Poisson, and 5 % on top; confluence 5 %). The forecast is asked for at a random
time. Only forecasts that are given are judged, as only they are sent.

Example: ``python benchmarks/forecast_coverage.py docs/forecast.md --runs 300``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from accuracy import describe_origin
from growth_coverage import DOUBLING_TIME_H, RATE_PER_H, Design, counts_of_well, remaining_times

from livecount.growth import GrowthSeries, forecast_reaching, well_curve

Array = npt.NDArray[np.float64]
Truth = Callable[[np.random.Generator], tuple[Array, Array]]

FINE_H = 0.1
PLATEAU = 1000.0


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of growth, the threshold, and the ceiling that is known to the forecast."""

    words: str
    truth: Truth
    level: float
    ceiling: float | None = None


def branching() -> Truth:
    """Grow without crowding: each cell divides on its own, about every 20 h."""
    design = Design(1, 70, FINE_H, 25, duration_h=84)
    pool = remaining_times(design, np.random.default_rng(0))
    return lambda rng: (design.times_h, counts_of_well(design, pool, rng))


def logistic(rng: np.random.Generator) -> tuple[Array, Array]:
    """Grow towards 1000, or 100 %, from 4 to 10 % of it; the rate varies by 5 % among wells."""
    times = np.arange(0, 200, FINE_H)
    start, rate = rng.uniform(0.04, 0.1), RATE_PER_H * (1 + 0.05 * rng.normal())
    return times, PLATEAU / (1 + (1 / start - 1) * np.exp(-rate * times))


CASES = (
    Case("70 cells to 600, no crowding", branching(), 600),
    Case("cells to 30 % of the plateau", logistic, 300),
    Case("cells to 60 % of the plateau", logistic, 600),
    Case("cells to 80 % of the plateau", logistic, 800),
    Case("50 % confluent", logistic, 500, 1000),
    Case("80 % confluent", logistic, 800, 1000),
)


def evaluate(case: Case, interval_h: float, runs: int, rng: np.random.Generator) -> str:
    """Repeat a case; give a line of the table."""
    held, halves, leads, errors, asked = [], [], [], [], 0
    for _ in range(runs):
        times, truth = case.truth(rng)
        now_h = rng.uniform(24, 84)
        reached_h = float(times[truth >= case.level][0]) if truth.max() >= case.level else np.inf
        if reached_h <= now_h or reached_h > 1.5 * now_h:
            continue
        asked += 1
        seen_h = np.arange(0, now_h, interval_h)
        values = np.interp(seen_h, times, truth)
        counted = values if case.ceiling else rng.poisson(values)
        measured = counted * np.exp(0.05 * rng.normal(size=len(values)))
        if case.ceiling:
            measured = np.minimum(measured, 0.99 * case.ceiling)
        found = forecast_reaching(
            well_curve([GrowthSeries(seen_h, measured)]), case.level, case.ceiling
        )
        if found.at_h is None or found.low_h is None or found.high_h is None:
            continue
        held.append(found.low_h <= reached_h <= found.high_h)
        halves.append((found.high_h - found.low_h) / 2)
        leads.append(reached_h - seen_h[-1])
        errors.append(found.at_h - reached_h)
    if not held:
        return f"| {case.words} | {interval_h:g} | {asked} | 0 | | | | |"
    medians = (float(np.median(column)) for column in (leads, halves, errors))
    numbers = " | ".join(f"{value:.1f}" for value in medians)
    share = f"{100 * np.mean(held):.0f} %"
    return f"| {case.words} | {interval_h:g} | {asked} | {len(held)} | {share} | {numbers} |"


def evaluate_real(file: Path, minutes: float, interval_h: float) -> str:
    """Ask at every hour for every level of a real series; give a line of the table.

    The truth is when the running median of seven frames first reaches the level.
    """
    counts = pd.read_csv(file).iloc[:, -1].to_numpy(float)
    hours = np.arange(len(counts)) * minutes / 60
    smooth = pd.Series(counts).rolling(7, center=True, min_periods=1).median().to_numpy()
    step = max(1, round(interval_h * 60 / minutes))
    outcomes = []
    for level in np.quantile(counts, np.linspace(0.4, 0.97, 12)):
        reached_h = float(hours[smooth >= level][0])
        for now_h in np.arange(8.0, reached_h, 1.0):
            seen = hours[::step] <= now_h
            curve = well_curve([GrowthSeries(hours[::step][seen], counts[::step][seen])])
            found = forecast_reaching(curve, float(level))
            if found.at_h is not None and found.low_h is not None and found.high_h is not None:
                held = found.low_h <= reached_h <= found.high_h
                half_h = (found.high_h - found.low_h) / 2
                outcomes.append((held, reached_h - now_h, half_h, found.at_h - reached_h))
    share, *medians = np.mean(outcomes, axis=0)[:1], *np.median(outcomes, axis=0)[1:]
    numbers = " | ".join(f"{value:.1f}" for value in medians)
    return (
        f"| {file.stem} | {interval_h:g} | | {len(outcomes)} | {100 * share[0]:.0f} % | {numbers} |"
    )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="Series of counts.")
    parser.add_argument("--minutes", type=float, default=10, help="Between their frames.")
    given = parser.parse_args()
    rng = np.random.default_rng(28)
    lines = [
        evaluate(case, interval_h, given.runs, rng) for case in CASES for interval_h in (0.5, 2, 6)
    ]
    lines += [
        evaluate_real(file, given.minutes, interval_h)
        for file in given.real
        for interval_h in (given.minutes / 60, 1, 2)
    ]
    command = f"python benchmarks/forecast_coverage.py {given.output} --runs {given.runs} "
    command += " ".join(["--real", *(file.name for file in given.real)]) if given.real else ""
    origin = describe_origin()
    given.output.write_text(
        "# Forecasts of a threshold\n\n"
        "Simulated wells that scatter by 5 % and by chance about a curve with a doubling time of "
        f"{DOUBLING_TIME_H:.0f} h, asked at a random hour from 24 to 84, where the threshold is "
        "reached within another half of that time; and real series of one field each, annotated by "
        "people, asked at every hour for twelve levels (the answers of one series depend on each "
        "other). A forecast is given only where it can be; of those, how often the true time lay "
        "in the interval.\n\n"
        "| threshold | a scan every, h | asked | given | interval held | median time ahead, h "
        "| half of the interval, h | forecast less truth, h |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n" + "\n".join(lines) + "\n\n"
        "Confluence has a ceiling that is known, 100 %, and is forecast well. Cell counts have "
        "none that is known beforehand: close to the plateau, growth bends off in a way that could "
        "not be seen yet, and the few forecasts that are given there are too early and mostly "
        "wrong. Real confluence was not tried: no annotated series has any.\n\n"
        f"`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
