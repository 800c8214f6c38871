"""Score a model on annotated images, through the same path that counts frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.annotations import Dataset, load_image
from livecount.errors import AnnotationError
from livecount.evaluation import FrameScore, SweepFrame, score_at, summarise, sweep_h
from livecount.frame import Frame
from livecount.inference import Engine, Model
from livecount.learnt import hashes_of_image
from livecount.pipeline import CountingRule, FrameCounter
from livecount.readers import look, read_frames

__all__ = ["ModelScores", "ScoredSet", "read_only_frame", "score_model"]


_Scores = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """A data set with what a model found in it, to be scored at any h.

    Attributes
    ----------
    frames
        Candidates and annotations of every image.
    radius_px, edge_margin_px
        As for :func:`livecount.evaluation.score_frame`.
    learnt
        Names of the images that the model has learnt from, as far as its card lists them.
    """

    frames: tuple[SweepFrame, ...]
    radius_px: float
    edge_margin_px: float
    learnt: tuple[str, ...] = ()

    def at(self, h: float) -> list[FrameScore]:
        """Score every image at one h."""
        return [score_at(frame, h, self.radius_px, self.edge_margin_px) for frame in self.frames]

    def sweep(self, h_values: Sequence[float]) -> dict[float, _Scores]:
        """Score all images together at several h, without any inference."""
        return sweep_h(
            self.frames, h_values, radius_px=self.radius_px, edge_margin_px=self.edge_margin_px
        )


@dataclass(frozen=True, slots=True)
class ModelScores:
    """A model's scores on several data sets, in percent.

    Attributes
    ----------
    h
        Prominence from which a peak was a cell.
    sets
        Name of the data set -> its images with what was found in them.
    frames
        Name of the data set -> the score of each of its images at ``h``.
    datasets
        Name of the data set -> what :func:`livecount.evaluation.summarise` gives.
    """

    h: float
    sets: dict[str, ScoredSet]
    frames: dict[str, list[FrameScore]]
    datasets: dict[str, _Scores]

    @property
    def learnt(self) -> list[str]:
        """Images that the model has learnt from: their scores say nothing of others."""
        return [f"{name}/{image}" for name, found in self.sets.items() for image in found.learnt]

    def mean(self, score: str) -> float | None:
        """Average a score over the data sets that have it."""
        values = [found[score] for found in self.datasets.values()]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


def score_model(
    model: Model,
    engine: Engine,
    datasets: Sequence[Dataset],
    *,
    h: float | None = None,
    on_image: Callable[[], Any] = lambda: None,
) -> ModelScores:
    """Count every annotated image and compare with its centres.

    Parameters
    ----------
    h
        Prominence from which a peak is a cell; None for the model's own.
    on_image
        Called after each image.

    Raises
    ------
    AnnotationError
        Annotations do not fit their image.
    ReadError
        An image cannot be read.
    """
    h = model.h if h is None else h
    sets = {}
    for dataset in datasets:
        rule = CountingRule(h=h, cell_diameter_px=dataset.cell_diameter_px)
        counter = FrameCounter(model, engine, rule)
        learnt: list[str] = []
        frames = tuple(_look_through(counter, dataset, on_image, learnt))
        radius_px, margin_px = dataset.match_radius_px, dataset.edge_margin_px
        sets[dataset.name] = ScoredSet(frames, radius_px, margin_px, tuple(learnt))
    scored = {name: found.at(h) for name, found in sets.items()}
    return ModelScores(h, sets, scored, {name: summarise(of) for name, of in scored.items()})


def _look_through(
    counter: FrameCounter, dataset: Dataset, on_image: Callable[[], Any], learnt: list[str]
) -> Iterator[SweepFrame]:
    known = counter.model.learnt_hashes
    for image in dataset.images:
        frame = read_only_frame(image.path)
        annotated = load_image(image, partial(_already_read, frame))
        if not known.isdisjoint(hashes_of_image(image.path, frame.key.content_hash)):
            learnt.append(image.path.name)
        height, width = frame.pixels.shape
        yield SweepFrame(
            image.path.name,
            counter.find_candidates(frame, dataset.cell_diameter_px),
            np.asarray(annotated.centres_yx, np.float64),
            (height, width),
        )
        on_image()


def _already_read(frame: Frame, path: Path) -> npt.NDArray[Any]:  # noqa: ARG001
    return frame.pixels


def read_only_frame(path: Path) -> Frame:
    """Read an annotated image as frames are read that are counted.

    Raises
    ------
    AnnotationError
        The file holds several pages: it is not known which one is annotated.
    ReadError
        It cannot be read.
    """
    n_pages = look(path, settled=True).n_pages
    if n_pages != 1:
        raise AnnotationError(
            f"{path} holds {n_pages} pages, but its annotations speak of one image",
            hint="Save each annotated image in a file of its own",
        )
    return next(read_frames(path))
