"""The paper's inference (512 tiles at stride 64, averaged) against one pass over the whole frame.

    python benchmarks/paper_inference.py FOLDER docs/paper-inference.md [--stride 64] [--frames 3]

Both give an inner distance map of the same frame at the same scale; cells are found in both in the
same way and scored against the annotations at the model's own h (DeepDistance, section 3.3).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from accuracy import describe_origin

from livecount.annotations import Dataset, find_datasets, load_image
from livecount.detection import find_peaks
from livecount.evaluation import FrameScore, score_frame, summarise
from livecount.frame import Frame
from livecount.inference import Engine, Model, TileLimits, find_model, infer_tiled, open_engine
from livecount.normalisation import normalise
from livecount.platform.process import usable_cores
from livecount.readers import read_frames, read_pixels
from livecount.resampling import resize
from livecount.weighing import detection_map

TILE_PX = 512
Map = npt.NDArray[np.float32]


@dataclass
class Way:
    """One way of inference: what it found and how long it took."""

    scores: list[FrameScore] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    """Score both ways on every annotated set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--stride", type=int, default=64)
    parser.add_argument("--frames", type=int, default=3, help="of each set")
    given = parser.parse_args()
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    tiles = f"tiles at stride {given.stride}: the same"
    rows = [
        f"| images | frames | whole: f-score, counted | {tiles} | mean difference of maps | time |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for dataset in find_datasets([given.folder])[0]:
        rows.append(compare(dataset, model, engine, given.stride, given.frames))
        print(rows[-1], flush=True)
    origin = describe_origin()
    given.report.write_text(
        "# The paper's inference and one pass over the whole frame\n\n"
        "F-scores one to one, in percent; time of the tiles over that of the whole frame.\n\n"
        + "\n".join(rows)
        + "\n\n"
        f"`python benchmarks/paper_inference.py IMAGES {given.report} --stride {given.stride} "
        f"--frames {given.frames}`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}; {model.name} {model.version}, h = {model.h}.\n",
        encoding="utf-8",
    )


def compare(dataset: Dataset, model: Model, engine: Engine, stride: int, frames: int) -> str:
    """Give a row of the table."""
    whole, tiled = Way(), Way()
    differences = []
    step = max(1, len(dataset.images) // frames)
    for image in dataset.images[::step][:frames]:
        frame = next(iter(read_frames(image.path)))
        centres = load_image(image, read_pixels).centres_yx
        scaled = resize(frame.pixels, model.cell_diameter_px / dataset.cell_diameter_px)
        normalised = normalise(scaled, model.normalisation)
        maps = []
        for way, infer in ((whole, whole_map), (tiled, tiled_map)):
            began = time.perf_counter()
            maps.append(infer(normalised, model, engine, stride))
            way.seconds += time.perf_counter() - began
            way.scores.append(score(dataset, model, frame, maps[-1], np.asarray(centres)))
        differences.append(float(np.abs(maps[0] - maps[1]).mean()))
    first, second = summarise(whole.scores), summarise(tiled.scores)
    return (
        f"| {dataset.name} | {first['images']} | {first['f_score_assignment']:.1f}, "
        f"{first['detected']} | {second['f_score_assignment']:.1f}, {second['detected']} "
        f"| {np.mean(differences):.4f} | {tiled.seconds / whole.seconds:.0f} |"
    )


def score(
    dataset: Dataset, model: Model, frame: Frame, maps: Map, centres: npt.NDArray[np.float64]
) -> FrameScore:
    """Find the cells of the maps and compare them with the annotation."""
    height, width = frame.pixels.shape
    drawn = detection_map(maps, model.heads, model.weighing)
    found = find_peaks(drawn)
    cells = found.scaled(height / drawn.shape[0], width / drawn.shape[1]).at(model.h)
    return score_frame(
        "frame",
        np.column_stack([cells.y_px, cells.x_px]),
        centres,
        (height, width),
        radius_px=dataset.match_radius_px,
        edge_margin_px=dataset.edge_margin_px,
    )


def whole_map(normalised: Map, model: Model, engine: Engine, stride: int) -> Map:  # noqa: ARG001
    """Infer the whole frame at once, as livecount does."""
    limits = TileLimits(10**9, model.halo_px, model.multiple_px)
    return infer_tiled(engine.infer, normalised, limits)


def tiled_map(normalised: Map, model: Model, engine: Engine, stride: int) -> Map:
    """Average the estimates of all tiles; the last of a row or column is shifted inward."""
    height, width = normalised.shape
    padding = [(0, max(0, TILE_PX - side)) for side in (height, width)]
    padded = np.pad(normalised, padding, mode="symmetric")
    total, times = np.zeros((len(model.heads), *padded.shape), np.float32), np.zeros_like(padded)
    for y in starts(padded.shape[0], stride):
        for x in starts(padded.shape[1], stride):
            window = (slice(y, y + TILE_PX), slice(x, x + TILE_PX))
            total[:, *window] += engine.infer(np.ascontiguousarray(padded[window]))
            times[window] += 1
    return np.ascontiguousarray((total / times)[:, :height, :width])


def starts(length: int, stride: int) -> list[int]:
    """Give where tiles begin along an axis."""
    last = length - TILE_PX
    return [*range(0, last, stride), last]


if __name__ == "__main__":
    main()
