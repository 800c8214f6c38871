"""The rows of what people order; nothing of it is ever changed."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, insert, select

from livecount.storage.edit_records import Said
from livecount.storage.moments import from_text, to_text
from livecount.storage.order_records import Recount, WatchOrder
from livecount.storage.order_tables import recounts, watch_orders
from livecount.storage.records import Analysis, Experiment
from livecount.storage.registry import list_analyses
from livecount.storage.tables import counts

__all__ = ["add_recount", "add_watch_order", "list_recounts", "list_watch_orders", "n_counts"]


def add_watch_order(connection: Connection, order: WatchOrder) -> int:
    """Keep an order; give its number."""
    settings = None
    if order.settings is not None:
        settings = json.dumps(dict(order.settings), sort_keys=True)
    added = connection.execute(
        insert(watch_orders).values(
            experiment=order.experiment,
            verb=order.verb,
            settings=settings,
            made_by=order.said.made_by,
            made_at=to_text(order.said.made_at),
        )
    )
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def list_watch_orders(connection: Connection) -> list[WatchOrder]:
    """Read all orders, in the order in which they came."""
    return [
        WatchOrder(
            experiment=row.experiment,
            verb=row.verb,
            said=Said(row.made_by, from_text(row.made_at)),
            settings=None if row.settings is None else json.loads(row.settings),
            id=row.id,
        )
        for row in connection.execute(select(watch_orders).order_by(watch_orders.c.id))
    ]


def add_recount(connection: Connection, analysis: Analysis, said: Said) -> None:
    """Keep that an analysis was asked for; the first who did so stays."""
    of_analysis = recounts.c.analysis_row_id == analysis.row_id
    if connection.execute(select(recounts.c.id).where(of_analysis)).scalar() is None:
        made = {"made_by": said.made_by, "made_at": to_text(said.made_at)}
        connection.execute(insert(recounts).values(analysis_row_id=analysis.row_id, **made))


def list_recounts(connection: Connection, experiment: Experiment) -> list[Recount]:
    """Read an experiment's recounts, in the order in which they were asked for."""
    analyses = {one.row_id: one for one in list_analyses(connection, experiment)}
    of_experiment = recounts.c.analysis_row_id.in_(analyses)
    query = select(recounts).where(of_experiment).order_by(recounts.c.id)
    return [
        Recount(analyses[row.analysis_row_id], Said(row.made_by, from_text(row.made_at)))
        for row in connection.execute(query)
    ]


def n_counts(connection: Connection, analysis: Analysis) -> int:
    """Count an analysis' counts."""
    query = select(func.count()).where(counts.c.analysis_row_id == analysis.row_id)
    return int(connection.execute(query).scalar_one())
