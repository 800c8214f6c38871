"""Where the time of one frame goes, and the same frame by the DeepDistance paper's procedure.

    python benchmarks/stages.py IMAGES docs/stages.md [--threads 2] [--set usiigaci-large]

The frame has 3096 x 4140 pixels, made of real frames of a set below IMAGES: enlarged until their
cells measure 60 px, and mirrored side by side. Its stages are timed one by one, then counted as a
run does. The paper's procedure (512 x 512 tiles at stride 64, a network of 64 to 1024 filters, at
the frame's own scale) would take hours: some tiles are timed and multiplied. The network of the
paper's size has random weights; they do not change how long it takes. Then the cost over the
frame's size and over the number of cells, also as a figure beside the report.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import onnxruntime
import tifffile
import torch
from accuracy import describe_origin

from livecount.annotations import find_datasets
from livecount.detection import find_peaks
from livecount.frame import Frame
from livecount.inference import (
    MEMORY_LIMIT_MB,
    Engine,
    Model,
    TileLimits,
    find_model,
    infer_tiled,
    open_engine,
)
from livecount.normalisation import normalise
from livecount.pipeline import CountingRule, FrameCounter
from livecount.quality import assess, find_flags
from livecount.readers import read_frames, read_pixels
from livecount.resampling import resize
from livecount.training.export import write_onnx
from livecount.training.network import DeepDistanceNet
from livecount.training.recipe import HeadRecipe, NetworkRecipe, Recipe
from livecount.weighing import detection_map

SHAPE, CELL_PX = (3096, 4140), 60.0
TILE_PX, STRIDE_PX = 512, 64
REPEATS, PAPER_TILES = 5, 5
Pixels = npt.NDArray[Any]


@dataclass
class Case:
    """The model, the engine and the frame that is timed."""

    model: Model
    engine: Engine
    file: Path
    frame: Frame


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", default="usiigaci-large")
    given = parser.parse_args()
    model = find_model("deepdistance")
    engine = open_engine(model, threads=given.threads)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.tif"
        tifffile.imwrite(file, laid_out(given.images, given.set, SHAPE))
        case = Case(model, engine, file, next(iter(read_frames(file))))
        stages = time_stages(case)
        whole_s = time_whole(case)
        paper_s = time_paper(Path(folder), given.threads)
        sizes, cells = over_sizes(case), over_cells(case)
    text = report(case, given, stages, whole_s, paper_s, sizes, cells)
    draw(sizes, cells, given.report.with_suffix(".svg"))
    given.report.write_text(text, encoding="utf-8")
    print(text)


def laid_out(images: Path, name: str, shape: tuple[int, int]) -> Pixels:
    """Lay a real frame out until it fills the shape: enlarged, mirrored at its edges."""
    dataset = next(found for found in find_datasets([images])[0] if found.name == name)
    pixels = np.asarray(read_pixels(dataset.images[0].path))
    enlarged = resize(pixels, CELL_PX / dataset.cell_diameter_px)
    missing = [(0, max(0, side - have)) for side, have in zip(shape, enlarged.shape, strict=True)]
    filled = np.pad(enlarged, missing, mode="symmetric")[: shape[0], : shape[1]]
    low, high = np.quantile(filled, (0.001, 0.999))
    return (np.clip((filled - low) / (high - low), 0, 1) * 4095).astype(np.uint16)


def time_stages(case: Case) -> dict[str, float]:
    """Time every stage of counting, one after the other; medians, the first round left out."""
    rounds: list[dict[str, float]] = []
    for _ in range(REPEATS + 1):
        took: dict[str, float] = {}
        frame = timed(took, "read", lambda: next(iter(read_frames(case.file))))
        factor = case.model.cell_diameter_px / CELL_PX
        scaled = timed(took, "scale", partial(resize, frame.pixels, factor))
        image = timed(took, "normalise", partial(normalise, scaled, case.model.normalisation))
        maps = timed(took, "network", partial(drawn, case, image))
        weighed = timed(
            took, "weigh", partial(detection_map, maps, case.model.heads, case.model.weighing)
        )
        timed(took, "peaks", partial(find_peaks, weighed))
        timed(took, "quality", partial(judged, frame))
        rounds.append(took)
    return {stage: statistics.median(r[stage] for r in rounds[1:]) for stage in rounds[0]}


def judged(frame: Frame) -> Any:
    """Judge a frame's quality as a run does."""
    return assess(frame), find_flags(frame.pixels)


