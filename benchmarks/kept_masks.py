"""Measure what kept masks take: bytes a cell in the database and for the browser, and the time.

    python benchmarks/kept_masks.py FOLDER docs/kept-masks.md

FOLDER holds annotated sets, of which the first few frames are counted. The last row is the largest
label map that masks are made of, put together from copies of one of them.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import describe_origin

from livecount.annotations import find_datasets
from livecount.inference import find_model, open_engine
from livecount.mask_outlines import polygons_over
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import read_frames
from livecount.segmentation import SegmentationRule, trace_masks
from livecount.segmentation.outlines import Labels
from livecount.storage.mask_blobs import pack_masks, unpack_masks

FRAMES_A_SET = 3
LARGEST_PX = 40_000_000
COLUMNS = (
    "cells", "edges a cell", "bytes a cell", "bytes a cell, label map deflated",
    "corners a cell as drawn", "outlining ms", "packing ms", "unpacking ms", "polygons ms",
    "polygons, MB at most",
)  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    lines = ["# What kept masks take", ""]
    lines += ["Best of three each; a row is the mean of a frame.", ""]
    lines += [f"| images |{'|'.join(COLUMNS)}|", "|---|" + "---:|" * len(COLUMNS)]
    maps: dict[str, list[Labels]] = {}
    for name, labels in counted_maps(given.folder):
        maps.setdefault(name, []).append(labels)
    lines += [row(name, [measured(labels) for labels in found]) for name, found in maps.items()]
    densest = max((one for found in maps.values() for one in found), key=lambda one: one.max())
    lines.append(row(f"copies, {LARGEST_PX // 10**6} megapixels", [measured(tiled(densest))]))
    origin = describe_origin()
    lines.append("")
    lines.append(
        f"`python benchmarks/kept_masks.py IMAGES {given.report}`, {origin['date']}, "
        f"commit {origin['commit']}, {origin['machine']}."
    )
    given.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def counted_maps(folder: Path) -> Any:
    """Count the first frames of every set and give their label maps at the model's scale."""
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    for dataset in find_datasets([folder])[0]:
        rule = CountingRule(h=model.h, cell_diameter_px=dataset.cell_diameter_px)
        counter = FrameCounter(model, engine, rule, segmentation=SegmentationRule())
        for image in dataset.images[:FRAMES_A_SET]:
            _, labels = counter._count(next(iter(read_frames(image.path))))
            if labels is not None and labels.max():
                yield dataset.name, labels


def tiled(labels: Labels) -> Labels:
    """Repeat a map until it is as large as maps with masks may be; every copy has its cells."""
    side = int(LARGEST_PX**0.5)
    repeats = [-(-side // length) for length in labels.shape]
    number = np.kron(np.arange(repeats[0] * repeats[1]).reshape(repeats), np.ones(labels.shape))
    large = np.tile(labels, repeats)
    large = np.where(large > 0, large + number.astype(np.int32) * labels.max(), 0)
    return np.ascontiguousarray(large[:side, :side].astype(np.int32))


def measured(labels: Labels) -> list[float]:
    """Give a map's figures in the order of the columns."""
    masks, outlining_ms = timed(lambda: trace_masks(labels))
    blob, packing_ms = timed(lambda: pack_masks(masks))
    _, unpacking_ms = timed(lambda: unpack_masks(blob))
    polygons, polygons_ms = timed(lambda: polygons_over(masks, labels.shape))
    tracemalloc.start()
    polygons_over(masks, labels.shape)
    most_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    n = len(np.unique(masks.cell))
    deflated = len(zlib.compress(labels.astype("<i4").tobytes(), 9))
    return [
        n, masks.n_edges.sum() / n, len(blob) / n, deflated / n, polygons.n_points.sum() / n,
        outlining_ms, packing_ms, unpacking_ms, polygons_ms, most_mb,
    ]  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do something three times; give what it made and the least time it took, ms."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        made = work()
        took.append(1000 * (time.perf_counter() - start))
    return made, min(took)


def row(name: str, figures: list[list[float]]) -> str:
    """Write one row: means, the bytes by cell."""
    weights = np.array([one[0] for one in figures])
    values = [float(np.mean(weights))]
    for number in range(1, len(COLUMNS)):
        column = np.array([one[number] for one in figures])
        by_cell = number <= COLUMNS.index("corners a cell as drawn")
        values.append(float(np.average(column, weights=weights if by_cell else None)))
    return f"| {name} |" + "|".join(f"{value:.3g}" for value in values) + "|"


if __name__ == "__main__":
    main()
