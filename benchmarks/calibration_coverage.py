"""How often doubling times calibrated by stained nuclei cover the truth, where counting errs.

Wells grow exponentially, each at its own rate. Cells are missed more the denser they lie, so that
the cells counted are P = (N / f) ** (1 / b) and their rate is the true one divided by b, with b
differing between wells; counts and nuclei both err from frame to frame. The nuclei of some time
points give the calibration, of the wells whose growth is asked for or of others beside them.

Example: ``python benchmarks/calibration_coverage.py docs/calibration.md --runs 500``
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

from livecount.errors import CalibrationError
from livecount.growth import GrowthSeries, combine_wells, fit_wells
from livecount.nuclei_calibration import NucleiCalibration, fit_calibration

Array = npt.NDArray[np.float64]

DOUBLING_TIME_H = 20.0
RATE_PER_H = math.log(2) / DOUBLING_TIME_H
FIELDS = 3
TIMES_H = np.arange(0, 48.1, 2)
RATE_SD, SLOPE_SD, NUCLEI_SD = 0.03, 0.03, 0.03


@dataclass(frozen=True, slots=True)
class Design:
    """One experiment to repeat; ``stained_h`` are the times at which nuclei are seen."""

    wells: int
    slope: float
    counting_sd: float
    stained_h: tuple[float, ...]
    same_wells: bool = True

    @property
    def words(self) -> str:
        """The design as a row of the table begins."""
        stained = ", ".join(f"{hour:g}" for hour in self.stained_h)
        which = "the same" if self.same_wells else "others"
        sd = 100 * self.counting_sd
        return f"{self.wells} | {self.slope:g} | {sd:g} % | {stained} | {which}"


EVERY_DAY = (0.0, 24.0, 48.0)
DESIGNS = (
    Design(4, 1.0, 0.05, EVERY_DAY),
    Design(4, 1.15, 0.05, EVERY_DAY),
    Design(4, 1.15, 0.15, EVERY_DAY),
    Design(8, 1.15, 0.05, EVERY_DAY),
    Design(8, 1.15, 0.15, EVERY_DAY),
    Design(8, 1.15, 0.05, (48.0,)),
    Design(4, 1.15, 0.05, EVERY_DAY, same_wells=False),
    Design(8, 1.15, 0.05, EVERY_DAY, same_wells=False),
    Design(8, 0.9, 0.05, EVERY_DAY, same_wells=False),
)


@dataclass(frozen=True, slots=True)
class Plate:
    """Cells counted and nuclei, both of shape (wells, fields, times)."""

    cells: Array
    nuclei: Array


def grow(design: Design, rng: np.random.Generator) -> Plate:
    """Simulate the wells of one experiment: 40 to 160 cells a field at first."""
    shape = (design.wells, FIELDS, len(TIMES_H))
    seeded = rng.uniform(math.log(40), math.log(160), (design.wells, 1, 1))
    seeded = seeded + rng.normal(0, 0.1, (design.wells, FIELDS, 1))
    rates = RATE_PER_H * (1 + RATE_SD * rng.normal(size=(design.wells, 1, 1)))
    log_true = seeded + rates * TIMES_H
    slopes = design.slope * (1 + SLOPE_SD * rng.normal(size=(design.wells, 1, 1)))
    log_cells = math.log(60) + (log_true - math.log(60)) / slopes
    log_cells = log_cells + design.counting_sd * rng.normal(size=shape)
    log_nuclei = log_true + NUCLEI_SD * rng.normal(size=shape)
    return Plate(np.rint(np.exp(log_cells)), np.rint(np.exp(log_nuclei)))


def calibrated_by(plate: Plate, design: Design) -> NucleiCalibration:
    """Fit the calibration to the time points that were stained."""
    stained = np.isin(TIMES_H, design.stained_h)
    wells = np.repeat(np.arange(design.wells), FIELDS * stained.sum())
    cells, nuclei = plate.cells[..., stained].ravel(), plate.nuclei[..., stained].ravel()
    return fit_calibration(wells.tolist(), cells, nuclei)


def evaluate(design: Design, runs: int, rng: np.random.Generator) -> dict[str, float]:
    """Repeat a design; percent of runs, percent of bias, and by how much the interval widens."""
    covers = dict.fromkeys(("counted", "slope as exact", "calibrated"), 0)
    rates, widths, refused = [], [], 0
    for _ in range(runs):
        plate = grow(design, rng)
        beside = plate if design.same_wells else grow(design, rng)
        series = [[GrowthSeries(TIMES_H, field) for field in well] for well in plate.cells]
        group = combine_wells(fit_wells(series))
        if group.rate_per_h is None or group.rate_low is None or group.rate_high is None:
            raise SystemExit(f"no rate from {design}: {group.reason}")
        ends = group.rate_low, group.rate_high
        try:
            found = calibrated_by(beside, design)
        except CalibrationError:
            refused += 1
            continue
        rate, limits = found.rate(group.rate_per_h, ends, group.confidence or 0.95)
        assert limits is not None
        rates.append((group.rate_per_h, rate))
        widths.append((limits[1] - limits[0]) / (found.slope * (ends[1] - ends[0])))
        covers["counted"] += ends[0] <= RATE_PER_H <= ends[1]
        covers["slope as exact"] += found.slope * ends[0] <= RATE_PER_H <= found.slope * ends[1]
        covers["calibrated"] += limits[0] <= RATE_PER_H <= limits[1]
    n = runs - refused
    counted, calibrated = RATE_PER_H / np.mean(rates, axis=0)
    return {
        **{name: 100 * number / n for name, number in covers.items()},
        "bias counted": 100 * (float(counted) - 1),
        "bias calibrated": 100 * (float(calibrated) - 1),
        "width": float(np.median(widths)),
        "refused": 100 * refused / runs,
    }


def table(runs: int, seed: int) -> Iterable[str]:
    """Write the results as the lines of a markdown page."""
    rng = np.random.default_rng(seed)
    yield f"# Doubling times calibrated by nuclei ({runs} runs per design, seed {seed})\n"
    yield (
        f"True doubling time {DOUBLING_TIME_H:g} h, {FIELDS} fields a well, a frame every 2 h over "
        f"48 h; wells differ by {100 * RATE_SD:g} % in rate and {100 * SLOPE_SD:g} % in b, nuclei "
        f"err by {100 * NUCLEI_SD:g} % a frame. Nominal confidence 95 %, across wells.\n"
    )
    yield (
        "| wells | b | counts err by | nuclei at, h | calibrated in wells | doubling time: as "
        "counted | calibrated | covers: as counted | b taken as exact | calibrated | wider than "
        "with b exact | refused |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for design in DESIGNS:
        found = evaluate(design, runs, rng)
        yield (
            f"| {design.words} | {found['bias counted']:+.1f} % | {found['bias calibrated']:+.1f} %"
            f" | {found['counted']:.0f} % | {found['slope as exact']:.0f} % "
            f"| {found['calibrated']:.0f} % | {found['width']:.2f} x | {found['refused']:.0f} % |"
        )
    origin = describe_origin()
    command = f"python benchmarks/calibration_coverage.py docs/calibration.md --runs {runs}"
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
