"""How often dose responses of branching growth cover the truth, and how often nothing is seen.

    python benchmarks/dose_coverage.py docs/dose-coverage.md --runs 2000

Each experiment is a plate of exact counts: controls and doses, wells in replicates, every cell
dividing and dying on its own (livecount.simulation.lineage). Rates are fitted
and evaluated as in `livecount export doses`.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from accuracy import describe_origin

from livecount.growth import (
    Interval,
    compare_with_control,
    fit_dose_response,
    gr_of_wells,
)
from livecount.growth.curves import fit_exponential
from livecount.plate.dosing import Effect
from livecount.platform.process import usable_cores
from livecount.simulation.lineage import cycle_times, grow_lineage

DOUBLING_TIME_H = 20.0
RATE_PER_H = math.log(2) / DOUBLING_TIME_H
TIMES_H = np.arange(0.0, 48.1, 2.0)
CYCLE_CV = 0.2
DEATH_PER_H = 0.002
NO_EFFECT = "none"
PART = 50

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """A plate: doses in half decades or decades, wells a dose, controls, founders a well."""

    effect: Effect | None
    doses: tuple[float, ...]
    wells: int
    controls: int
    founders: int

    @property
    def words(self) -> str:
        """Name the design in a table."""
        effect = self.effect
        told = (
            NO_EFFECT if effect is None else f"{effect.gr50:g}, {effect.gr_inf:g}, {effect.hill:g}"
        )
        return f"| {told} | {len(self.doses)} | {self.wells} | {self.controls} | {self.founders} "


HALF_DECADES = tuple(float(dose) for dose in 10.0 ** np.arange(-2, 2.1, 0.5))
DECADES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DESIGNS = (
    Design(Effect(0.5, 0.0, 1.0), HALF_DECADES, 4, 12, 200),
    Design(Effect(0.5, 0.1, 2.0), DECADES, 3, 6, 100),
    Design(Effect(3.0, 0.2, 1.0), HALF_DECADES, 3, 8, 300),
    Design(None, DECADES, 4, 8, 200),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often what was found in some runs of a design, and ln(GR50 / truth) of those with one."""

    runs: int
    found: dict[str, int]
    logs: list[float]


def counts_of_well(rate_per_h: float, founders: int, rng: np.random.Generator) -> Array:
    """Simulate the live cells of a well at TIMES_H."""
    doubling = math.log(2) / rate_per_h if rate_per_h > 1e-9 else math.inf
    times = cycle_times(doubling, cv=CYCLE_CV, death_rate_per_h=DEATH_PER_H)
    lineage = grow_lineage(
        founders, times, death_rate_per_h=DEATH_PER_H, horizon_h=float(TIMES_H[-1]), rng=rng
    )
    return np.array([np.count_nonzero(lineage.alive(at)) for at in TIMES_H], dtype=np.float64)


def rate_of(counts: Array) -> float:
    """Fit a well's growth rate as livecount does where no plateau is met (1/h)."""
    fit = fit_exponential(TIMES_H, counts, np.zeros(len(TIMES_H), dtype=np.intp))
    return math.nan if fit is None else fit.rate_per_h


def plate(design: Design, rng: np.random.Generator) -> tuple[Array, Array]:
    """Simulate a plate: dose and rate of each well, controls first."""
    doses = np.array([0.0] * design.controls + list(np.repeat(design.doses, design.wells)))
    shares = [1.0 if design.effect is None else design.effect.relative_rate(d) for d in doses]
    rates = [rate_of(counts_of_well(RATE_PER_H * s, design.founders, rng)) for s in shares]
    return doses, np.array(rates)


def covers(interval: Interval | None, truth: float) -> bool:
    """Tell whether an interval holds the truth; an open end is no bound."""
    if interval is None:
        return False
    low = -math.inf if interval.low is None else interval.low
    high = math.inf if interval.high is None else interval.high
    return low <= truth <= high


