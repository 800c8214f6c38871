"""Every runtime and precision of this machine: the same cells, and how fast.

    python benchmarks/runtimes.py IMAGES docs/runtimes.md [--threads 2]

Counts all annotated images below IMAGES with each, through the pipeline of a run, and compares
frame by frame with ONNX Runtime in fp32. Then times one image of the size that a frame of
3096 x 4140 pixels with 60 px cells has at the model's scale, in turns, so that what else the
machine does meets all alike. A precision that changes counts is shown, and not used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from accuracy import describe_origin
from int8 import quantised

from livecount.annotations import find_datasets
from livecount.inference import MEMORY_LIMIT_MB, Engine, Model, find_model
from livecount.inference.choice import try_all
from livecount.inference.golden import read_golden
from livecount.inference.openvino import PRECISIONS, OpenVinoEngine
from livecount.inference.runtimes import REFERENCE, RUNTIMES
from livecount.inference.timing import draw_image, time_in_turns
from livecount.scoring import ModelScores, score_model

FRAME_PX, CELL_PX = (3096, 4140), 60.0
REPEATS = 7


@dataclass(frozen=True)
class Way:
    """One runtime and precision."""

    name: str
    engine: Engine
    used: bool


def main() -> None:
    """Score, time and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    model = find_model("deepdistance")
    ways = installed(model, given.threads)
    datasets = find_datasets([given.images])[0]
    scores = {}
    for way in ways:
        scores[way.name] = score_model(model, way.engine, datasets)
        print(way.name, scores[way.name].mean("f_score_assignment"), flush=True)
    took_ms = time_in_turns(
        model,
        {way.name: way.engine for way in ways},
        draw_image(model, FRAME_PX, CELL_PX),
        repeats=REPEATS,
        memory_limit_mb=MEMORY_LIMIT_MB,
    )
    given.report.write_text(report(model, ways, scores, took_ms, given), encoding="utf-8")


def installed(model: Model, threads: int) -> list[Way]:
    """Open what is there, the reference first."""
    openers: dict[str, Callable[[Model, int], Engine]] = {
        f"{name}, fp32": RUNTIMES[name].open
        for name, trial in try_all(model, threads).items()
        if trial.usable
    }
    used = set(openers)
    if RUNTIMES["openvino"].is_installed:
        for precision in set(PRECISIONS) - {"fp32"}:
            openers[f"openvino, {precision}"] = partial(opened_openvino, precision)
    ways = [Way(name, open_(model, threads), name in used) for name, open_ in openers.items()]
    with TemporaryDirectory() as folder:
        small = quantised(model, Path(folder))
        return ways + [
            Way(f"{name}, int8", RUNTIMES[name].open(small, threads), used=False)
            for name in ("onnxruntime", "openvino")
            if f"{name}, fp32" in used
        ]


def opened_openvino(precision: str, model: Model, threads: int) -> Engine:
    """Open OpenVINO in a precision that livecount itself may not take."""
    return OpenVinoEngine(model, threads=threads, precision=precision)


def report(
    model: Model,
    ways: list[Way],
    scores: dict[str, ModelScores],
    took_ms: dict[str, list[float]],
    given: argparse.Namespace,
) -> str:
    """Write the table."""
    golden, reference = read_golden(model), ways[0].name
    rows = []
    for way in ways:
        frames, changed, largest = compared(scores[reference], scores[way.name])
        verdict = golden.find_difference(model, way.engine) or "the same cells"
        rows.append(
            f"| {way.name}{'' if way.used else ' (not used)'} | {way.engine.runtime} "
            f"| {np.median(took_ms[way.name]):.0f} "
            f"| {np.median(took_ms[reference]) / np.median(took_ms[way.name]):.2f} "
            f"| {scores[way.name].mean('f_score_assignment'):.2f} "
            f"| {changed} of {frames} | {largest} | {verdict} |"
        )
    origin = describe_origin()
    return (
        "# Runtimes and precisions\n\n"
        f"All annotated images, counted at h = {model.h}; f-score: one to one, mean of sets, in "
        "percent. Frames whose count differs from that of "
        f"{REFERENCE} in fp32, and by how many cells at most. Time: the network, in tiles as in a "
        f"run, on the image that a frame of {FRAME_PX[0]} x {FRAME_PX[1]} pixels with {CELL_PX:g} "
        f"px cells becomes; median of {REPEATS}, {given.threads} threads.\n\n"
        "| | library | ms | times as fast | f-score | frames that differ | by | golden tiles |\n"
        "|---|---|---:|---:|---:|---:|---:|---|\n"
        + "\n".join(rows)
        + f"\n\n`python benchmarks/runtimes.py IMAGES {given.report} --threads {given.threads}`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}; "
        f"{model.name} {model.version}.\n"
    )


def compared(reference: ModelScores, other: ModelScores) -> tuple[int, int, int]:
    """Give the number of frames, of those whose count differs, and the largest difference."""
    differences = [
        abs(one.detected - two.detected)
        for name, frames in reference.frames.items()
        for one, two in zip(frames, other.frames[name], strict=True)
    ]
    return len(differences), int(np.count_nonzero(differences)), max(differences)


if __name__ == "__main__":
    main()
