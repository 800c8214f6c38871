"""What could be set otherwise when frames are counted, and what that does to counts.

    python benchmarks/levers.py FOLDER docs/levers.md

Bias, its change with density, f-scores, and how much counts hang on the picture and on the given
cell diameter: of what ships and of every lever, on the same frames, with the same weights. Nothing
is chosen here; what ships was chosen on training and validation images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from accuracy import CARD, describe_origin, trained_on
from repeatability import CHANGES, DIAMETERS, SHIFT_PX, Pixels, frames_of

from livecount.annotations import Dataset, find_datasets
from livecount.evaluation import SweepFrame, inside_margin, score_at, summarise
from livecount.frame import Candidates, FloatArray, Frame
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.pipeline import CountingRule, FrameCounter
from livecount.platform.process import usable_cores
from livecount.scoring import score_model

SERIES_STEP: Final = 5
"""Of sets with more images than 40, every so many: consecutive frames hardly differ."""
DRAWN_PX: Final = (26.0, 30.0)
SHIFTED: Final = f"shifted by {SHIFT_PX} px"
UNCHANGED: Final = "unchanged"
WINDOW: Final = "unchanged, in the window"
NOTE: Final = (
    "Every row: the same weights and the same frames (of series of more than 40 every fifth), one "
    "thing set otherwise. Means of bias and of its change are of absolute values."
)
TABLES: Final = (
    ("Bias of the count, percent", "count_bias_percent", "+"),
    ("Change of the bias per doubling of density, percent", "bias_slope_percent_per_doubling", "+"),
    ("F-score by assignment", "f_score_assignment", ""),
)
PICTURES: Final = """\
## The same field again, and another cell diameter

Mean absolute change of the count (largest), in percent, over three frames of every set."""
Summary = dict[str, float | int | None]


class Wrapped:
    """An engine that computes with another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        """Have everything else of the engine behind it."""
        return getattr(self._engine, name)

    def infer(self, image: FloatArray) -> FloatArray:
        """Map an image to maps."""
        return self._engine.infer(image)


class Remembering(Wrapped):
    """Computes no image twice running: several levers read the same maps."""

    _last: tuple[FloatArray, FloatArray] | None = None

    def infer(self, image: FloatArray) -> FloatArray:
        """Map an image to maps, which nobody may change."""
        if self._last is None or not np.array_equal(self._last[0], image):
            self._last = image.copy(), self._engine.infer(image)
        return self._last[1]


