"""How much a count changes when only the picture of the field does, not the field.

    python benchmarks/repeatability.py FOLDER docs/repeatability.md

Each change is applied to some frames of every annotated set below FOLDER and the change of the
count is reported: mean of its absolute value and the largest, in percent of the unchanged count.
Then what holds no cells at all, or none that can be seen, is counted: there the right answer is
zero or a flag.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from accuracy import describe_origin
from scipy import ndimage

from livecount.annotations import Dataset, find_datasets
from livecount.frame import Frame
from livecount.inference import find_model, open_engine
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import read_frames
from livecount.training.painting import paint_frame
from livecount.training.recipe import PaintingRecipe

FRAMES_PER_SET = 3
BLANK_FRAMES = 40
SHIFT_PX = 5
Pixels = npt.NDArray[Any]
Change = Callable[[Pixels], Pixels]


def as_8_bit(pixels: Pixels) -> Pixels:
    """Scale linearly to 8 bit, as export menus do."""
    low, high = float(pixels.min()), float(pixels.max())
    return np.rint((pixels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)


def light(factor: float) -> Change:
    """Multiply the light, to whole grey values; what exceeds the camera's range is clipped."""

    def change(pixels: Pixels) -> Pixels:
        if pixels.dtype.kind != "u":
            return pixels * np.float32(factor)
        top = np.iinfo(pixels.dtype).max
        return np.minimum(np.rint(pixels * factor), top).astype(pixels.dtype)

    return change


CHANGES: dict[str, Change] = {
    "turned by 90 degrees": np.rot90,
    "mirrored": np.fliplr,
    "light +20 %": light(1.2),
    "light -20 %": light(0.8),
    "uneven light, 30 % across": lambda p: p * np.linspace(0.85, 1.15, p.shape[1])[None, :],
    "8 bit": as_8_bit,
    "16 bit": lambda p: as_8_bit(p).astype(np.uint16) * 257,
    "JPEG, quality 90": lambda p: imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(as_8_bit(p), 90)),
}
DIAMETERS = {"cell diameter +20 %": 1.2, "cell diameter -20 %": 0.8}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    model = find_model("deepdistance")
    rule = CountingRule(h=model.h, cell_diameter_px=model.cell_diameter_px)
    bench = Bench(FrameCounter(model, open_engine(model, threads=usable_cores()), rule))
    lines = [
        "# Repeatability: what a count owes to the picture alone",
        "",
        *changes_table(bench, given.folder),
    ]
    lines += ["", *nothing_table(bench, given.folder), ""]
    origin = describe_origin()
    lines.append(
        f"`python benchmarks/repeatability.py IMAGES {given.report}`, {origin['date']}, commit "
        f"{origin['commit']}, {origin['machine']}; {model.name} {model.version}, h = {model.h}."
    )
    given.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Bench:
    """Counts pixels at a cell diameter."""

    def __init__(self, counter: FrameCounter) -> None:
        self._counter = counter

    def count(self, frame: Frame, pixels: Pixels, diameter_px: float) -> int:
        """Count these pixels as if the frame held them."""
        changed = replace(frame, pixels=np.ascontiguousarray(pixels))
        found = self._counter.find_candidates(changed, diameter_px)
        return found.count_at(self._counter.rule.h)

    def is_flagged(self, frame: Frame, pixels: Pixels) -> bool:
        """Tell whether livecount itself doubts its count of these pixels (26 px cells)."""
        changed = replace(frame, pixels=np.ascontiguousarray(pixels), flags=())
        return bool(self._counter.count(changed).flags)

    def count_within(self, frame: Frame, pixels: Pixels, diameter_px: float, corner: int) -> int:
        """Count what lies within a window of the field that every shifted picture holds."""
        changed = replace(frame, pixels=np.ascontiguousarray(pixels))
        found = self._counter.find_candidates(changed, diameter_px).at(self._counter.rule.h)
        margin = corner + diameter_px
        height, width = pixels.shape
        inside = (found.y_px >= margin) & (found.y_px < height - 2 * diameter_px)
        inside &= (found.x_px >= margin) & (found.x_px < width - 2 * diameter_px)
        return int(inside.sum())


