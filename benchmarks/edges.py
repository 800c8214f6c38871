"""What the edges of frames do to scores and densities, and what leaving half a diameter out mends.

    python benchmarks/edges.py docs/edges.md FOLDER [FOLDER...]

For every folder: how densely cells are annotated within half a cell diameter of the edge, relative
to further inside; the model's scores with and without that strip (annotations and detections in it
count neither way); densities of the whole frame and inside it; and what happens at edges that are
cut into the frames, where the whole frame tells which cells there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from accuracy import describe_origin

from livecount.annotations import Dataset, find_datasets
from livecount.evaluation import SweepFrame, inside_margin, score_at, summarise
from livecount.frame import Candidates, Frame
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import read_frames
from livecount.scoring import score_model

Points = npt.NDArray[np.float64]

GUARDS = (0.0, 0.5, 1.0)
"""Widths of the strip that is left out, in cell diameters."""
SAMPLES = 2000

SCORES = (
    "| images | annotated within half a diameter of the edge, relative to inside "
    "| f-score, whole frames | count bias % | f-score, inside | count bias % |\n"
    "|---|---:|---:|---:|---:|---:|"
)
DENSITIES = (
    "| images | cells annotated inside | annotated, whole frames | found, whole frames "
    "| found, inside |\n|---|---:|---:|---:|---:|"
)
CUTS = (
    "| images | tiles | side, diameters | cells found | whole tile | half a diameter left out "
    "| a diameter left out |\n|---|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Write one row a folder and table."""
    output, *folders = (Path(word) for word in sys.argv[1:])
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    tables: dict[str, list[str]] = {SCORES: [], DENSITIES: [], CUTS: []}
    for folder in folders:
        (dataset,) = find_datasets([folder])[0]
        name = f"{dataset.name} ({folder.name})"
        found = score_model(model, engine, [dataset]).sets[dataset.name]
        strip_px, margin_px = dataset.cell_diameter_px / 2, found.edge_margin_px
        whole, inside = (
            summarise([score_at(frame, model.h, found.radius_px, margin) for frame in found.frames])
            for margin in (margin_px, margin_px + strip_px)
        )
        tables[SCORES].append(
            f"| {name} | {edge_density(found.frames, strip_px):.2f} "
            f"| {whole['f_score_assignment']:.1f} | {whole['count_bias_percent']:+.1f} "
            f"| {inside['f_score_assignment']:.1f} | {inside['count_bias_percent']:+.1f} |"
        )
        if not margin_px:
            tables[DENSITIES].append(f"| {name} {densities(found.frames, strip_px, model.h)}")
        cut = list(cut_edges(dataset, found.frames, model, engine))
        tables[CUTS].append(f"| {name} | {described(cut, dataset.cell_diameter_px)}")
        print(tables[SCORES][-1], tables[CUTS][-1], sep="\n", flush=True)
    write(output, tables, model)


def write(output: Path, tables: dict[str, list[str]], model: Model) -> None:
    """Put the tables under what they say."""
    origin = describe_origin()
    scores, found, cut = ("\n".join([header, *rows]) for header, rows in tables.items())
    output.write_text(
        "# Scores and densities at the edges of frames and inside\n\n"
        "Where annotations thin out towards the edge, cells that livecount finds there count as "
        f"false, however clearly they are to be seen.\n\n{scores}\n\n"
        "## Densities\n\n"
        "In percent of the density that people annotated at least half a cell diameter from the "
        "edge. A mask of a cell that the edge cuts has its middle in the frame even where the "
        "cell's own middle lies outside, so that whole frames hold too many centres, unless cut "
        f"cells were not annotated.\n\n{found}\n\n"
        "## Edges cut into the frames\n\n"
        "Each frame, less one diameter all round, is cut into two by two tiles that are counted by "
        "themselves. Cells found in a tile, against those that the whole frame shows in the same "
        "area: what an edge does, whatever is right or wrong inside. Percent, with the 95 % "
        f"interval of {SAMPLES} bootstrap samples of tiles.\n\n{cut}\n\n"
        f"`python benchmarks/edges.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}; {model.name} {model.version}, h = {model.h:g}.\n",
        encoding="utf-8",
    )


