"""Put every fault of the catalogue into real runs, and write down what was lost or doubled.

    python benchmarks/faults.py [--long] [-o docs/faults.md]

Runs ``tests/faults``; the long form (500 kills, 60 power cuts, a kill at each of the first 200
writing system calls) takes about an hour and wants to be root, with strace.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin, replace_between  # noqa: E402

from tests.faults.laboratory import REPORT_VARIABLE  # noqa: E402


def main() -> None:
    """Run the suite and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "faults.md")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        lines = Path(work) / "faults.jsonl"
        marker = "long or not long" if options.long else "not long"
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "-rsf", "-n", "2", "--dist", "worksteal",
                "-m", marker, str(ROOT / "tests/faults"),
            ],
            env=os.environ | {REPORT_VARIABLE: str(lines)},
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )  # fmt: skip
        found = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    summary = done.stdout.strip().splitlines()[-1]
    left_out = [line for line in done.stdout.splitlines() if line.startswith(("SKIPPED", "FAILED"))]
    report = markdown(found, summary, left_out, time.monotonic() - began, long=options.long)
    options.output.write_text(f"# Faults put in\n\n{report}", encoding="utf-8")
    line = f"{total_line(found)} ([report](docs/faults.md)).\n"
    replace_between(ROOT / "README.md", "faults", line)
    print(report)
    raise SystemExit(done.returncode)


def total_line(found: list[dict[str, Any]]) -> str:
    """Sum everything up in one sentence."""
    kills = sum(row["injected"] for row in found if "SIGKILL" in row["fault"])
    cuts = sum(row["injected"] for row in found if "power cut" in row["fault"])
    frames, lost, doubled = (sum(row[k] for row in found) for k in ("frames", "lost", "doubled"))
    return (
        f"{len({row['fault'] for row in found})} kinds of fault, {kills} kills and {cuts} power "
        f"cuts among them, in runs over {frames:,} frames: {lost} lost, {doubled} doubled"
    )


def markdown(
    found: list[dict[str, Any]], summary: str, left_out: list[str], seconds: float, *, long: bool
) -> str:
    """Give the faults as a table with their origin."""
    by_fault: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        by_fault[row["fault"]].append(row)
    lines = [
        "| fault | put in | frames | lost | doubled | tables as undisturbed |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for fault, rows in by_fault.items():
        sums = [sum(row[name] for row in rows) for name in ("injected", "frames", "lost")]
        doubled = sum(row["doubled"] for row in rows)
        equal = "yes" if all(row["equal"] for row in rows) else "**no**"
        lines.append(f"| {fault} | {' | '.join(map(str, sums))} | {doubled} | {equal} |")
    origin = describe_origin()
    told = "".join(f"\n- {line}" for line in left_out)
    return (
        "\n".join(lines)
        + f"\n\n{total_line(found)}.\n{told}\n`python benchmarks/faults.py"
        + f"{' --long' if long else ''}`, {seconds:.0f} s ({summary.strip('= ')}), "
        + f"{origin['date']}, commit {origin['commit']}, {origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
