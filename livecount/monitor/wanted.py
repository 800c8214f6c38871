"""Which experiments are to be watched: what the settings list, and what people ordered since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from livecount.config import Config, with_experiment
from livecount.errors import ConfigError
from livecount.storage import CountStore, Said, WatchOrder

__all__ = ["Wanted", "keep_what_runs", "wanted_of"]

_BY_SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be watched now.

    Attributes
    ----------
    configs
        Experiment -> its settings.
    unusable
        Experiment -> why the settings that somebody gave it cannot be used.
    stopped
        Experiments that the monitor's settings list and somebody stopped.
    """

    configs: dict[str, Config]
    unusable: dict[str, ConfigError]
    stopped: dict[str, WatchOrder]


def wanted_of(config: Config, orders: Sequence[WatchOrder]) -> Wanted:
    """Take the last word on each experiment; the settings' own come before those that were given.

    Parameters
    ----------
    orders
        All that were ever given, the first first.
    """
    last = {order.experiment: order for order in orders}
    told = {order.experiment: order for order in orders if order.settings is not None}
    wanted = Wanted({}, {}, {})
    for one in config.each_experiment:
        order = last.get(one.experiment_name)
        if order is not None and order.verb == "stop":
            wanted.stopped[order.experiment] = order
        else:
            wanted.configs[one.experiment_name] = one
    for name, order in last.items():
        if order.verb not in ("add", "start") or name in wanted.configs or name not in told:
            continue
        given = told[name]
        where = f"experiment {name!r} as {given.said.made_by} gave it"
        try:
            wanted.configs[name] = with_experiment(config, given.settings or {}, where)
        except ConfigError as error:
            wanted.unusable[name] = error
    return wanted


def keep_what_runs(config: Config, store: CountStore) -> None:
    """Keep the settings of an experiment that a monitor's settings list.

    So that ``livecount experiment start`` knows them once it is not listed any more.
    """
    name, table = config.experiment_name, config.own_table()
    orders = [order for order in store.watch_orders() if order.experiment == name]
    told = [order.settings for order in orders if order.settings is not None]
    if not orders or orders[-1].verb != "run" or told[-1] != table:
        said = Said(_BY_SETTINGS, datetime.now(UTC))
        store.add_watch_order(WatchOrder(name, "run", said, table))
