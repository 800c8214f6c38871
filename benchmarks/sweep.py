"""Score the shipped model at several h, to see which h would serve each set best.

Usage: ``python benchmarks/sweep.py docs/sweep.md FOLDER [FOLDER...]`` with annotated folders.
No h is chosen here: the card's was chosen on training and validation images.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from accuracy import describe_origin

from livecount.annotations import Dataset, find_datasets, load_image
from livecount.evaluation import SweepFrame, sweep_h
from livecount.inference import find_model, open_engine
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import read_frames, read_pixels

H_VALUES = (0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4)


def main() -> None:
    """Sweep every folder and write one table."""
    output, *folders = (Path(word) for word in sys.argv[1:])
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    rows = [
        "| images | frames | best h | f-score there | paper's rule, its best h |",
        "|---|---:|---:|---:|---|",
    ]
    for folder in folders:
        (dataset,) = find_datasets([folder])[0]
        counter = FrameCounter(
            model, engine, CountingRule(model.h, cell_diameter_px=dataset.cell_diameter_px)
        )
        scores = sweep_h(
            frames_of(dataset, counter),
            H_VALUES,
            radius_px=dataset.match_radius_px,
            edge_margin_px=dataset.edge_margin_px,
        )
        assigned = {h: found["f_score_assignment"] or 0.0 for h, found in scores.items()}
        paper = {h: found["f_score"] or 0.0 for h, found in scores.items()}
        best, best_paper = max(assigned, key=assigned.get), max(paper, key=paper.get)
        rows.append(
            f"| {dataset.name} ({folder.name}) | {len(dataset.images)} | {best} "
            f"| {assigned[best]:.1f} | {paper[best_paper]:.1f} at {best_paper} |"
        )
        print(rows[-1], flush=True)
    origin = describe_origin()
    output.write_text(
        "# The best h for each set\n\n" + "\n".join(rows) + f"\n\n`python benchmarks/sweep.py`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}.\n",
        encoding="utf-8",
    )


def frames_of(dataset: Dataset, counter: FrameCounter) -> list[SweepFrame]:
    """Find the candidates of every image of a set, and its annotated centres."""
    found = []
    for image in dataset.images:
        (frame,) = read_frames(image.path)
        candidates = counter.find_candidates(frame, dataset.cell_diameter_px)
        centres = load_image(image, read_pixels).centres_yx
        shape = (int(frame.pixels.shape[0]), int(frame.pixels.shape[1]))
        found.append(SweepFrame(image.path.name, candidates, np.asarray(centres), shape))
    return found


if __name__ == "__main__":
    main()
