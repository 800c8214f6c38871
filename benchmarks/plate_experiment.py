"""A 96-well dose response from frames to GR50: simulated, watched, counted, exported, compared.

    python benchmarks/plate_experiment.py docs/plate-experiment.md

Two lines of cells lie on one plate, each with a column of controls and eight doses in five wells.
The virtual microscope writes the frames, `livecount run --until-idle` counts them, and what
`export groups` and `export doses` say is held against what was simulated. Simulated frames show
that the way from frames to GR50 is right, not how accurate counts are on real cells.
"""

from __future__ import annotations

import argparse
import csv
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from accuracy import describe_origin

from livecount.plate.dosing import Effect

DOUBLING_TIME_H = 20.0
EFFECT = Effect(gr50=0.5, gr_inf=0.1, hill=1.2)
DOSES_UM = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LINES = {"line A": range(1, 7), "line B": range(7, 13)}
FRAMES = 25
INTERVAL_MIN = 120
SIZE_PX = 512
DIAMETER_PX = 24


def main() -> None:
    """Run the experiment and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_map(work / "plate.csv")
        began = time.monotonic()
        simulate(work)
        simulated = time.monotonic()
        run(work)
        counted = time.monotonic()
        for table in ("groups", "doses"):
            livecount("export", table, "-o", work / f"{table}.csv", "--database", work / "run.db")
        minutes = ((simulated - began) / 60, (counted - simulated) / 60)
        lines = report(rows_of(work / "groups.csv"), rows_of(work / "doses.csv"), minutes)
    given.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_map(path: Path) -> None:
    """Write the plate map: the first column of each line is its controls, rows are doses."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["well", "role", "cell_line", "treatment", "concentration", "concentration_unit"]
        )
        for line, columns in LINES.items():
            for row, dose in zip("ABCDEFGH", DOSES_UM, strict=True):
                for column in columns:
                    control = column == columns[0]
                    held = ["control", line, "DMSO", 0.1, "%"]
                    if not control:
                        held = ["sample", line, "drug", dose, "uM"]
                    writer.writerow([f"{row}{column}", *held])


def simulate(work: Path) -> None:
    """Let the virtual microscope write the plate."""
    livecount(
        *("simulate", "-o", work / "scans", "--plate-map", work / "plate.csv"),
        *("--gr50", EFFECT.gr50, "--gr-inf", EFFECT.gr_inf, "--hill", EFFECT.hill),
        *("--doubling-time-h", DOUBLING_TIME_H, "--time-points", FRAMES, "--founders", 40),
        *("--frame-interval-min", INTERVAL_MIN, "--size-px", SIZE_PX),
        *("--cell-diameter-px", DIAMETER_PX, "--scheme", "incucyte", "--seed", 1),
    )


def run(work: Path) -> None:
    """Count the plate as a user would, with the map given in the settings."""
    config = work / "config.toml"
    config.write_text(f"[experiment]\nplate_map = '{work / 'plate.csv'}'\n", encoding="utf-8")
    livecount(
        *("run", work / "scans", "-c", config, "--database", work / "run.db", "--no-dashboard"),
        *("--cell-diameter-px", DIAMETER_PX, "--until-idle", 10),
    )


def livecount(*words: object) -> None:
    """Call the program."""
    command = [sys.executable, "-m", "livecount", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def report(
    groups: list[dict[str, str]], doses: list[dict[str, str]], minutes: tuple[float, float]
) -> list[str]:
    """Hold both tables against what was simulated."""
    how = (
        f"{96 * FRAMES} frames of {SIZE_PX} x {SIZE_PX} pixels, cells of {DIAMETER_PX} px, 48 h; "
        "what is simulated is the rate of every cell's division, so that wells differ by chance. "
        f"Written in {minutes[0]:.0f} min, counted and exported in {minutes[1]:.0f} min.\n"
    )
    names = "cells | dose, uM | simulated rate, 1/h | measured | 95 % interval across wells"
    lines = [
        "# A 96-well dose response, from simulated frames to GR50\n",
        how,
        "| cells | | simulated | measured | 95 % interval | covered |",
        "|---|---|---:|---:|---|---|",
    ]
    highest = 2 ** EFFECT.relative_rate(DOSES_UM[-1]) - 1
    for row in doses:
        truths = (("gr50", "GR50, uM", EFFECT.gr50), ("gr_inf", "GR_inf", EFFECT.gr_inf))
        for name, words, truth in (*truths, ("gr_max", "GR at the highest dose", highest)):
            lines.append(compared(row, row["cell_line"], name, words, truth))
    lines += [
        "",
        f"| {names} | covered | GR | p against the control, adjusted |",
        "|---|---:|---:|---:|---|---|---:|---:|",
    ]
    lines += [group_line(row) for row in groups]
    origin = describe_origin()
    command = "python benchmarks/plate_experiment.py docs/plate-experiment.md"
    lines.append(
        f"\n`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}."
    )
    return lines


def compared(row: dict[str, str], cells: str, name: str, words: str, truth: float) -> str:
    """Write one figure beside its truth; why where there is none."""
    if not row[name]:
        return f"| {cells} | {words} | {truth:.3g} | | {row['gr_reason']} | no |"
    ends = [float(row[end]) if row[end] else None for end in (f"{name}_low", f"{name}_high")]
    return (
        f"| {cells} | {words} | {truth:.3g} | {float(row[name]):.3g} | {written(ends)} "
        f"| {'yes' if holds(ends, truth) else 'no'} |"
    )


def group_line(row: dict[str, str]) -> str:
    """Write one group's rate beside the simulated one."""
    control = row["role"] == "control"
    dose = 0.0 if control else float(row["concentration"])
    truth = math.log(2) / DOUBLING_TIME_H * EFFECT.relative_rate(dose)
    ends: list[float | None] = [float(row["rate_low"]), float(row["rate_high"])]
    gr = f"{float(row['gr']):.2f}" if row["gr"] else ""
    p = f"{float(row['p_adjusted']):.2g}" if row["p_adjusted"] else ""
    return (
        f"| {row['cell_line']} | {dose:g} | {truth:.4f} | {float(row['rate_per_h']):.4f} "
        f"| {written(ends)} | {'yes' if holds(ends, truth) else 'no'} | {gr} | {p} |"
    )


def holds(ends: list[float | None], truth: float) -> bool:
    """Tell whether an interval holds the truth; an open end is no bound."""
    low, high = ends
    return (low is None or low <= truth) and (high is None or truth <= high)


def written(ends: list[float | None]) -> str:
    """Write an interval."""
    low, high = ("open" if end is None else f"{end:.3g}" for end in ends)
    return f"{low} to {high}"


if __name__ == "__main__":
    main()
