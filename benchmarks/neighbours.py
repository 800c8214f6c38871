"""How often a frame is flagged as unlike its neighbours, without and with something wrong with it.

    python benchmarks/neighbours.py docs/neighbours.md SERIES:DIAMETER [SERIES:DIAMETER ...]

Each SERIES is a folder of real frames of one field, taken one after another. They are counted as
they are: every flag is a false alarm. Then one frame at a time gets a fault, is counted again and
put back among the others: a fault that raises no flag is a miss, a flag on another frame is a
false alarm too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from accuracy import describe_origin
from scipy import ndimage

from livecount.frame import Frame
from livecount.inference import find_model, open_engine
from livecount.neighbours_in_time import neighbour_flags
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import is_frame_file, read_frames

EVERY = 4
Pixels = npt.NDArray[Any]
Fault = Callable[[Pixels, np.random.Generator], Pixels]


def blurred(cells: float) -> Fault:
    """Defocus by a Gaussian of a share of a cell's diameter, set for each series."""
    return lambda pixels, _: ndimage.gaussian_filter(pixels.astype(np.float32), cells)


def lit(factor: float) -> Fault:
    """Change the light; what exceeds the camera's range is clipped."""
    return lambda pixels, _: np.minimum(pixels * np.float32(factor), _top(pixels))


def bubble(share: float) -> Fault:
    """Put a bubble into the field: a smooth bright disc with a dark rim, so large a share."""

    def put(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape
        radius = np.sqrt(share * height * width / np.pi)
        centre = rng.uniform(0.3, 0.7, 2) * (height, width)
        y, x = np.ogrid[:height, :width]
        distance = np.hypot(y - centre[0], x - centre[1])
        inside = np.where(distance < radius, np.float32(1.3 * pixels.mean()), pixels)
        rim = np.abs(distance - radius) < 0.06 * radius
        return np.minimum(np.where(rim, np.float32(0.4 * pixels.mean()), inside), _top(pixels))

    return put


def empty(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Show a field without cells: the frame's mean and its finest noise."""
    fine = pixels - ndimage.gaussian_filter(pixels.astype(np.float32), 1.0)
    noise = rng.normal(0, 1.4826 * np.median(np.abs(fine)), pixels.shape)
    return np.maximum(pixels.mean() + noise, 0)


def moved(pixels: Pixels, _: np.random.Generator) -> Pixels:
    """Show another place: half the field is new, mirrored at the edge."""
    return np.concatenate([pixels[pixels.shape[0] // 2 :], pixels[pixels.shape[0] // 2 :][::-1]])


def _top(pixels: Pixels) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else float(pixels.max())


FAULTS: dict[str, Fault] = {
    "blurred, sigma 2 px": blurred(2.0),
    "blurred, sigma 5 px": blurred(5.0),
    "light x 0.6": lit(0.6),
    "light x 1.5": lit(1.5),
    "bubble over 30 % of the field": bubble(0.3),
    "bubble over 10 % of the field": bubble(0.1),
    "no cells": empty,
    "moved by half a field": moved,
}


@dataclass(frozen=True, slots=True)
class Series:
    """Frames of one field and how they were counted."""

    name: str
    frames: list[Frame]
    table: pd.DataFrame


def main() -> None:
    """Count every series, put faults in, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("series", nargs="+", help="FOLDER:DIAMETER_PX")
    given = parser.parse_args()
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    alarms: list[str] = []
    missed: dict[str, list[str]] = {name: [] for name in FAULTS}
    names = []
    for number, text in enumerate(given.series):
        folder, _, diameter = text.rpartition(":")
        rule = CountingRule(h=model.h, cell_diameter_px=float(diameter))
        counter = FrameCounter(model, engine, rule)
        series = counted(counter, Path(folder))
        names.append(series.name)
        flagged = [flags for flags in neighbour_flags(series.table) if flags]
        alarms.append(f"{len(flagged)} of {len(series.frames)}")
        for name, fault in FAULTS.items():
            missed[name].append(faulty(counter, series, fault, np.random.default_rng(number)))
            print(series.name, name, missed[name][-1], flush=True)
    how = (
        "Real series of one field each; every fourth frame got the fault in turn. Flagged: of so "
        "many faults; in brackets which flags; then flags on other frames meanwhile.\n"
    )
    lines = [
        "# Frames unlike their neighbours in time\n",
        how,
        "| fault | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        "| none: flagged (false alarms) | " + " | ".join(alarms) + " |",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in missed.items()),
    ]
    origin = describe_origin()
    lines.append(
        f"\n`python benchmarks/neighbours.py {given.report} SERIES:DIAMETER ...`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}; "
        f"{model.name} {model.version}."
    )
    given.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def counted(counter: FrameCounter, folder: Path) -> Series:
    """Read and count a folder's frames in the order of their names."""
    paths = sorted(path for path in folder.iterdir() if is_frame_file(os.fsencode(path.name)))
    frames = [next(iter(read_frames(path))) for path in paths]
    name = folder.name if folder.parent.name == "data" else folder.parent.name
    rows = [measured(counter, frame) for frame in frames]
    table = pd.DataFrame(rows).assign(
        watched_folder=name, elapsed_h=np.arange(len(rows)) / 6, excluded=""
    )
    return Series(name, frames, table)


def measured(counter: FrameCounter, frame: Frame) -> dict[str, float]:
    """Give what is stored of a frame's count."""
    found = counter.count(frame)
    quality = found.quality
    return {
        "count": float(found.count),
        "focus": quality.focus,
        "mean_intensity": quality.mean_intensity,
    }


def faulty(counter: FrameCounter, series: Series, fault: Fault, rng: np.random.Generator) -> str:
    """Put the fault into every fourth frame, one at a time, and tell how often it was flagged."""
    places = range(1, len(series.frames) - 1, EVERY)
    caught, others, seen = 0, 0, set[str]()
    usual = neighbour_flags(series.table)
    for place in places:
        frame = series.frames[place]
        changed = (
            np.rint(fault(frame.pixels, rng))
            if frame.pixels.dtype.kind == "u"
            else fault(frame.pixels, rng)
        )
        spoilt = replace(frame, pixels=np.ascontiguousarray(changed.astype(frame.pixels.dtype)))
        table = series.table.copy()
        for name, value in measured(counter, spoilt).items():
            table.loc[place, name] = value
        flags = neighbour_flags(table)
        caught += bool(flags[place])
        seen.update(flag for flag in flags[place].split(";") if flag)
        others += int(((flags != "") & (usual == "") & (flags.index != place)).sum())
    told = f" ({', '.join(sorted(seen))})" if seen else ""
    return f"{caught} of {len(places)}{told}" + (f"; {others} others" if others else "")


if __name__ == "__main__":
    main()
