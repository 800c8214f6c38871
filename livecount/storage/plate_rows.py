"""What people said of an experiment's wells: every version is kept, the last one holds."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Experiment, PlateMapVersion
from livecount.storage.tables import plate_maps

__all__ = ["add_plate_map", "list_plate_maps"]


def add_plate_map(connection: Connection, experiment: Experiment, version: PlateMapVersion) -> bool:
    """Keep a version unless it says what the last one said; tell whether it was news."""
    known = list_plate_maps(connection, experiment, only_last=True)
    if known and known[0].wells == version.wells:
        return False
    connection.execute(
        insert(plate_maps).values(
            experiment_id=experiment.id,
            wells=json.dumps([dict(well) for well in version.wells], ensure_ascii=False),
            origin=version.origin,
            made_by=version.made_by,
            made_at=to_text(version.made_at),
        )
    )
    return True


def list_plate_maps(
    connection: Connection, experiment: Experiment, *, only_last: bool = False
) -> list[PlateMapVersion]:
    """Read an experiment's plate maps, the latest first."""
    query = (
        select(plate_maps)
        .where(plate_maps.c.experiment_id == experiment.id)
        .order_by(plate_maps.c.id.desc())
    )
    rows = connection.execute(query.limit(1) if only_last else query)
    return [_version(row) for row in rows]


def _version(row: Row[Any]) -> PlateMapVersion:
    return PlateMapVersion(
        wells=tuple(json.loads(row.wells)),
        origin=row.origin,
        made_by=row.made_by,
        made_at=from_text(row.made_at),
    )