def frames_of(dataset: Dataset) -> list[Frame]:
    """Take frames from the whole length of a set."""
    step = max(1, len(dataset.images) // FRAMES_PER_SET)
    chosen = dataset.images[::step][:FRAMES_PER_SET]
    return [next(iter(read_frames(image.path))) for image in chosen]


def changes_table(bench: Bench, folder: Path) -> list[str]:
    """Apply every change to every set."""
    named = [*CHANGES, f"shifted by {SHIFT_PX} px", *DIAMETERS]
    found: dict[str, dict[str, list[float]]] = {name: {} for name in named}
    datasets = find_datasets([folder])[0]
    for dataset in datasets:
        diameter = dataset.cell_diameter_px
        for frame in frames_of(dataset):
            whole = max(1, bench.count(frame, frame.pixels, diameter))

            def note(name: str, count: int, before: int, of: str = dataset.name) -> None:
                found[name].setdefault(of, []).append(100 * (count - before) / before)

            for name, change in CHANGES.items():
                note(name, bench.count(frame, change(frame.pixels), diameter), whole)
            inner = max(1, bench.count_within(frame, frame.pixels, diameter, SHIFT_PX))
            shifted = frame.pixels[SHIFT_PX:, SHIFT_PX:]
            note(named[len(CHANGES)], bench.count_within(frame, shifted, diameter, 0), inner)
            for name, factor in DIAMETERS.items():
                note(name, bench.count(frame, frame.pixels, factor * diameter), whole)
        print(dataset.name, flush=True)
    rows = ["Mean absolute change of the count (largest), in percent.", ""]
    rows.append("| images | " + " | ".join(named) + " |")
    rows.append("|---|" + "---:|" * len(named))
    rows += [
        f"| {dataset.name} | "
        + " | ".join(cell(found[name][dataset.name]) for name in named)
        + " |"
        for dataset in datasets
    ]
    every = [[change for of_set in found[name].values() for change in of_set] for name in named]
    rows.append("| **all frames** | " + " | ".join(cell(changes) for changes in every) + " |")
    return rows


def cell(changes: list[float]) -> str:
    """Write the mean and the largest absolute change."""
    absolute = np.abs(changes)
    return f"{absolute.mean():.1f} ({absolute.max():.1f})"


def nothing_table(bench: Bench, folder: Path) -> list[str]:
    """Count what holds no cells, or none that can be seen."""
    rng = np.random.default_rng(1)
    dataset = find_datasets([folder])[0][0]
    frame = frames_of(dataset)[0]
    empty = PaintingRecipe(empty=1.0)
    dirty = replace(empty, specks=1.0, webs=0.5, debris=1.0)
    kinds: dict[str, list[Pixels]] = {
        "constant": [np.full((512, 512), 120, np.uint8)],
        "camera noise": [rng.normal(120, 4, (512, 512)).clip(0, 255) for _ in range(BLANK_FRAMES)],
        "empty dish, uneven light (painted)": [painted(empty, rng) for _ in range(BLANK_FRAMES)],
        "debris and neurites only (painted)": [painted(dirty, rng) for _ in range(BLANK_FRAMES)],
    }
    rows = [
        "Cells counted where there are none to be seen: frames of 512 x 512 pixels, 26 px cells.",
        "",
    ]
    rows += [
        (
            "| what | frames | cells counted, mean | most | frames with cells, flagged of them "
            "| cells not flagged, mean of all frames | most |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, pictures in kinds.items():
        counts = np.array([bench.count(frame, pixels, 26.0) for pixels in pictures])
        flagged = np.array([bench.is_flagged(frame, pixels) for pixels in pictures])
        unseen = np.where(flagged, 0, counts)
        rows.append(
            f"| {name} | {len(counts)} | {counts.mean():.1f} | {counts.max()} "
            f"| {(counts > 0).sum()}, {(flagged & (counts > 0)).sum()} "
            f"| {unseen.mean():.1f} | {unseen.max()} |"
        )
    rows += [
        "",
        "Real frames far out of focus (blurred by half a cell): cells still counted.",
        "",
    ]
    rows += ["| images | sharp | blurred |", "|---|---:|---:|"]
    for one in find_datasets([folder])[0]:
        sharp, blurred = 0, 0
        for taken in frames_of(one):
            sharp += bench.count(taken, taken.pixels, one.cell_diameter_px)
            pixels = ndimage.gaussian_filter(
                taken.pixels.astype(np.float32), 0.5 * one.cell_diameter_px
            )
            blurred += bench.count(taken, pixels, one.cell_diameter_px)
        rows.append(f"| {one.name} | {sharp} | {blurred} |")
    return rows


def painted(recipe: PaintingRecipe, rng: np.random.Generator) -> Pixels:
    """Paint a frame without cells."""
    return paint_frame(512, (26.0, 26.5), recipe, rng).pixels


if __name__ == "__main__":
    main()
