"""What the edges of frames do to the scores: cells that people left out there, cells cut in two.

    python benchmarks/edges.py docs/edges.md FOLDER [FOLDER...]

For every folder: how densely cells are annotated within half a cell diameter of the edge, relative
to further inside, and the model's scores with and without that strip (annotations and detections in
it count neither way).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accuracy import describe_origin

from livecount.annotations import Dataset, find_datasets
from livecount.evaluation import SweepFrame, score_at, summarise
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.platform.process import usable_cores
from livecount.scoring import score_model

HEADER = (
    "| images | annotated within half a diameter of the edge, relative to inside "
    "| f-score, whole frames | count bias % | f-score, inside | count bias % |\n"
    "|---|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Write one row a folder."""
    output, *folders = (Path(word) for word in sys.argv[1:])
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    rows = []
    for folder in folders:
        (dataset,) = find_datasets([folder])[0]
        rows.append(row(dataset, folder.name, model, engine))
        print(rows[-1], flush=True)
    origin = describe_origin()
    output.write_text(
        "# Scores at the edges of frames and inside\n\n"
        "Where annotations thin out towards the edge, cells that livecount finds there count as "
        "false, however clearly they are to be seen.\n\n"
        + "\n".join([HEADER, *rows])
        + f"\n\n`python benchmarks/edges.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}; {model.name} {model.version}, h = {model.h:g}.\n",
        encoding="utf-8",
    )


def row(dataset: Dataset, split: str, model: Model, engine: Engine) -> str:
    """Score one set with and without the strip at the edge."""
    found = score_model(model, engine, [dataset]).sets[dataset.name]
    strip_px = dataset.cell_diameter_px / 2
    whole, inside = (
        summarise([score_at(frame, model.h, found.radius_px, margin) for frame in found.frames])
        for margin in (found.edge_margin_px, found.edge_margin_px + strip_px)
    )
    return (
        f"| {dataset.name} ({split}) | {edge_density(found.frames, strip_px):.2f} "
        f"| {whole['f_score_assignment']:.1f} | {whole['count_bias_percent']:+.1f} "
        f"| {inside['f_score_assignment']:.1f} | {inside['count_bias_percent']:+.1f} |"
    )


def edge_density(frames: Sequence[SweepFrame], strip_px: float) -> float:
    """Give annotated cells per area in the strip at the edge over those per area inside."""
    cells, area = np.zeros(2), np.zeros(2)
    for frame in frames:
        size = np.array(frame.shape)
        centres = frame.annotated_yx
        away = np.minimum(centres, size - 1 - centres).min(axis=1)
        within = int((away < strip_px).sum())
        middle = float(np.prod(size - 2 * strip_px))
        cells += (within, len(centres) - within)
        area += (float(np.prod(size)) - middle, middle)
    strip, middle = cells / area
    return float(strip / middle)


if __name__ == "__main__":
    main()