def timed(took: dict[str, float], stage: str, work: Callable[[], Any]) -> Any:
    """Do some work and note how long it took."""
    began = time.perf_counter()
    result = work()
    took[stage] = time.perf_counter() - began
    return result


def drawn(case: Case, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run the network as a run does, in tiles where memory asks for them."""
    return infer_tiled(
        case.engine.infer,
        image,
        TileLimits.of(case.model, case.engine, MEMORY_LIMIT_MB),
    )


def time_whole(case: Case) -> float:
    """Time reading and counting the frame as a run does."""
    counter = FrameCounter(
        case.model,
        case.engine,
        CountingRule(case.model.h, cell_diameter_px=CELL_PX),
        memory_limit_mb=MEMORY_LIMIT_MB,
    )
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        counter.count(next(iter(read_frames(case.file))))
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def time_paper(folder: Path, threads: int) -> float:
    """Give the seconds of the paper's procedure on the frame, from some of its tiles."""
    network = NetworkRecipe()
    recipe = Recipe(
        "paper", "1", images=(), network=network, heads=(HeadRecipe("inner"), HeadRecipe("outer"))
    )
    torch.manual_seed(1)
    file = folder / "paper.onnx"
    write_onnx(DeepDistanceNet(network, recipe.heads).eval(), recipe, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    tile = np.random.default_rng(1).normal(size=(1, 1, TILE_PX, TILE_PX)).astype(np.float32)
    took = []
    for _ in range(PAPER_TILES + 1):
        began = time.perf_counter()
        session.run(None, {"image": tile})
        took.append(time.perf_counter() - began)
    return paper_tiles(SHAPE) * statistics.median(took[1:])


def paper_tiles(shape: tuple[int, int]) -> int:
    """Count the tiles of a frame."""
    height, width = (-(-(side - TILE_PX) // STRIDE_PX) + 1 for side in shape)
    return height * width


def over_sizes(case: Case) -> list[tuple[float, float, float]]:
    """Give megapixels, and seconds of the network and of all else, for parts of the frame."""
    rows = []
    for share in (0.125, 0.25, 0.5, 0.75, 1.0):
        sides = [int(side * share**0.5) for side in SHAPE]
        pixels = case.frame.pixels[: sides[0], : sides[1]]
        network, rest = network_and_rest(case, pixels, CELL_PX)
        rows.append((pixels.size / 1e6, network, rest))
    return sorted(rows)


def over_cells(case: Case) -> list[tuple[float, float, float]]:
    """Give cells counted, and both seconds, for images of one size with ever smaller cells.

    One part of the frame is mirrored out ever more often, so that what goes through the network
    has the same size and ever more cells.
    """
    rows = []
    for times in (1, 2, 3, 4):
        part = resize(case.frame.pixels, 1 / times)
        missing = [(0, side - have) for side, have in zip(SHAPE, part.shape, strict=True)]
        filled = np.pad(part, missing, mode="symmetric")
        network, rest = network_and_rest(case, filled, CELL_PX)
        rows.append((float(count_of(case, filled)), network, rest))
    return sorted(rows)


def count_of(case: Case, pixels: Pixels) -> int:
    """Count the cells of an image whose cells measure 60 px, or less."""
    image = normalise(
        resize(pixels, case.model.cell_diameter_px / CELL_PX), case.model.normalisation
    )
    weighed = detection_map(drawn(case, image), case.model.heads, case.model.weighing)
    return find_peaks(weighed).count_at(case.model.h)


def network_and_rest(case: Case, pixels: Pixels, cell_px: float) -> tuple[float, float]:
    """Time the network and everything else but reading, medians of three."""
    took: dict[str, list[float]] = {"network": [], "rest": []}
    for _ in range(4):
        began = time.perf_counter()
        scaled = resize(pixels, case.model.cell_diameter_px / cell_px)
        image = normalise(scaled, case.model.normalisation)
        prepared = time.perf_counter()
        maps = drawn(case, image)
        inferred = time.perf_counter()
        weighed = detection_map(maps, case.model.heads, case.model.weighing)
        find_peaks(weighed)
        ended = time.perf_counter()
        took["network"].append(inferred - prepared)
        took["rest"].append(prepared - began + ended - inferred)
    return statistics.median(took["network"][1:]), statistics.median(took["rest"][1:])


def draw(sizes: list[Any], cells: list[Any], file: Path) -> None:
    """Draw the cost over size and over cells."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, rows, label in (
        (axes[0], sizes, "frame, megapixels (60 px cells)"),
        (axes[1], cells, f"cells in a frame of {SHAPE[0]} x {SHAPE[1]} px"),
    ):
        at, network, rest = (np.array(column) for column in zip(*rows, strict=True))
        axis.plot(at, network, "o-", label="network")
        axis.plot(at, rest, "s-", label="all else but reading")
        axis.set(xlabel=label, ylabel="seconds", xlim=(0, None), ylim=(0, None))
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})


def report(
    case: Case,
    given: argparse.Namespace,
    stages: dict[str, float],
    whole_s: float,
    paper_s: float,
    sizes: list[tuple[float, float, float]],
    cells: list[tuple[float, float, float]],
) -> str:
    """Write what was measured."""
    total = sum(stages.values())
    rest = total - stages["network"]
    rows = [f"| {name} | {1000 * s:.0f} | {100 * s / total:.1f} |" for name, s in stages.items()]
    size_rows = [f"| {mpx:.1f} | {net:.2f} | {other:.2f} |" for mpx, net, other in sizes]
    cell_rows = [f"| {n:.0f} | {net:.2f} | {other:.2f} |" for n, net, other in cells]
    origin = describe_origin()
    table = "| stage | ms | % |\n|---|---:|---:|\n"
    return (
        f"# One frame of {SHAPE[0]} x {SHAPE[1]} pixels with {CELL_PX:g} px cells\n\n"
        f"- counted as a run does, with reading: **{whole_s:.2f} s**\n"
        f"- by the paper's procedure: {paper_s / 3600:.1f} h, **{paper_s / whole_s:,.0f} times as "
        f"long** ({paper_tiles(SHAPE)} tiles of {TILE_PX} px at stride {STRIDE_PX}, a network of "
        f"64 to 1024 filters in ONNX Runtime; {PAPER_TILES} tiles timed)\n"
        f"- everything that is not the network: **{100 * rest / total:.0f} %** of the time\n"
        f"- peaks take {stages['peaks'] / stages['network']:.2f} of the network's time\n\n"
        + table
        + "\n".join(rows)
        + f"\n\n![cost over size and cells]({given.report.with_suffix('.svg').name})\n\n"
        "| megapixels | network, s | all else but reading, s |\n|---:|---:|---:|\n"
        + "\n".join(size_rows)
        + "\n\n| cells | network, s | all else but reading, s |\n|---:|---:|---:|\n"
        + "\n".join(cell_rows)
        + f"\n\nMedians. Real frames of {given.set}, enlarged and mirrored: they show cost, not "
        f"accuracy. {case.engine.runtime}, {case.engine.precision}, {given.threads} threads.\n\n"
        f"`python benchmarks/stages.py IMAGES {given.report} --threads {given.threads}`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
