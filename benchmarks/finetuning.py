"""Fine-tuning on one and on three frames of a cell line, scored on its other frames.

    python benchmarks/finetuning.py IMAGES docs/finetuning.md --line sartorius-cort --line hela ...

Every take copies some frames of a line with their clicks (no masks, unless --masks) into a folder,
runs `livecount finetune` on it as a user would, and scores the line's other frames before and
after; the sets that the model knew are scored too, for what it forgot. Nothing of it is shipped.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import describe_origin

from livecount.annotations import Dataset, find_datasets
from livecount.inference import Model, find_model, open_engine, read_model
from livecount.platform.process import usable_cores
from livecount.scoring import score_model

KNOWN = "test"


@dataclass(frozen=True)
class Take:
    """One fine-tuning: errors (missed + false) on the other frames, and what the old sets lost."""

    line: str
    number: int
    frames: int
    others: int
    before: int
    after: int
    f_before: float
    f_after: float
    lost: dict[str, float]
    share: float
    h: float
    minutes: float

    @property
    def fewer_percent(self) -> float:
        """By how much the errors fell."""
        return 100 * (1 - self.after / self.before)


def main() -> None:
    """Fine-tune on every line and write the report."""
    given = parsed()
    model = find_model(given.model)
    lines = {d.name: d for d in find_datasets([given.images])[0] if d.name in given.line}
    known = [d for name in given.known for d in find_datasets([given.images / name / KNOWN])[0]]
    was = {name: s["f_score_assignment"] for name, s in scores(model, known).items()}
    print("before", {name: round(value, 1) for name, value in was.items()}, flush=True)
    takes = []
    origin = describe_origin()  # before the report is written, which changes the working tree
    numbers = range(given.first - 1, given.first - 1 + given.takes)
    for number, frames, name in itertools.product(numbers, given.frames, given.line):
        takes.append(take(model, lines[name], frames, number, known, was, given))
        print(row(takes[-1]), flush=True)
        # After each take: all take hours, and a report of some is better than none.
        write(takes, model, given, origin)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--model", default="deepdistance")
    parser.add_argument("--line", action="append", required=True)
    parser.add_argument("--known", action="append", required=True)
    parser.add_argument("--frames", type=int, action="append", required=True)
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument(
        "--first", type=int, default=1, help="number of the first take; each draws other frames"
    )
    parser.add_argument("--masks", action="store_true", help="give masks too, not only clicks")
    return parser.parse_args()


def take(
    model: Model,
    line: Dataset,
    frames: int,
    number: int,
    known: list[Dataset],
    was: dict[str, float],
    given: argparse.Namespace,
) -> Take:
    """Fine-tune once on frames drawn by the take's number and score the rest."""
    drawn = np.random.default_rng(number).permutation(len(line.images))
    learnt = [line.images[i] for i in drawn[:frames]]
    others = dataclasses.replace(line, images=[line.images[i] for i in sorted(drawn[frames:])])
    with tempfile.TemporaryDirectory() as folder:
        clicked = Path(folder) / "clicked"
        clicked.mkdir()
        for image in learnt:
            masks = [image.masks_path] if given.masks and image.masks_path else []
            for path in (image.path, image.centres_path, *masks):
                shutil.copy(path, clicked)
        began = time.monotonic()
        run(model, clicked, Path(folder) / "run", line.cell_diameter_px, number)
        minutes = (time.monotonic() - began) / 60
        tuned = read_model(Path(folder) / "run" / "model")
        before, after = (scores(m, [others])[line.name] for m in (model, tuned))
        now = scores(tuned, known)
    lost = {name: was[name] - now[name]["f_score_assignment"] for name in was}
    return Take(
        line.name,
        number,
        frames,
        len(others.images),
        errors(before),
        errors(after),
        before["f_score_assignment"],
        after["f_score_assignment"],
        lost,
        tuned.card["training"]["share_of_the_way"],
        tuned.h,
        minutes,
    )


def run(model: Model, clicked: Path, out: Path, diameter_px: float, seed: int) -> None:
    """Call the program."""
    options = ["--frames", clicked, "-o", out, "--model", model.folder, "--seed", seed]
    options += ["--cell-diameter-px", diameter_px]
    command = [sys.executable, "-m", "livecount", "finetune", *map(str, options)]
    subprocess.run(command, check=True, capture_output=True)


def scores(model: Model, datasets: list[Dataset]) -> dict:
    """Score a model as `livecount evaluate` does."""
    engine = open_engine(model, threads=usable_cores())
    found = score_model(model, engine, datasets)
    return {
        name: values | {"tp": sum(frame.tp_assignment for frame in found.frames[name])}
        for name, values in found.datasets.items()
    }


def errors(found: dict) -> int:
    """Count missed cells and false ones."""
    return found["annotated"] + found["detected"] - 2 * found["tp"]


def row(found: Take) -> str:
    """Give a row of the table."""
    lost = ", ".join(f"{value:+.1f}" for value in found.lost.values())
    return (
        f"| {found.line} | {found.number + 1} | {found.frames} | {found.others} "
        f"| {found.f_before:.1f} | {found.f_after:.1f} | {found.before} | {found.after} "
        f"| {found.fewer_percent:.0f} % | {lost} | {found.share:.2f}, {found.h:g} "
        f"| {found.minutes:.1f} |"
    )


def write(
    takes: list[Take], model: Model, given: argparse.Namespace, origin: dict[str, str]
) -> None:
    """Write the report."""
    counts = sorted({found.frames for found in takes})
    means = [
        f"- learnt from {n} frame{'s' * (n > 1)}: "
        f"{np.mean([t.fewer_percent for t in takes if t.frames == n]):.1f} % fewer errors in the "
        f"mean of {sum(t.frames == n for t in takes)} takes; most that a known set lost: "
        f"{max(max(t.lost.values()) for t in takes if t.frames == n):.1f} points"
        for n in counts
    ]
    command = "python benchmarks/finetuning.py IMAGES " + " ".join(
        [str(given.report), *(f"--line {name}" for name in given.line)]
        + [f"--known {name}" for name in given.known]
        + [f"--frames {n}" for n in given.frames]
        + [f"--takes {given.takes}"]
        + [f"--first {given.first}"] * (given.first != 1)
        + ["--masks"] * given.masks
    )
    learnt = "masks and clicks" if given.masks else "clicks"
    text = [
        "# Fine-tuning on a few frames of one's own",
        "",
        (
            f"Errors are missed and false cells (one to one) on the line's frames not learnt "
            f"from; learnt from {learnt}. A known set's loss is in points of the f-score, "
            f"in the order {', '.join(given.known)}."
        ),
        "",
        *means,
        "",
        (
            "| line | take | learnt from | scored on | f-score before | after | errors before "
            "| after | fewer | known sets lost | share of the way, h | minutes |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---|---:|",
        *map(row, takes),
        "",
        (
            f"`{command}`, {origin['date']}, commit {origin['commit']}, {origin['machine']}; from "
            f"{model.name} {model.version}."
        ),
        "",
    ]
    given.report.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
