"""Frames counted again with another model, beside the first count: only read, never changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from livecount.config import Config
from livecount.counting_rule import CountingRule
from livecount.errors import (
    ConfigError,
    LivecountError,
    RefusedFrameError,
    StoreError,
    WorkerStartError,
)
from livecount.inference import Model
from livecount.monitor.counting import facts_of_model
from livecount.monitor.worker import Worker
from livecount.platform.process import lower_priority
from livecount.readers import readable_path
from livecount.storage import Analysis, CountColumns, CountStore, Experiment, Said

__all__ = ["ModelRecount", "count_with_model", "order_model"]


@dataclass(frozen=True, slots=True)
class ModelRecount:
    """What another model counted.

    Attributes
    ----------
    n_new
        Frames that this call counted.
    left
        Name of each frame that could not be counted again, and why.
    """

    n_new: int
    left: dict[str, str]


def order_model(
    store: CountStore, experiment: Experiment, model: Model, h: float | None, said: Said
) -> Analysis:
    """Make the analysis that differs from the primary one in the model, and in h, alone.

    Parameters
    ----------
    h
        The model's own where None.

    Raises
    ------
    NotInStoreError
        Nothing was counted yet.
    ConfigError
        It would be the primary one itself.
    """
    primary = store.analysis(experiment)
    settings = replace(
        primary.settings,
        model_name=model.name,
        model_sha256=model.onnx_sha256,
        h=model.h if h is None else h,
        further={**primary.settings.further, **facts_of_model(model)},
    )
    if settings.analysis_id == primary.id:
        raise ConfigError(
            f"Experiment {experiment.name!r} is counted with {model.name} at h = {settings.h:g} "
            "already",
            hint="Give another --model or another --h",
        )
    if model.calibration is not None:
        store.keep_calibration(model.onnx_sha256, model.calibration.to_mapping())
    if model.learnt_hashes:
        store.keep_learnt(model.onnx_sha256, model.learnt_hashes)
    analysis = store.ensure_analysis(experiment, settings)
    store.order_count(analysis, said)
    return analysis


def count_with_model(
    config: Config,
    store: CountStore,
    analysis: Analysis,
    primary: Analysis,
    on_frame: Callable[[int], None] = lambda _: None,
) -> ModelRecount:
    """Count by an analysis what the primary one has counted and it has not.

    Reads the frames again, in a process of its own that may end with one of them; beside a running
    monitor it has the lowest priority. Each count is kept at once: another call goes on.

    Parameters
    ----------
    config
        Settings of the experiment with the model's name, runtime and memory. Pixel sizes and areas
        are those that were stored, and frames get masks where the first count has some.
    on_frame
        Called with 1 after each frame, first with how many had their count before.

    Raises
    ------
    ModelError, EngineError, WorkerStartError, StoreError
        Nothing can be counted, or kept.
    """
    known = store.counts(primary)
    has_count = np.isin(known.frame_id, store.counts(analysis).frame_id)
    on_frame(int(has_count.sum()))
    lacking = np.flatnonzero(~has_count)
    if not len(lacking):
        return ModelRecount(0, {})
    lower_priority(behind_counting=True)
    segmented = bool((~np.isnan(known.confluence_percent)).any())
    counting = config.counting.model_copy(update={"segment": segmented})
    worker = Worker(
        config.model_copy(update={"counting": counting}),
        patience_s=config.watch.patience_s,
        stop=threading.Event(),
        on_wait=lambda: None,
    )
    n_new, left = 0, {}
    try:
        worker.start()
        for row in lacking.tolist():
            try:
                n_new += _count_again(worker, store, analysis, known, row)
            except (StoreError, WorkerStartError):
                raise
            except (LivecountError, OSError, MemoryError, ValueError, ArithmeticError) as error:
                left[_name(known, row)] = str(error)
            on_frame(1)
    finally:
        worker.give_up()
    return ModelRecount(n_new, left)


def _count_again(
    worker: Worker, store: CountStore, analysis: Analysis, known: CountColumns, row: int
) -> bool:
    """Count one frame again; tell whether that is new."""
    page = worker.read(Path(known.folder[row]), known.relative_path[row], int(known.page[row]))
    if page.key.content_hash != known.content_hash[row]:
        raise RefusedFrameError(
            f"{page.key.display_path} has changed since it was counted",
            hint="The monitor counts what it holds now",
        )
    count = worker.count(page, _rule(analysis, known, row), analysis.id)
    area_mm2 = float(known.area_mm2[row])
    kept = replace(count, area_mm2=None if np.isnan(area_mm2) else area_mm2)
    return store.record_beside(analysis, int(known.frame_id[row]), kept)


def _rule(analysis: Analysis, known: CountColumns, row: int) -> CountingRule:
    """Scale by the pixel size that was stored: it may have come late, from another file."""
    settings = analysis.settings
    if settings.cell_diameter_unit == "px":
        return CountingRule(h=settings.h, cell_diameter_px=settings.cell_diameter)
    size_um = float(known.pixel_size_um[row])
    if np.isnan(size_um):
        raise RefusedFrameError(f"{_name(known, row)}: its pixel size is not known any more")
    return CountingRule(h=settings.h, cell_diameter_px=settings.cell_diameter / size_um)


def _name(known: CountColumns, row: int) -> str:
    name = readable_path(known.relative_path[row])
    return f"{name}, page {known.page[row]}" if known.page[row] else name