def tally(design: Design, runs: int, seed: Sequence[int]) -> Tally:
    """Repeat a design some times."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(list(seed))
    found = dict.fromkeys(("gr50", "gr_max", "control", "none", "open", "false"), 0)
    logs = []
    effect = design.effect
    for _ in range(runs):
        doses, rates = plate(design, rng)
        response = fit_dose_response(doses, rates)
        found["control"] += covers(response.control, RATE_PER_H)
        groups = {f"{dose:g}": list(rates[doses == dose]) for dose in design.doses}
        compared = compare_with_control(list(rates[doses == 0]), groups)
        found["false"] += any((one.p_adjusted or 1.0) < 0.05 for one in compared.values())
        at_highest = 2 ** (1.0 if effect is None else effect.relative_rate(design.doses[-1])) - 1
        highest = gr_of_wells(rates[doses == 0].tolist(), groups[f"{design.doses[-1]:g}"])
        found["gr_max"] += covers(highest, at_highest)
        if response.half_dose is None:
            found["none"] += 1
        elif effect is not None:
            found["gr50"] += covers(response.half_dose, effect.gr50)
            found["open"] += None in (response.half_dose.low, response.half_dose.high)
            logs.append(math.log(response.half_dose.value / effect.gr50))
    return Tally(runs, found, logs)


def percents(tallies: Sequence[Tally]) -> dict[str, float]:
    """Sum up: percent of runs, and the bias of GR50 on a log scale."""
    runs = sum(one.runs for one in tallies)
    found = {name: sum(one.found[name] for one in tallies) for name in tallies[0].found}
    logs = [log for one in tallies for log in one.logs]
    given = max(runs - found["none"], 1)
    shares = {name: 100 * number / runs for name, number in found.items()}
    shares |= {name: 100 * found[name] / given for name in ("gr50", "open")}
    return shares | {"bias": 100 * (math.exp(np.mean(logs)) - 1) if logs else math.nan}


def evaluated(runs: int, seed: int, processes: int) -> Iterator[dict[str, float]]:
    """Evaluate the designs, in parts that have random numbers of their own."""
    with ProcessPoolExecutor(processes) as pool:
        parts = [
            [
                pool.submit(tally, design, min(PART, runs - first), (seed, number, first))
                for first in range(0, runs, PART)
            ]
            for number, design in enumerate(DESIGNS)
        ]
        for design, of_design in zip(DESIGNS, parts, strict=True):
            found = percents([one.result() for one in of_design])
            print(design, found, flush=True)
            yield found


def table(runs: int, seed: int, processes: int) -> Iterable[str]:
    """Write the results as the lines of a markdown page."""
    yield f"# Dose responses on branching growth ({runs} plates per design, seed {seed})\n"
    yield (
        f"Exact counts of cells that divide (cycle varying by {100 * CYCLE_CV:.0f} %) and die on "
        f"their own, controls doubling in {DOUBLING_TIME_H:g} h, 48 h, a frame every 2 h; nominal "
        "confidence 95 %. Coverage and bias of GR50 are among the plates that gave one. *Any group "
        "differs*: some group's rate differs from the control's at p < 0.05 after Holm's "
        "correction; without an effect at most 5 % should.\n"
    )
    yield (
        "| effect: GR50, GR_inf, slope | doses | wells a dose | controls | founders | GR50 covered "
        "| its bias | no GR50 given | an end open | GR_max covered | control's rate covered "
        "| any group differs |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for design, got in zip(DESIGNS, evaluated(runs, seed, processes), strict=True):
        names = ("gr50", "bias", "none", "open", "gr_max", "control", "false")
        cells = (
            f"{got[name]:+.1f} %" if name == "bias" else f"{got[name]:.1f} %" for name in names
        )
        yield (
            design.words
            + "| "
            + " | ".join(cells).replace("+nan %", "").replace("nan %", "")
            + " |"
        )
    origin = describe_origin()
    command = (
        f"python benchmarks/dose_coverage.py docs/dose-coverage.md --runs {runs} --seed {seed}"
    )
    yield f"\n`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}."


def main() -> None:
    """Write the table to the path given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=usable_cores())
    chosen = parser.parse_args()
    lines = list(table(chosen.runs, chosen.seed, chosen.processes))
    chosen.path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
