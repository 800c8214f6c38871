"""Which experiments the monitor watches: those of its settings, and what people say meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import structlog

from livecount.config import Config, settings_of_added
from livecount.errors import (
    ConfigError,
    DatabaseUnavailableError,
    LivecountError,
    WorkerStartError,
)
from livecount.experiment_tables import clash
from livecount.monitor.alerts import Pace
from livecount.monitor.intake import Intake
from livecount.monitor.watched import Calls, WatchedExperiment, register
from livecount.monitor.worker import Worker
from livecount.storage import CountStore, Experiment, WatchOrder

__all__ = ["LineUp", "no_folder", "wanted"]

_LOOK_EVERY_S = 2.0
_STOPPED = "experiment_stopped"
_NOT_STARTED = "experiment_not_started"


def wanted(config: Config, store: CountStore) -> list[Config]:
    """Give the settings of each experiment to watch, those that people added or stopped included.

    Raises
    ------
    ConfigError
        There is nothing to watch, or what people added does not go with the rest.
    """
    orders = store.watch_orders()
    of_file = config.each_experiment if config.folders else ()
    chosen: list[Config] = []
    for one in of_file:
        order = orders.pop(one.experiment_name, None)
        if order is None or order.is_watched:
            chosen.append(one)
    if not of_file and not orders:
        raise no_folder()
    chosen += [
        settings_of_added(config, order.settings)
        for order in orders.values()
        if order.is_watched and order.settings is not None
    ]
    if found := clash(chosen):
        raise ConfigError(
            f"Experiment {chosen[found[0]].experiment_name!r}: {found[2]}",
            hint="`livecount experiment list` shows those that were added beside the settings",
        )
    return chosen


def no_folder() -> ConfigError:
    """Say that nothing names a folder."""
    return ConfigError(
        "No folder to watch", hint="Name one: `livecount run FOLDER`, or [watch] folders"
    )


def _say_stopped(store: CountStore, order: WatchOrder, tell: Callable[[str], None]) -> None:
    name = order.experiment
    text = (
        f"Experiment {name!r} is not watched: {order.said.made_by} stopped it on "
        f"{order.said.made_at:%Y-%m-%d %H:%M} UTC; `livecount experiment start` lets it go on"
    )
    if store.begin_notice(_STOPPED, text, subject=name):
        tell(text)


class LineUp:
    """The experiments that are watched at present.

    Parameters
    ----------
    experiments
        Those to begin with; ``worker`` knows their settings in this order.
    on_change
        Called with those that are watched, once they are others.
    """

    def __init__(
        self,
        config: Config,
        store: CountStore,
        experiments: Sequence[tuple[Config, Experiment]],
        worker: Worker,
        calls: Calls,
        on_change: Callable[[list[Experiment]], None],
    ) -> None:
        self._config = config
        self._store = store
        self._worker = worker
        self._calls = calls
        self._on_change = on_change
        self._taken_up = store.last_watch_order()
        self._looked_s = time.monotonic()
        self._log = structlog.get_logger("livecount.monitor")
        self.watched = [
            WatchedExperiment(number, one, store, experiment, worker, calls)
            for number, (one, experiment) in enumerate(experiments)
        ]
        self.is_watching = False

    def watch(self) -> None:
        """Start to watch every folder; say which are not watched because somebody stopped them."""
        of_file = {one.experiment_name for one in self._config.each_experiment}
        for order in self._store.watch_orders().values():
            if not order.is_watched and (order.settings or order.experiment in of_file):
                _say_stopped(self._store, order, self._calls.on_notice)
        for one in self.watched:
            self._watch(one)
        self.is_watching = True

    def leave(self) -> None:
        """Leave every folder."""
        for one in self.watched:
            one.leave()

    @property
    def intakes(self) -> list[Intake]:
        """All folders of all experiments."""
        return [intake for one in self.watched for intake in one.intakes]

    @property
    def idle_for_s(self) -> float:
        """For how long nothing was new, settling, queued or due in any of them."""
        if not self.is_watching:
            return 0.0
        return min((one.idle_for_s for one in self.watched), default=math.inf)

    @property
    def is_scanning(self) -> bool:
        """Whether each folder that is watched is really being looked at."""
        return self.is_watching and all(one.watcher.is_scanning() for one in self.intakes)

    @property
    def paces(self) -> dict[str, Pace]:
        """How each experiment goes on, by name."""
        return {one.name: Pace(one.n_counted, one.idle_for_s) for one in self.watched}

    def follow_orders(self) -> None:
        """Take up what people said since the last look, every few seconds."""
        if time.monotonic() - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = time.monotonic()
        latest = self._store.last_watch_order()
        if latest == self._taken_up:
            return
        for order in self._store.watch_orders().values():
            present = next((one for one in self.watched if one.name == order.experiment), None)
            if present is None and order.is_watched:
                self._begin(order)
            elif present is not None and not order.is_watched:
                self._stop(present, order)
        self._taken_up = latest
        self._on_change([one.experiment for one in self.watched])

    def _begin(self, order: WatchOrder) -> None:
        """Watch one more; what is wrong with it is said and stops no other."""
        name = order.experiment
        try:
            one = self._made(order)
            self._watch(one)
        except (DatabaseUnavailableError, WorkerStartError):
            raise
        except LivecountError as error:
            text = f"Experiment {name!r} cannot be watched: {error}"
            if self._store.begin_notice(_NOT_STARTED, text, subject=name):
                self._log.error("experiment not started", experiment=name, reason=str(error))
                self._calls.on_notice(text)
            return
        self.watched.append(one)
        for code in (_STOPPED, _NOT_STARTED):
            self._store.end_notice(code, subject=name)
        self._calls.on_notice(f"Experiment {name!r} is watched, as {order.said.made_by} said")

    def _made(self, order: WatchOrder) -> WatchedExperiment:
        of_file = {one.experiment_name: one for one in self._config.each_experiment}
        if order.experiment in of_file:
            config = of_file[order.experiment]
        elif order.settings is not None:
            config = settings_of_added(self._config, order.settings)
        else:
            raise ConfigError(
                "the settings that this monitor was started with do not name it",
                hint="Add it with `livecount experiment add`, or name it below [[experiments]]",
            )
        if found := clash([*(one.config for one in self.watched), config]):
            raise ConfigError(found[2], hint="Name another folder, or stop the other experiment")
        experiment = register(config, self._store)
        number = self._worker.add(config)
        return WatchedExperiment(number, config, self._store, experiment, self._worker, self._calls)

    def _watch(self, one: WatchedExperiment) -> None:
        one.watch()
        self._log.info(
            "watching",
            folders=[str(folder) for folder in one.config.watch.folders],
            engine=self._worker.engine.words,
            experiment=one.name,
        )

    def _stop(self, one: WatchedExperiment, order: WatchOrder) -> None:
        one.leave()
        self.watched.remove(one)
        for intake in one.intakes:
            self._store.end_notice(subject=intake.source.folder)
        self._store.end_notice(experiment=one.experiment)
        self._log.info("not watched any more", experiment=one.name)
        _say_stopped(self._store, order, self._calls.on_notice)
