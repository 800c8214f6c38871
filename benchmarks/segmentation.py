"""Score the masks of the shipped model: intersection over union, and confluence.

    python benchmarks/segmentation.py FOLDER docs/segmentation.md

FOLDER holds the annotated sets. The first table is of the frames the model learnt from and was
validated on, for several rules: the shipped rule was chosen there. The second is of every set's
test frames with that rule alone. Frames of one field in short succession are thinned out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from accuracy import describe_origin

from livecount.annotations import AnnotatedImage, Dataset, find_datasets, read_masks
from livecount.frame import Frame, FrameAttributes, FrameKey
from livecount.inference import Engine, find_model, open_engine
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.readers import read_frames
from livecount.segmentation import SegmentationRule
from livecount.segmentation.scoring import MaskScore, score_masks

LONG_SERIES = 30
THINNED_BY = 10
LEARNT_FROM = ("train", "val")
FOREGROUNDS = (0.05, 0.08, 0.1, 0.15)
COLUMNS = (
    "frames|annotated cells|IoU of matched cells|matched %|IoU > 0.5 %|confluence % annotated"
    "|difference, mean|difference, worst frame|bright rounded % of found"
)


@dataclass(frozen=True, slots=True)
class Scored:
    """One frame's score and how many of its cells were found and bright rounded."""

    score: MaskScore
    n_found: int
    n_bright_rounded: int


def main() -> None:
    """Score, choose nothing, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    shipped = SegmentationRule.of_card(model.card)
    datasets = find_datasets([given.folder])[0]
    lines = ["# Segmentation: masks and confluence", ""]
    lines += [*rules_table(datasets, engine, shipped), "", *sets_table(datasets, engine, shipped)]
    lines += ["", *speed_table(), ""]
    origin = describe_origin()
    lines.append(
        f"`python benchmarks/segmentation.py IMAGES {given.report}`, {origin['date']}, commit "
        f"{origin['commit']}, {origin['machine']}; {model.name} {model.version}, h = {model.h}, "
        f"foreground above {shipped.foreground_outer} of the outer map."
    )
    given.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def masked(dataset: Dataset, *, learnt: bool) -> list[AnnotatedImage]:
    """Take a set's frames with masks: those learnt from or validated on, or the others."""
    images = [
        image
        for image in dataset.images
        if image.masks_path and (image.path.parent.name in LEARNT_FROM) == learnt
    ]
    return images[::THINNED_BY] if len(images) > LONG_SERIES else images


def counter_for(dataset: Dataset, engine: Engine, rule: SegmentationRule) -> FrameCounter:
    """Make a counter at a set's cell diameter."""
    model = find_model("deepdistance")
    counting = CountingRule(h=model.h, cell_diameter_px=dataset.cell_diameter_px)
    return FrameCounter(model, engine, counting, segmentation=rule)


def score_frames(
    dataset: Dataset, images: list[AnnotatedImage], counter: FrameCounter
) -> Iterator[Scored]:
    """Segment and compare, inside the set's edge margin."""
    margin = round(dataset.edge_margin_px)
    for image in images:
        found, labels = counter.count_with_labels(next(iter(read_frames(image.path))))
        assert image.masks_path is not None
        assert found.shapes is not None
        annotated = read_masks(image.masks_path)
        inside = tuple(slice(margin, length - margin) for length in annotated.shape)
        score = score_masks(labels[inside], annotated[inside])
        yield Scored(score, found.count, found.shapes.n_bright_rounded)


class CachedEngine:
    """Remembers what the network said: the rules that are compared differ after it."""

    def __init__(self, engine: Engine) -> None:
        self.runtime, self.precision = engine.runtime, engine.precision
        self.max_side_px, self.memory_share = engine.max_side_px, engine.memory_share
        self._engine = engine
        self._known: dict[bytes, np.ndarray] = {}

    def infer(self, image: np.ndarray) -> np.ndarray:
        """Infer what was not inferred before."""
        key = image.tobytes()
        if key not in self._known:
            self._known[key] = self._engine.infer(image)
        return self._known[key]


def rules_table(
    datasets: list[Dataset], engine: Engine, shipped: SegmentationRule
) -> Iterator[str]:
    """Compare rules on the frames that the model learnt from and was validated on."""
    rules = {
        f"outer > {level:g}": replace(shipped, foreground_outer=level) for level in FOREGROUNDS
    }
    rules["markers from outer > 0.5"] = replace(shipped, marker_outer=0.5)
    rules["so, and half of what is adjacent must be free (paper)"] = replace(
        shipped, marker_outer=0.5, least_free=0.5
    )
    rules["not smoothed"] = replace(shipped, smoothing_px=0)
    yield "Training and validation frames, where the rule was chosen."
    yield ""
    yield "| images | rule |" + COLUMNS + "|"
    yield "|---|---|" + "---:|" * (COLUMNS.count("|") + 1)
    for dataset in datasets:
        images = masked(dataset, learnt=True)
        cached = CachedEngine(engine)
        for name, rule in rules.items() if images else ():
            scored = list(score_frames(dataset, images, counter_for(dataset, cached, rule)))
            mark = " (shipped)" if rule == shipped else ""
            yield f"| {dataset.name} | {name}{mark} |" + row(scored)
            print(dataset.name, name, flush=True)


