"""Counts made again: another h from what is stored, another model from the frames themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from livecount.config import Config, with_experiment
from livecount.errors import ConfigError, LivecountError, StoreError, WorkerStartError
from livecount.frame import FrameCount
from livecount.inference import find_model
from livecount.monitor.choices import frame_choices
from livecount.monitor.counting import analysis_settings, rule_of
from livecount.monitor.experiment_worker import ExperimentWorker
from livecount.monitor.messages import FrameChoices
from livecount.monitor.worker import Worker
from livecount.storage import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    CountStore,
    Experiment,
    Source,
    WaitingPage,
)

__all__ = ["ModelRecount", "RecountKeeper", "count_at_h", "settings_with"]

_LOOK_EVERY_S = 2.0
_AT_ONCE = 100
"""Frames in a transaction: some tens of milliseconds."""


def settings_with(primary: Analysis, model: str | None, h: float | None) -> AnalysisSettings:
    """Give the settings of an analysis that differs from the primary one in model or h alone.

    Raises
    ------
    ModelError
        There is no such model.
    ConfigError
        It would be the primary one itself.
    """
    settings = primary.settings
    if model is not None:
        found = find_model(model)
        diameter = CellDiameter(settings.cell_diameter, settings.cell_diameter_unit, "")
        settings = analysis_settings(found, diameter, settings.channel, settings.z, h)
    elif h is not None:
        settings = replace(settings, h=h)
    if settings.analysis_id == primary.id:
        raise ConfigError(
            f"The experiment is counted with this model at h = {settings.h:g} already",
            hint="Give another --h or --model",
        )
    return settings


def count_at_h(
    store: CountStore,
    beside: Analysis,
    of: Analysis,
    on_step: Callable[[int], None] = lambda _: None,
) -> None:
    """Count all frames at another h from their candidates; belongs to the holder of the lock.

    Parameters
    ----------
    on_step
        Called with the number of frames dealt with since the last call, roughly.
    """
    after = -1
    reached = 0
    while reached != after:
        after = reached
        reached = store.count_at_h(beside, of, after=after, at_most=_AT_ONCE)
        on_step(_AT_ONCE)


class RecountKeeper:
    """Keeps the counts at another h up with the frames that come, a little at each turn."""

    def __init__(self, store: CountStore) -> None:
        self._store = store
        self._reached: dict[tuple[int, int], int] = {}
        self._pairs: list[tuple[Analysis, Analysis]] = []
        self._looked_s = -_LOOK_EVERY_S

    def advance(self, *, at_once: bool = False) -> bool:
        """Count some frames more; tell whether there were any.

        Raises
        ------
        StoreError
            The database does not take it now.
        """
        if at_once or time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            self._pairs = list(_at_another_h(self._store))
        left = []
        for beside, of in self._pairs:
            key = (beside.row_id, of.row_id)
            after = self._reached.get(key, 0)
            self._reached[key] = self._store.count_at_h(beside, of, after=after, at_most=_AT_ONCE)
            if self._reached[key] != after:
                left.append((beside, of))
        self._pairs = left
        return bool(left)


def _at_another_h(store: CountStore) -> Sequence[tuple[Analysis, Analysis]]:
    return [
        (recount.analysis, of)
        for experiment in store.experiments()
        for recount in store.recounts(experiment)
        for of in store.analyses(experiment)
        if of.id != recount.analysis.id and of.differs_in_h_alone(recount.analysis.settings)
    ]


@dataclass(slots=True)
class ModelRecount:
    """Reads the frames of an experiment again and counts them with another model.

    Belongs to the holder of the monitor's lock. What was counted stays counted, however it ends:
    the next call goes on with the rest.

    Attributes
    ----------
    left
        Frames that could not be counted again, and why.
    """

    config: Config
    store: CountStore
    experiment: Experiment
    beside: Analysis
    model_name: str
    left: list[tuple[str, str]] = field(default_factory=list)

    def waiting(self, primary: Analysis) -> list[WaitingPage]:
        """List the frames that are not counted yet."""
        return self.store.waiting_for(self.beside, primary)

    def run(self, waiting: Sequence[WaitingPage], on_step: Callable[[int], None]) -> None:
        """Count them, each kept at once.

        Raises
        ------
        ModelError, EngineError, WorkerStartError, StoreError
            Nothing can be counted, or kept.
        """
        if not waiting:
            return
        model = find_model(self.model_name)
        if model.calibration is not None:
            self.store.keep_calibration(model.onnx_sha256, model.calibration.to_mapping())
        sources = {source.id: source for source in self.store.sources(self.experiment)}
        counting = self.config.counting.model_copy(update={"model": self.model_name})
        worker = Worker(
            self.config.model_copy(update={"counting": counting}),
            patience_s=self.config.watch.patience_s,
            stop=threading.Event(),
            on_wait=lambda: None,
        )
        try:
            worker.start()
            asked = ExperimentWorker(worker, self._choices())
            for page in waiting:
                self._take(asked, sources[page.source_id], page)
                on_step(1)
        finally:
            worker.give_up()

    def _take(self, worker: ExperimentWorker, source: Source, page: WaitingPage) -> None:
        try:
            self._count(worker, source, page)
        except (StoreError, WorkerStartError):
            raise
        except (LivecountError, OSError, MemoryError, ValueError, ArithmeticError) as error:
            self._leave(page, str(error))

    def _count(self, worker: ExperimentWorker, source: Source, page: WaitingPage) -> None:
        settings = self.beside.settings
        read = worker.read(Path(source.folder), page.relative_path, page.page)
        if read.key.content_hash != page.content_hash or read.stamp is None:
            self._leave(page, "its file has changed since it was counted; the next run takes it up")
            return
        diameter = CellDiameter(settings.cell_diameter, settings.cell_diameter_unit, "")
        count: FrameCount = worker.count(read, rule_of(settings.h, diameter), self.beside.id)
        self.store.record(source, count, stamp=read.stamp)

    def _leave(self, page: WaitingPage, reason: str) -> None:
        self.left.append((page.relative_path.decode("utf-8", "backslashreplace"), reason))

    def _choices(self) -> FrameChoices:
        """Understand frames as the run did: as it was told last, else as it kept."""
        told = [
            order.settings
            for order in self.store.watch_orders()
            if order.experiment == self.experiment.name and order.settings is not None
        ]
        if told:
            given = with_experiment(self.config, told[-1], f"experiment {self.experiment.name!r}")
            return frame_choices(given)
        naming = self.experiment.settings.get("naming")
        return FrameChoices(*naming) if naming else frame_choices(self.config)
