"""Kill the monitor at random instants of a run while frames are copied in; compare every column.

    python benchmarks/kills.py FOLDER=DIAMETER_PX [...] [--kills 50] [--short-waits]

For each folder of frames: another process copies them into a watched folder, half of them slowly
and in place; ``livecount run`` is killed with SIGKILL at random instants and started again.
Then a fresh database is filled from the same watched folder without any disturbance, and every
exported table and every stored column is compared.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin, replace_between  # noqa: E402

from tests.endtoend.program import (  # noqa: E402
    HASTE,
    exported,
    run_until_idle,
    run_with_kills,
    start_copying,
    stored,
)

COPYING_S = 150.0


@dataclass(frozen=True)
class Outcome:
    """What became of one folder."""

    name: str
    frames: int
    kills: int
    lost: int
    doubled: int
    out_of_order: int
    equal: bool
    interval_min: str
    pixel_size_um: str
    seconds: float


def main() -> None:
    """Run every folder and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER=DIAMETER_PX")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--short-waits", action="store_true", help="settle and scan as in the tests, not as shipped"
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "reliability.md")
    options = parser.parse_args()
    if not options.short_waits:
        for name in [name for name in HASTE if name.startswith("LIVECOUNT_WATCH")]:
            del HASTE[name]
    with tempfile.TemporaryDirectory() as work:
        outcomes = [
            disturb(Path(folder), float(diameter), Path(work) / str(n), options)
            for n, (folder, diameter) in enumerate(word.split("=") for word in options.folders)
        ]
    report = markdown(outcomes, short_waits=options.short_waits)
    options.output.write_text(f"# Killed while counting\n\n{report}", encoding="utf-8")
    replace_between(ROOT / "README.md", "reliability", report)
    print(report)
    if not all(outcome.equal for outcome in outcomes):
        raise SystemExit(1)


def disturb(folder: Path, diameter_px: float, work: Path, options: argparse.Namespace) -> Outcome:
    """Copy a folder while the monitor is killed, then compare with an undisturbed run."""
    names = sorted(file.name for file in folder.iterdir() if file.suffix == ".tif")
    watched = work / folder.name
    watched.mkdir(parents=True)
    started = time.monotonic()
    pieces = 5 * len(names[::2])
    copier = start_copying(folder, watched, names, COPYING_S / pieces)
    words = ["--until-idle", 10, "--frame-interval-min", 10, "--cell-diameter-px", diameter_px]
    met = run_with_kills(
        watched,
        work / "killed.db",
        words,
        kills=options.kills,
        longest_life_s=9.0 if options.short_waits else 16.0,
        seed=options.seed,
    )
    assert copier.wait() == 0
    run_until_idle(watched, work / "calm.db", words)
    killed = exported(work / "killed.db", work / "killed")
    calm = exported(work / "calm.db", work / "calm")
    equal = killed == calm and stored(work / "killed.db") == stored(work / "calm.db")
    return summarise(folder.name, names, killed["counts"], met, equal, time.monotonic() - started)


def summarise(
    name: str, names: list[str], counts: str, kills: int, equal: bool, seconds: float
) -> Outcome:
    """Compare the table of counts with the frames that were copied."""
    rows = list(csv.DictReader(io.StringIO(counts)))
    sources = [row["source"] for row in rows]
    hours = [float(row["elapsed_h"]) for row in rows]
    steps = [60 * (after - before) for before, after in itertools.pairwise(hours)]
    sizes = sorted({row["pixel_size_um"] for row in rows})
    return Outcome(
        name=name,
        frames=len(names),
        kills=kills,
        lost=len(set(names) - set(sources)),
        doubled=len(sources) - len(set(sources)),
        out_of_order=sum(a != b for a, b in zip(sources, names, strict=False)),
        equal=equal,
        interval_min=f"{min(steps):.2f} to {max(steps):.2f}",
        pixel_size_um=", ".join(f"{float(size):.3f}" if size else "not known" for size in sizes),
        seconds=seconds,
    )


def markdown(outcomes: list[Outcome], *, short_waits: bool) -> str:
    """Give the outcomes as a table with their origin."""
    titles = (
        "copied in while counting",
        "frames",
        "kills (SIGKILL)",
        "lost",
        "doubled",
        "out of time order",
        "minutes between frames",
        "um per px",
        "every column as undisturbed",
    )
    lines = [f"| {' | '.join(titles)} |", "|---|---:|---:|---:|---:|---:|---|---|---|"]
    lines += [
        f"| {o.name} | {o.frames} | {o.kills} | {o.lost} | {o.doubled} | {o.out_of_order} | "
        f"{o.interval_min} | {o.pixel_size_um} | {'yes' if o.equal else '**no**'} |"
        for o in outcomes
    ]
    origin = describe_origin()
    total = sum(o.seconds for o in outcomes)
    waits = "those of the tests (settling 0.6 s, scan 0.4 s)" if short_waits else "as shipped"
    return (
        "\n".join(lines)
        + f"\n\nEvery exported table (counts, cells, growth) and every stored column except row "
        f"numbers and the times of the counting itself. Waits are {waits}. "
        f"`python benchmarks/kills.py`, "
        f"{total:.0f} s, {origin['date']}, commit {origin['commit']}, {origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
