"""Compare the estimated cell diameter with the annotated one, one frame of every set.

Usage: ``python benchmarks/diameter.py docs/cell-diameter.md FOLDER [FOLDER...]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from accuracy import describe_origin

from livecount.annotations import find_datasets
from livecount.cell_size import estimate_cell_diameter
from livecount.inference import find_model, open_engine
from livecount.platform.process import usable_cores
from livecount.readers import read_frames


def main() -> None:
    """Estimate on the middle frame of every set and write one table."""
    output, *folders = (Path(word) for word in sys.argv[1:])
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    rows = [
        "| images | annotated, px | estimated, px | ratio | steepness |",
        "|---|---:|---:|---:|---:|",
    ]
    for dataset in find_datasets(folders)[0]:
        (frame,) = read_frames(dataset.images[len(dataset.images) // 2].path)
        found = estimate_cell_diameter(frame, model, engine)
        ratio = found.diameter_px / dataset.cell_diameter_px
        rows.append(
            f"| {dataset.name} | {dataset.cell_diameter_px:g} | {found.diameter_px:.0f} "
            f"| {ratio:.2f} | {found.steepness:.2f} |"
        )
        print(rows[-1], flush=True)
    origin = describe_origin()
    output.write_text(
        "# How good the estimated cell diameter is\n\n" + "\n".join(rows) + "\n\n"
        "Steepness: by which power of the diameter tried the cells seen fall short of it. Where it "
        "is low, other sizes explain the frame about as well, and livecount says so.\n\n"
        f"`python benchmarks/diameter.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
