"""Score a model on annotated images, through the same path that counts frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.annotations import AnnotatedImage, Dataset, load_image
from livecount.errors import AnnotationError
from livecount.evaluation import FrameScore, score_frame, summarise
from livecount.frame import Frame
from livecount.inference import Engine, Model
from livecount.pipeline import CountingRule, FrameCounter
from livecount.readers import read_frames

__all__ = ["ModelScores", "score_model"]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """A model's scores on several data sets, in percent.

    Attributes
    ----------
    datasets
        Name of the data set -> what :func:`livecount.evaluation.summarise` gives.
    """

    datasets: dict[str, dict[str, float | int | None]]

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
    scores = {}
    for dataset in datasets:
        rule = CountingRule(
            h=model.h if h is None else h, cell_diameter_px=dataset.cell_diameter_px
        )
        counter = FrameCounter(model, engine, rule)
        scores[dataset.name] = summarise(list(_score_images(counter, dataset, on_image)))
    return ModelScores(scores)


def _score_images(
    counter: FrameCounter, dataset: Dataset, on_image: Callable[[], Any]
) -> Iterator[FrameScore]:
    for image in dataset.images:
        frame = _only_frame(image)
        annotated = load_image(image, partial(_already_read, frame))
        cells = counter.find_candidates(frame, dataset.cell_diameter_px).at(counter.rule.h)
        yield score_frame(
            image.path.name,
            np.column_stack([cells.y_px, cells.x_px]),
            annotated.centres_yx,
            frame.pixels.shape,
            radius_px=dataset.match_radius_px,
            edge_margin_px=dataset.edge_margin_px,
        )
        on_image()


def _already_read(frame: Frame, path: Path) -> npt.NDArray[Any]:  # noqa: ARG001
    return frame.pixels


def _only_frame(image: AnnotatedImage) -> Frame:
    frames = list(read_frames(image.path))
    if len(frames) != 1:
        raise AnnotationError(
            f"{image.path} holds {len(frames)} pages, but its annotations speak of one image",
            hint="Save each annotated image in a file of its own",
        )
    return frames[0]