def sets_table(datasets: list[Dataset], engine: Engine, shipped: SegmentationRule) -> Iterator[str]:
    """Score every set with masks by the shipped rule, on frames that it never saw."""
    yield "Frames that neither the model nor the rule has seen; the rule as shipped."
    yield ""
    yield "| images |" + COLUMNS + "|"
    yield "|---|" + "---:|" * (COLUMNS.count("|") + 1)
    differences = []
    for dataset in datasets:
        images = masked(dataset, learnt=False)
        if images:
            scored = list(score_frames(dataset, images, counter_for(dataset, engine, shipped)))
            differences.append(np.mean([one.score.confluence_difference for one in scored]))
            yield f"| {dataset.name} |" + row(scored)
            print(dataset.name, flush=True)
    absolute = np.abs(differences)
    yield ""
    yield (
        f"Mean absolute difference of confluence over the {len(absolute)} sets: "
        f"{absolute.mean():.1f} percentage points; within 5 in {np.sum(absolute <= 5)} of them."
    )


def row(scored: list[Scored]) -> str:
    """Write one line of a table."""
    iou = np.concatenate([one.score.iou for one in scored])
    matched = np.concatenate([one.score.is_matched for one in scored])
    difference = np.array([one.score.confluence_difference for one in scored])
    annotated = np.mean([one.score.annotated_confluence_percent for one in scored])
    found = max(sum(one.n_found for one in scored), 1)
    values = (
        str(len(scored)),
        str(len(iou)),
        f"{iou[matched].mean() if matched.any() else 0:.3f}",
        f"{100 * matched.mean():.1f}",
        f"{100 * (iou > 0.5).mean():.1f}",
        f"{annotated:.1f}",
        f"{difference.mean():+.1f}",
        f"{difference[np.abs(difference).argmax()]:+.1f}",
        f"{100 * sum(one.n_bright_rounded for one in scored) / found:.1f}",
    )
    return "|".join(values) + "|"


class MadeEngine:
    """Gives made maps, so that any number of cells can be had, and inference costs nothing."""

    runtime, precision, max_side_px, memory_share = "made", "fp32", None, 1.0

    def __init__(self, pitch_px: int) -> None:
        self._pitch_px = pitch_px

    def infer(self, image: np.ndarray) -> np.ndarray:
        """Put a cell on every crossing of a grid."""
        y, x = (np.arange(length) % self._pitch_px - self._pitch_px / 2 for length in image.shape)
        distance = np.hypot(y[:, None], x[None, :])
        outer = np.clip(1 - distance / min(13.0, 0.55 * self._pitch_px), 0, 1)
        inner = np.where(outer > 0, 1 / (1 + 0.1 * distance), 0)
        return np.stack([inner, outer]).astype(np.float32)


def speed_table() -> Iterator[str]:
    """Measure what segmentation adds to a count: best of three, after a first run."""
    yield "What segmentation adds to the count of a frame of 1024 x 1024 pixels with 26 px cells."
    yield ""
    yield "| cells | added processor time, s, best of three |"
    yield "|---:|---:|"
    model = find_model("deepdistance")
    pixels = np.random.default_rng(1).normal(1000, 50, (1024, 1024)).astype(np.uint16)
    frame = Frame(FrameKey("", b"made", 0, ""), FrameAttributes(), pixels)
    for pitch_px in (59, 25):
        engine = MadeEngine(pitch_px)
        rule = CountingRule(h=model.h, cell_diameter_px=model.cell_diameter_px)
        plain = FrameCounter(model, engine, rule)
        segmenting = FrameCounter(model, engine, rule, segmentation=SegmentationRule())
        added_s = best_of_three(segmenting, frame) - best_of_three(plain, frame)
        yield f"| {plain.count(frame).count} | {added_s:.2f} |"


def best_of_three(counter: FrameCounter, frame: Frame) -> float:
    """Measure the processor time of a count, compiled code and resampling tables being there."""
    counter.count(frame)
    times = []
    for _ in range(3):
        begun = time.process_time()
        counter.count(frame)
        times.append(time.process_time() - begun)
    return min(times)


if __name__ == "__main__":
    main()