def edge_density(frames: Sequence[SweepFrame], strip_px: float) -> float:
    """Give annotated cells per area in the strip at the edge over those per area inside."""
    cells, area = np.zeros(2), np.zeros(2)
    for frame in frames:
        size = np.array(frame.shape)
        within = int(np.sum(~inside_margin(frame.annotated_yx, frame.shape, strip_px)))
        middle = float(np.prod(size - 2 * strip_px))
        cells += (within, len(frame.annotated_yx) - within)
        area += (float(np.prod(size)) - middle, middle)
    strip, middle = cells / area
    return float(strip / middle)


def densities(frames: Sequence[SweepFrame], strip_px: float, h: float) -> str:
    """Compare densities with the one annotated inside: annotated, found; whole frames, inside."""
    whole_px = sum(frame.shape[0] * frame.shape[1] for frame in frames)
    inside_px = sum(np.prod(np.array(frame.shape) - 2 * strip_px) for frame in frames)
    cells = np.zeros((2, 2))
    for frame in frames:
        for row, points in enumerate((frame.annotated_yx, points_of(frame.candidates.at(h)))):
            cells[row] += (len(points), inside_margin(points, frame.shape, strip_px).sum())
    (annotated, found), (reference, found_inside) = (cells / (whole_px, inside_px)).T
    columns = (100 * (value / reference - 1) for value in (annotated, found, found_inside))
    return f"| {cells[0, 1]:.0f} | " + " | ".join(f"{value:+.1f}" for value in columns) + " |"


@dataclass(frozen=True, slots=True)
class Tile:
    """Cells in a tile for each of ``GUARDS``: counted by itself, and on the whole frame."""

    side_px: float
    alone: tuple[int, ...]
    in_frame: tuple[int, ...]


def cut_edges(
    dataset: Dataset, frames: Sequence[SweepFrame], model: Model, engine: Engine
) -> Iterator[Tile]:
    """Cut each frame into tiles and count them."""
    diameter_px = dataset.cell_diameter_px
    counter = FrameCounter(model, engine, CountingRule(h=model.h, cell_diameter_px=diameter_px))
    around_px = round(diameter_px)
    for image, known in zip(dataset.images, frames, strict=True):
        frame = next(read_frames(image.path))
        found = points_of(known.candidates.at(model.h))
        rows, columns = (
            np.linspace(around_px, side - around_px, 3).astype(int) for side in known.shape
        )
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                part = replace(frame, pixels=frame.pixels[top:bottom, left:right])
                yield tile_of(counter, part, found - (top, left), diameter_px)


def tile_of(counter: FrameCounter, part: Frame, in_frame: Points, diameter_px: float) -> Tile:
    """Count a tile by itself, and take what the whole frame shows of it."""
    height, width = part.pixels.shape
    shown = (in_frame > -0.5).all(axis=1) & (in_frame < (height - 0.5, width - 0.5)).all(axis=1)
    alone = points_of(counter.find_candidates(part, diameter_px).at(counter.rule.h))
    inside = [
        [int(inside_margin(points, (height, width), guard * diameter_px).sum()) for guard in GUARDS]
        for points in (alone, in_frame[shown])
    ]
    return Tile(float(np.sqrt(height * width)), tuple(inside[0]), tuple(inside[1]))


def described(tiles: Sequence[Tile], diameter_px: float) -> str:
    """Say for each guard by how much tiles are off, all together, with an interval."""
    cells = np.array([[tile.alone, tile.in_frame] for tile in tiles], float)
    drawn = np.random.default_rng(1).integers(0, len(tiles), (SAMPLES, len(tiles)))
    off = 100 * (np.divide(*cells.sum(axis=0)) - 1)
    alone, in_frame = cells[drawn].sum(axis=1).transpose(1, 0, 2)
    low, high = np.quantile(100 * (alone / in_frame - 1), (0.025, 0.975), axis=0)
    words = (f"{o:+.1f} ({a:+.1f} to {b:+.1f})" for o, a, b in zip(off, low, high, strict=True))
    side = np.median([tile.side_px for tile in tiles]) / diameter_px
    return f"{len(tiles)} | {side:.0f} | {cells[:, 1, 0].sum():.0f} | " + " | ".join(words) + " |"


def points_of(cells: Candidates) -> Points:
    """Give the cells' centres, shape (n, 2) as (y, x)."""
    return np.column_stack([cells.y_px, cells.x_px]).astype(np.float64)


if __name__ == "__main__":
    main()
