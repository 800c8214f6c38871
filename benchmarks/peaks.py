"""Time livecount's peaks against the h-maxima of scikit-image and SimpleITK; write a table.

    pip install SimpleITK
    python benchmarks/peaks.py docs/peaks.md --images IMAGES

All run in turns in one process on the same maps, so that ratios hold where seconds do not.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from scipy import ndimage
from skimage.morphology import h_maxima

from livecount.annotations import find_datasets
from livecount.detection import find_peaks
from livecount.frame import MIN_PROMINENCE
from livecount.inference import (
    MEMORY_LIMIT_MB,
    TileLimits,
    find_model,
    infer_tiled,
    open_engine,
)
from livecount.normalisation import normalise
from livecount.readers import read_pixels
from livecount.resampling import resize
from livecount.weighing import detection_map

EIGHT_CONNECTED = np.ones((3, 3))
CELL_RADIUS_PX = 20


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="markdown file to write")
    parser.add_argument("--shape", type=int, nargs=2, default=(3096, 4140), metavar=("Y", "X"))
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--h", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=Path, help="also the network's maps of these real frames")
    given = parser.parse_args()
    find_peaks(np.eye(8))  # compiled before anything is timed
    drawn = maps(tuple(given.shape), given.cells)
    real = network_maps(given.images) if given.images else ()
    rows = [measured_row(name, inner, given.h, given.repeats) for name, inner in chain(drawn, real)]
    given.output.write_text(report(given, rows), encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


def maps(shape: tuple[int, int], n_cells: int) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield inner distance maps from the easiest to the hardest."""
    rng = np.random.default_rng(20)
    cells = drawn_cells(shape, n_cells, rng)
    noise = rng.normal(0, 1, shape).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 2)
    smooth *= 1 / smooth.std()
    yield "smooth, zero background", cells
    yield "smooth noise 0.01, clipped at 0", np.maximum(cells + 0.01 * smooth, 0)
    yield "smooth noise 0.01, not clipped", cells + np.float32(0.01) * smooth
    yield "white noise 0.01, not clipped", cells + np.float32(0.01) * noise


def drawn_cells(
    shape: tuple[int, int], n_cells: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw 1 / (1 + 0.1 d) around random places, of random height, as a network would."""
    padded = np.zeros((shape[0] + 2 * CELL_RADIUS_PX, shape[1] + 2 * CELL_RADIUS_PX), np.float32)
    yy, xx = np.mgrid[-CELL_RADIUS_PX : CELL_RADIUS_PX + 1, -CELL_RADIUS_PX : CELL_RADIUS_PX + 1]
    distance = np.hypot(yy, xx)
    cone = np.where(distance <= CELL_RADIUS_PX, 1 / (1 + 0.1 * distance), 0).astype(np.float32)
    for y, x in rng.integers((0, 0), shape, (n_cells, 2)):
        window = padded[y : y + cone.shape[0] - 1, x : x + cone.shape[1] - 1]
        np.maximum(window, cone[:-1, :-1] * np.float32(rng.uniform(0.4, 1)), out=window)
    inner = padded[CELL_RADIUS_PX:-CELL_RADIUS_PX, CELL_RADIUS_PX:-CELL_RADIUS_PX]
    return ndimage.gaussian_filter(inner, 1.5)


def network_maps(images: Path) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield the map that cells are found on, of the first frame of each set below ``images``."""
    model = find_model("deepdistance")
    engine = open_engine(model, threads=os.cpu_count() or 1)
    for dataset in find_datasets([images])[0]:
        pixels = np.asarray(read_pixels(dataset.images[0].path))
        scaled = resize(pixels, model.cell_diameter_px / dataset.cell_diameter_px)
        image = normalise(scaled, model.normalisation)
        drawn = infer_tiled(engine.infer, image, TileLimits.of(model, engine, MEMORY_LIMIT_MB))
        inner = detection_map(drawn, model.heads, model.weighing)
        yield f"network, {dataset.name}, {inner.shape[0]} x {inner.shape[1]}", inner


def measured_row(name: str, inner: npt.NDArray[np.float32], h: float, repeats: int) -> str:
    """Time all on one map, in turns."""
    took: dict[str, list[float]] = {"ours": [], "scikit-image": [], "SimpleITK": []}
    for _ in range(repeats):
        seconds, candidates = timed(lambda: find_peaks(inner))
        took["ours"].append(seconds)
        seconds, mask = timed(lambda: h_maxima(inner, np.float32(h), footprint=EIGHT_CONNECTED))
        took["scikit-image"].append(seconds)
        seconds, regional = timed(lambda: itk_maxima(inner, h))
        took["SimpleITK"].append(seconds)
    ours, scikit, itk = (statistics.median(seconds) for seconds in took.values())
    found = [ndimage.label(each, EIGHT_CONNECTED)[1] for each in (mask, regional)]
    return (
        f"| {name} | {len(candidates)} | {candidates.count_at(h)} | {found[0]} | {found[1]} "
        f"| {ours:.2f} | {scikit:.2f} | {itk:.2f} | {scikit / ours:.0f} | {itk / ours:.0f} |"
    )


def itk_maxima(inner: npt.NDArray[np.float32], h: float) -> npt.NDArray[np.uint8]:
    """Mask the h-maxima as ITK finds them, 8-connected, on one thread."""
    image = SimpleITK.GetImageFromArray(inner)
    raised = SimpleITK.HMaximaImageFilter()
    raised.SetHeight(h)
    regional = SimpleITK.RegionalMaximaImageFilter()
    regional.SetFullyConnected(True)
    regional.SetFlatIsMaxima(False)
    for each in (raised, regional):
        each.SetNumberOfThreads(1)
    return np.asarray(SimpleITK.GetArrayFromImage(regional.Execute(raised.Execute(image))))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run ``work`` once; return the seconds it took and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def report(given: argparse.Namespace, rows: list[str]) -> str:
    """Lay out the table with all that is needed to judge and repeat it."""
    height, width = given.shape
    table = "\n".join(rows)
    return f"""# Peaks of a {height} x {width} map with {given.cells} cells, h = {given.h:g}

`python benchmarks/peaks.py OUT.md --shape {height} {width} --cells {given.cells} --h {given.h:g} \
--repeats {given.repeats}{" --images IMAGES" if given.images else ""}`

{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {machine()}. Medians of {given.repeats} runs in
turns; one thread. livecount gives every peak with prominence >= {MIN_PROMINENCE:g} and its
location; scikit-image's `h_maxima` and ITK's `HMaxima` (4-connected, which its wrapping does not
let one choose) with `RegionalMaxima` give a mask at this one h.

| map | candidates | count at h | scikit-image's | ITK's | livecount, s | scikit-image, s \
| SimpleITK, s | scikit-image / livecount | SimpleITK / livecount |
|---|---|---|---|---|---|---|---|---|---|
{table}
"""


def machine() -> str:
    """Name processor, system and the versions that matter."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("numba", "numpy", "scikit-image", "SimpleITK")
    )
    return (
        f"{os.cpu_count()} cores of {model}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def commit() -> str:
    """Name the commit that was measured; ``+`` where the tree has changes beside it."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    answer = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
