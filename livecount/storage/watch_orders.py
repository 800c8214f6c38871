"""Which experiments people want to be watched: orders that a running monitor takes up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select

from livecount.storage.edit_records import Said
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Experiment
from livecount.storage.recounts import RecountWriter
from livecount.storage.tables import experiments
from livecount.storage.watch_order_table import watch_orders

__all__ = ["WatchOrder", "WatchOrderWriter"]


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What holds of one experiment since somebody said so.

    Attributes
    ----------
    is_watched
        Whether it is to be watched and counted.
    settings
        Its settings, as in a table of ``[[experiments]]``; None where those are in a file.
    """

    experiment: str
    is_watched: bool
    settings: Mapping[str, Any] | None
    said: Said


class WatchOrderWriter(RecountWriter):
    """The part of :class:`CountStore` that keeps which experiments are to be watched."""

    def last_watch_order(self) -> int:
        """Give the number of the latest order; 0 where nobody gave any."""
        with self._reading() as connection:
            return int(connection.execute(select(func.max(watch_orders.c.id))).scalar() or 0)

    def watch_orders(self) -> dict[str, WatchOrder]:
        """Read what holds now: experiment's name -> latest order, with the settings last given."""
        query = (
            select(experiments.c.name, watch_orders)
            .join(experiments, watch_orders.c.experiment_id == experiments.c.id)
            .order_by(watch_orders.c.id)
        )
        holding: dict[str, WatchOrder] = {}
        with self._reading() as connection:
            for row in connection.execute(query):
                before = holding.get(row.name)
                settings = None if row.settings is None else json.loads(row.settings)
                if settings is None and before is not None:
                    settings = before.settings
                said = Said(row.made_by, from_text(row.made_at))
                holding[row.name] = WatchOrder(row.name, bool(row.is_watched), settings, said)
        return holding

    def order_watching(
        self,
        experiment: Experiment,
        said: Said,
        *,
        is_watched: bool,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep that an experiment is, or is not any more, to be watched; the history stays."""
        values = {
            "experiment_id": experiment.id,
            "is_watched": int(is_watched),
            "settings": None if settings is None else json.dumps(dict(settings), sort_keys=True),
            "made_by": said.made_by,
            "made_at": to_text(said.made_at),
        }
        with self._writing() as connection:
            connection.execute(insert(watch_orders).values(**values))
