"""Score the shipped model on annotated images; write the card's scores, docs and README table.

    python benchmarks/accuracy.py FOLDER

Runs ``livecount evaluate FOLDER --json`` as a user would and writes what it says, with command,
date, commit and machine, into ``engines/deepdistance/model.toml`` (table ``scores``),
``docs/accuracy.md`` and the README (between its markers).
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
CARD = ROOT / "engines" / "deepdistance" / "model.toml"
COLUMNS = {
    "images": "images",
    "annotated": "cells",
    "precision_assignment": "precision",
    "recall_assignment": "recall",
    "f_score_assignment": "f-score",
    "f_score": "f-score, paper's rule",
    "f_score_ceiling": "its ceiling",
    "count_bias_percent": "count bias %",
    "bias_slope_percent_per_doubling": "bias slope, % per doubling",
}


def main() -> None:
    """Evaluate, then write the three places."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    origin = describe_origin()
    result = evaluate(folder)
    seen = trained_on(CARD.read_text(encoding="utf-8"))
    for name in sorted(seen):
        held_out = evaluate(folder / name / "test")["datasets"][name]
        result["datasets"][f"{name}, its test frames only"] = held_out
    write_card(result, origin)
    report = markdown(result, origin, seen)
    (ROOT / "docs" / "accuracy.md").write_text(f"# Accuracy on annotated images\n\n{report}")
    replace_between(ROOT / "README.md", "accuracy", report)
    print(report)


def evaluate(folder: Path) -> dict[str, Any]:
    """Run the command as a user would and give its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "livecount", "evaluate", str(folder), "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def describe_origin() -> dict[str, str]:
    """Say by which command, when, from which commit and where the figures came."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return {
        "command": "livecount evaluate IMAGES --json",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "machine": f"{processor()}, Python {platform.python_version()}, {platform.system()}",
    }


def processor() -> str:
    """Name the processor and the cores that may be used."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = re.search(r"model name\s*:\s*(.+)", text)
        return f"{name[1].strip() if name else platform.processor()}, {cores} cores"
    except OSError:
        return f"{platform.processor()}, {cores} cores"


def trained_on(card: str) -> set[str]:
    """List the data sets that the card says the weights learnt from."""
    import tomllib

    return {str(item["name"]).split("/")[0] for item in tomllib.loads(card)["training_data"]}


def write_card(result: dict[str, Any], origin: dict[str, str]) -> None:
    """Replace the card's table of scores."""
    lines = ["[scores]", *(f"{key} = {json.dumps(value)}" for key, value in origin.items())]
    for name, found in result["datasets"].items():
        values = {key: found[key] for key in COLUMNS if found[key] is not None}
        lines += ["", f"[scores.datasets.{json.dumps(name)}]"]
        lines += [f"{key} = {value}" for key, value in values.items()]
    text = CARD.read_text(encoding="utf-8")
    kept = re.split(r"^\[scores\b.*\]$", text, maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    CARD.write_text(kept + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def markdown(result: dict[str, Any], origin: dict[str, str], seen: set[str]) -> str:
    """Give the scores as a table with their origin."""
    rows = ["| images | line |" + "|".join(COLUMNS.values()) + "|"]
    rows.append("|---|---|" + "---:|" * len(COLUMNS))
    for name, found in sorted(result["datasets"].items(), key=lambda item: rank(item[0], seen)):
        line = ("seen, all frames", "seen, other frames", "**unseen**")[rank(name, seen)]
        values = "|".join(number(found[key]) for key in COLUMNS)
        rows.append(f"| {name} | {line} |{values}|")
    mean = number(result["mean_f_score_assignment"])
    unseen = [found for name, found in result["datasets"].items() if rank(name, seen) == 2]
    unseen_mean = number(float(np.mean([found["f_score_assignment"] for found in unseen])))
    return (
        "\n".join(rows)
        + f"\n\nMean f-score over the {len(unseen)} unseen sets: {unseen_mean}, over all: {mean}. "
        f"`{origin['command']}`, {origin['date']}, "
        f"commit {origin['commit']}, {origin['machine']}.\n"
    )


def rank(name: str, seen: set[str]) -> int:
    """Order sets: learnt from (0), other frames of the same lines (1), unseen lines (2)."""
    return 0 if name in seen else 1 if name.split(",")[0] in seen else 2


def number(value: float | None) -> str:
    """Write a number for a table; nothing where there is none."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.1f}"


def replace_between(file: Path, name: str, text: str) -> None:
    """Replace what stands between a file's markers."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    content = file.read_text(encoding="utf-8")
    pattern = re.escape(begin) + r".*?" + re.escape(end)
    found, n = re.subn(pattern, lambda _: f"{begin}\n{text}{end}", content, flags=re.DOTALL)
    if n != 1:
        raise SystemExit(f"{file} lacks the markers {begin} and {end}")
    file.write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