class Turned(Wrapped):
    """Averages the maps of an image turned four ways."""

    def infer(self, image: FloatArray) -> FloatArray:
        """Map an image to the mean of its maps."""
        total = np.zeros((1, *image.shape), np.float32)
        for turns in range(4):
            maps = self._engine.infer(np.ascontiguousarray(np.rot90(image, turns)))
            total = total + np.rot90(maps, -turns, axes=(1, 2))
        return np.ascontiguousarray(total / 4, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Lever:
    """One way to count.

    Attributes
    ----------
    h
        None: the peaks' probabilities are summed, and there are no single cells to score.
    changes
        Whether the changes of the picture are tried too.
    """

    name: str
    model: Model
    engine: Engine
    h: float | None
    changes: bool = True

    def peaks(self, frame: Frame, diameter_px: float) -> Candidates:
        """Find every candidate of a frame."""
        rule = CountingRule(h=self.model.h, cell_diameter_px=diameter_px)
        return FrameCounter(self.model, self.engine, rule).find_candidates(frame, diameter_px)

    def count(self, peaks: Candidates) -> float:
        """Count candidates, or say how many cells are to be expected of them."""
        if self.h is not None:
            return peaks.count_at(self.h)
        assert self.model.calibration is not None
        return self.model.calibration.moments(peaks.prominence)[0]

    def score(self, frames: Sequence[SweepFrame], radius_px: float, margin_px: float) -> Summary:
        """Score a set's frames; without f-scores where there are no single cells."""
        if self.h is not None:
            return summarise([score_at(frame, self.h, radius_px, margin_px) for frame in frames])
        scores = [
            replace(
                score_at(frame, self.model.h, radius_px, margin_px),
                detected=round(self.count(within(frame.candidates, frame.shape, margin_px))),
            )
            for frame in frames
        ]
        return summarise(scores) | {"f_score_assignment": None}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    levers = list(all_levers(find_model("deepdistance")))
    datasets = [thinned(one) for one in find_datasets([given.folder])[0]]
    scores = {one.name: scores_of(levers, one) for one in datasets}
    changes = picture_changes([lever for lever in levers if lever.changes], datasets)
    write(given.report, levers, scores, changes)


def all_levers(model: Model) -> Iterator[Lever]:
    """Name what ships, then everything else."""
    engine = open_engine(model, threads=usable_cores())
    once = Remembering(engine)
    yield Lever(f"as shipped (h {model.h:g})", model, once, model.h)
    for h in (0.12, 0.15):
        yield Lever(f"h {h:g}", model, once, h)
    bare = replace(model, weighing=None)
    for h in (model.h, 0.15):
        yield Lever(f"not weighed by the outer map, h {h:g}", bare, once, h)
    yield Lever("sum of the peaks' probabilities", model, once, None)
    for drawn_px in DRAWN_PX:
        if drawn_px != model.cell_diameter_px:
            other = replace(model, cell_diameter_px=drawn_px)
            yield Lever(f"cells drawn {drawn_px:g} px wide", other, Remembering(engine), model.h)
    turned = Remembering(Turned(engine))
    for h in (model.h, 0.12):
        yield Lever(f"maps of four turns averaged, h {h:g}", model, turned, h, changes=False)


def thinned(dataset: Dataset) -> Dataset:
    """Leave most frames of a long series out."""
    step = SERIES_STEP if len(dataset.images) > 40 else 1
    return replace(dataset, images=dataset.images[::step])


def within(peaks: Candidates, shape: tuple[int, int], margin_px: float) -> Candidates:
    """Keep the candidates that are scored."""
    return some_of(peaks, inside_margin(centres_of(peaks), shape, margin_px))


def centres_of(peaks: Candidates) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Give the candidates' places, shape (n, 2) as (y, x)."""
    return np.column_stack([peaks.y_px, peaks.x_px]).astype(np.float64)


def some_of(peaks: Candidates, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Candidates:
    """Keep some candidates."""
    return Candidates(peaks.y_px[kept], peaks.x_px[kept], peaks.prominence[kept])


def scores_of(levers: Sequence[Lever], dataset: Dataset) -> dict[str, Summary]:
    """Score every lever on a set, one image after the other."""
    found: dict[str, list[SweepFrame]] = {lever.name: [] for lever in levers}
    for image in dataset.images:
        alone = [replace(dataset, images=[image])]
        known: dict[tuple[int, int], tuple[SweepFrame, ...]] = {}
        for lever in levers:
            way = id(lever.model), id(lever.engine)
            if way not in known:
                scored = score_model(lever.model, lever.engine, alone).sets[dataset.name]
                known[way] = scored.frames
            found[lever.name] += known[way]
    print(dataset.name, flush=True)
    lengths = dataset.match_radius_px, dataset.edge_margin_px
    return {lever.name: lever.score(found[lever.name], *lengths) for lever in levers}


def picture_changes(
    levers: Sequence[Lever], datasets: Sequence[Dataset]
) -> dict[str, dict[str, list[float]]]:
    """Give, for each lever and change, by how many percent the counts of all frames changed."""
    named = [*CHANGES, SHIFTED, *DIAMETERS]
    off: dict[str, dict[str, list[float]]] = {
        lever.name: {name: [] for name in named} for lever in levers
    }
    for dataset in datasets:
        for frame in frames_of(dataset):
            counts: dict[str, dict[str, float]] = {lever.name: {} for lever in levers}
            for name, picture, diameter_px, corner in pictures(frame, dataset.cell_diameter_px):
                for lever in levers:
                    peaks = lever.peaks(picture, diameter_px)
                    if corner is not None:
                        peaks = in_shared_window(peaks, picture, diameter_px, corner)
                    counts[lever.name][name] = lever.count(peaks)
            for lever in levers:
                found = counts[lever.name]
                for name in named:
                    before = max(1.0, found[WINDOW if name == SHIFTED else UNCHANGED])
                    off[lever.name][name].append(100 * (found[name] - before) / before)
        print(dataset.name, flush=True)
    return off


def pictures(frame: Frame, diameter_px: float) -> Iterator[tuple[str, Frame, float, int | None]]:
    """Give every picture of a field: name, pixels, cell diameter told, and the window's corner."""
    yield UNCHANGED, frame, diameter_px, None
    yield WINDOW, frame, diameter_px, SHIFT_PX
    yield SHIFTED, with_pixels(frame, frame.pixels[SHIFT_PX:, SHIFT_PX:]), diameter_px, 0
    for name, change in CHANGES.items():
        yield name, with_pixels(frame, change(frame.pixels)), diameter_px, None
    for name, factor in DIAMETERS.items():
        yield name, frame, factor * diameter_px, None


def with_pixels(frame: Frame, pixels: Pixels) -> Frame:
    """Give a frame that holds these pixels."""
    return replace(frame, pixels=np.ascontiguousarray(pixels))


def in_shared_window(
    peaks: Candidates, frame: Frame, diameter_px: float, corner: int
) -> Candidates:
    """Keep what lies within a window that the field's shifted picture holds as well."""
    height, width = frame.pixels.shape
    first, beyond = corner + diameter_px, 2 * diameter_px
    kept = (peaks.y_px >= first) & (peaks.y_px < height - beyond)
    return some_of(peaks, kept & (peaks.x_px >= first) & (peaks.x_px < width - beyond))


def write(
    report: Path,
    levers: Sequence[Lever],
    scores: dict[str, dict[str, Summary]],
    changes: dict[str, dict[str, list[float]]],
) -> None:
    """Put the tables under what they say."""
    seen = trained_on(CARD.read_text(encoding="utf-8"))
    origin = describe_origin()
    shipped = levers[0].model
    parts = ["# What other settings would do to counts", NOTE]
    for title, key, sign in TABLES:
        parts += [f"## {title}", "\n".join(score_rows(levers, scores, seen, key, sign))]
    parts += [PICTURES, "\n".join(change_rows(levers, changes))]
    parts.append(
        f"`python benchmarks/levers.py IMAGES docs/levers.md`, {origin['date']}, commit "
        f"{origin['commit']}, {origin['machine']}; {shipped.name} {shipped.version}."
    )
    report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def score_rows(
    levers: Sequence[Lever],
    scores: dict[str, dict[str, Summary]],
    seen: set[str],
    key: str,
    sign: str,
) -> list[str]:
    """Write one row a lever, one column a set, and the means of seen and unseen sets."""
    names = sorted(scores, key=lambda name: (name not in seen, name))
    heads = ["lever", *names, "seen, mean", "unseen, mean"]
    rows = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for lever in levers:
        values = {name: scores[name][lever.name][key] for name in names}
        means = [
            mean_of([values[name] for name in names if (name in seen) is wanted], bool(sign))
            for wanted in (True, False)
        ]
        cells = [written(value, sign) for value in values.values()]
        cells += [written(value, "") for value in means]
        rows.append(f"| {lever.name} | " + " | ".join(cells) + " |")
    return rows


def mean_of(values: Sequence[float | int | None], absolute: bool) -> float | None:
    """Average what is known, or how far from 0 it lies."""
    known = np.array([value for value in values if value is not None], float)
    if not known.size:
        return None
    return float(np.abs(known).mean() if absolute else known.mean())


def written(value: float | int | None, sign: str) -> str:
    """Write a number, or nothing."""
    return "" if value is None else f"{value:{sign}.1f}"


def change_rows(levers: Sequence[Lever], changes: dict[str, dict[str, list[float]]]) -> list[str]:
    """Write one row a lever, one column a change."""
    named = [*CHANGES, SHIFTED, *DIAMETERS]
    rows = ["| lever | " + " | ".join(named) + " |", "|---|" + "---:|" * len(named)]
    for lever in levers:
        if not lever.changes:
            continue
        off = changes[lever.name]
        cells = [
            f"{np.abs(off[name]).mean():.1f} ({np.abs(off[name]).max():.1f})" for name in named
        ]
        rows.append(f"| {lever.name} | " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    main()
