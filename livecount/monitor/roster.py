"""The experiments that are watched, side by side, and why one is not.

People add, stop and start experiments while the monitor runs; it looks at what they ordered every
few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from livecount.config import Config
from livecount.errors import (
    ConfigError,
    DatabaseBusyError,
    DatabaseFullError,
    LivecountError,
)
from livecount.experiment_tables import overlapping
from livecount.monitor.wanted import Wanted, keep_what_runs, wanted_of
from livecount.monitor.watched import WatchedExperiment
from livecount.storage import CountStore, WatchOrder

__all__ = ["Roster"]

_REFUSED = "experiment_refused"
_TRY_AGAIN_S = 60.0
_LOOK_EVERY_S = 2.0


class Roster:
    """Begins and ends the watching of experiments; what is wrong with one stops no other.

    Parameters
    ----------
    make
        Makes a watched experiment of its settings.
    tell
        Called with what the user must know, when it begins and when it is over.
    """

    def __init__(
        self,
        config: Config,
        store: CountStore,
        make: Callable[[Config], WatchedExperiment],
        tell: Callable[[str], None],
    ) -> None:
        self.watched: list[WatchedExperiment] = []
        self.is_open = False
        self.changed_s = time.monotonic()
        self._config = config
        self._store = store
        self._make = make
        self._tell = tell
        self._refused: dict[str, tuple[Config, float]] = {}
        self._stopped: set[str] = set()
        self._said: set[str] = set()
        self._listed = {one.experiment_name for one in config.each_experiment}
        self._looked_s = time.monotonic()
        self._followed = 0
        self._log = structlog.get_logger("livecount.monitor")

    def begin(self) -> None:
        """Make all that are wanted, without opening their folders yet.

        Raises
        ------
        LivecountError
            None of them can be watched, or none is named; of several, the others are if one can.
        """
        orders = self._store.watch_orders()
        wanted, self._followed = wanted_of(self._config, orders), _last_of(orders)
        troubles = [(config, self._add(config)) for config in wanted.configs.values()]
        for config, trouble in troubles:
            if trouble is not None:
                if not self.watched:
                    raise trouble
                self._refuse(config.experiment_name, trouble, config)
        self._say_what_is_not(wanted)
        if not (self.watched or wanted.stopped or wanted.unusable):
            raise ConfigError(
                "No folder to watch", hint="Name one: `livecount run FOLDER`, or [watch] folders"
            )

    def open(self) -> None:
        """Begin to watch the folders of all that were made."""
        for one in list(self.watched):
            self._open(one)
        self.is_open = True

    def refresh(self) -> bool:
        """Follow what people ordered, and try again what was refused; tell whether that changed."""
        if time.monotonic() - self._looked_s < _LOOK_EVERY_S:
            return False
        self._looked_s = time.monotonic()
        before = list(self.watched)
        orders = self._store.watch_orders()
        if _last_of(orders) != self._followed:
            self._follow(wanted_of(self._config, orders))
            self._followed = _last_of(orders)
        for config, at_s in list(self._refused.values()):
            if time.monotonic() - at_s >= _TRY_AGAIN_S:
                self._watch(config)
        return self.watched != before

    def close(self) -> None:
        """End all watching."""
        for one in self.watched:
            one.close()

    def _follow(self, wanted: Wanted) -> None:
        """End what is not wanted any more and begin what is newly wanted."""
        for one in list(self.watched):
            name = one.experiment.name
            if name not in wanted.configs:
                one.leave()
                self.watched.remove(one)
                self.changed_s = time.monotonic()
                self._log.info("not watched any more", experiment=name)
                self._tell(f"Experiment {name!r} is not watched any more; its counts stay")
        for name in self._said - set(wanted.configs) - set(wanted.unusable):
            self._refused.pop(name, None)
            self._store.end_notice(_REFUSED, subject=name)
        self._said &= {*wanted.configs, *wanted.unusable}
        present = {one.experiment.name for one in self.watched}
        for name, config in wanted.configs.items():
            if name not in present:
                self._watch(config)
        self._say_what_is_not(wanted)

    def _watch(self, config: Config) -> None:
        trouble = self._add(config)
        if trouble is not None:
            self._refuse(config.experiment_name, trouble, config)
        elif self._open(self.watched[-1]):
            name = config.experiment_name
            folders = ", ".join(str(folder) for folder in config.watch.folders)
            self._tell(f"Experiment {name!r} is watched now: {folders}")

    def _say_what_is_not(self, wanted: Wanted) -> None:
        for name, error in wanted.unusable.items():
            self._refuse(name, error)
        for name in set(wanted.stopped) - self._stopped:
            said = wanted.stopped[name].said
            self._tell(
                f"Experiment {name!r} was stopped by {said.made_by} on "
                f"{said.made_at:%Y-%m-%d %H:%M} UTC; `livecount experiment start` lets it go on"
            )
        self._stopped = set(wanted.stopped)

    def _add(self, config: Config) -> LivecountError | None:
        """Make one that is to be watched; give what is wrong with it."""
        name = config.experiment_name
        try:
            self._refuse_overlap(config)
            one = self._make(config)
            if name in self._listed:
                keep_what_runs(config, self._store)
        except (DatabaseBusyError, DatabaseFullError):
            raise
        except LivecountError as error:
            return error
        self.watched.append(one)
        self.changed_s = time.monotonic()
        self._refused.pop(name, None)
        return None

    def _open(self, one: WatchedExperiment) -> bool:
        try:
            one.open()
        except LivecountError as error:
            one.close()
            self.watched.remove(one)
            if isinstance(error, DatabaseBusyError | DatabaseFullError):
                self._refused[one.config.experiment_name] = (one.config, -_TRY_AGAIN_S)
                raise
            self._refuse(one.experiment.name, error, one.config)
            return False
        self._log.info(
            "watching",
            folders=[str(folder) for folder in one.config.watch.folders],
            experiment=one.experiment.name,
        )
        self._said.discard(one.experiment.name)
        self._store.end_notice(_REFUSED, subject=one.experiment.name)
        return True

    def _refuse(self, name: str, error: LivecountError, config: Config | None = None) -> None:
        """Say once that an experiment is not watched, and why, for as long as it lasts."""
        if config is not None:
            self._refused[name] = (config, time.monotonic())
        self._said.add(name)
        text = f"Experiment {name!r} is not watched: {error}"
        if self._store.begin_notice(_REFUSED, text, subject=name):
            self._log.error("experiment not watched", experiment=name, reason=str(error))
            self._tell(text)

    def _refuse_overlap(self, config: Config) -> None:
        present: Sequence[Path] = [
            folder for one in self.watched for folder in one.config.watch.folders
        ]
        overlap = overlapping([*present, *config.watch.folders])
        if overlap:
            raise ConfigError(
                f"Experiment {config.experiment_name!r} cannot have a folder of another one: "
                f"{overlap}",
                hint="Let each experiment watch folders of its own",
            )


def _last_of(orders: Sequence[WatchOrder]) -> int:
    return orders[-1].id if orders else 0
