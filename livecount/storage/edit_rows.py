"""The rows of what people say; nothing of it is ever changed but to be withdrawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update

from livecount.errors import NotInStoreError
from livecount.storage.edit_records import (
    Exclusion,
    ExperimentEvent,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.storage.edit_tables import events, exclusions, plate_maps
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Experiment
from livecount.storage.tables import frames

__all__ = [
    "add_event",
    "add_exclusion",
    "add_plate_map",
    "list_events",
    "list_exclusions",
    "list_plate_maps",
    "withdraw_event",
    "withdraw_exclusion",
]


def add_plate_map(connection: Connection, experiment: Experiment, version: PlateMapVersion) -> bool:
    """Keep a version unless it says what the last one said; tell whether it was news."""
    known = list_plate_maps(connection, experiment, only_last=True)
    if known and known[0].wells == version.wells:
        return False
    wells = json.dumps([dict(well) for well in version.wells], ensure_ascii=False)
    _add(
        connection, plate_maps, experiment, version.said, {"wells": wells, "origin": version.origin}
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
        said=_said(row),
    )


def add_event(connection: Connection, experiment: Experiment, event: ExperimentEvent) -> int:
    """Keep an event; give its number."""
    values = {
        "name": event.name,
        **_instant("at", event.when),
        "wells": json.dumps(list(event.wells), ensure_ascii=False),
    }
    return _add(connection, events, experiment, event.said, values)


def list_events(connection: Connection, experiment: Experiment) -> list[ExperimentEvent]:
    """Read an experiment's events, withdrawn ones included, in the order in which they came."""
    query = select(events).where(events.c.experiment_id == experiment.id).order_by(events.c.id)
    return [
        ExperimentEvent(
            name=row.name,
            when=Instant(row.at_h, from_text(row.at_date)),
            wells=tuple(json.loads(row.wells)),
            said=_said(row),
            withdrawn=_withdrawn(row),
            id=row.id,
        )
        for row in connection.execute(query)
    ]


def withdraw_event(connection: Connection, experiment: Experiment, number: int, by: Said) -> None:
    """Take an event back; it stays as its own history."""
    _withdraw(connection, events, experiment, number, by, "event")


def add_exclusion(connection: Connection, experiment: Experiment, exclusion: Exclusion) -> int:
    """Keep an exclusion; give its number."""
    if exclusion.frame_id is not None:
        known = select(frames.c.id).where(frames.c.id == exclusion.frame_id)
        if connection.execute(known).scalar() is None:
            raise NotInStoreError(f"There is no frame {exclusion.frame_id} in this database")
    values = {
        "reason": exclusion.reason,
        "frame_id": exclusion.frame_id,
        "plate": exclusion.plate,
        "well": exclusion.well,
        "field": exclusion.field,
        **_instant("start", exclusion.start),
        **_instant("end", exclusion.end),
    }
    return _add(connection, exclusions, experiment, exclusion.said, values)


def list_exclusions(connection: Connection, experiment: Experiment) -> list[Exclusion]:
    """Read an experiment's exclusions, withdrawn ones included, in the order they came."""
    of_experiment = exclusions.c.experiment_id == experiment.id
    query = select(exclusions).where(of_experiment).order_by(exclusions.c.id)
    return [
        Exclusion(
            reason=row.reason,
            said=_said(row),
            frame_id=row.frame_id,
            plate=row.plate,
            well=row.well,
            field=row.field,
            start=None if row.start_h is None else Instant(row.start_h, from_text(row.start_date)),
            end=None if row.end_h is None else Instant(row.end_h, from_text(row.end_date)),
            withdrawn=_withdrawn(row),
            id=row.id,
        )
        for row in connection.execute(query)
    ]


def withdraw_exclusion(
    connection: Connection, experiment: Experiment, number: int, by: Said
) -> None:
    """Take an exclusion back; it stays as its own history."""
    _withdraw(connection, exclusions, experiment, number, by, "exclusion")


def _instant(name: str, instant: Instant | None) -> dict[str, Any]:
    if instant is None:
        return {f"{name}_h": None, f"{name}_date": None}
    return {f"{name}_h": instant.elapsed_h, f"{name}_date": to_text(instant.at)}


def _said(row: Row[Any]) -> Said:
    return Said(row.made_by, from_text(row.made_at))


def _withdrawn(row: Row[Any]) -> Said | None:
    return None if row.withdrawn_at is None else Said(row.withdrawn_by, from_text(row.withdrawn_at))


def _add(
    connection: Connection,
    table: Table,
    experiment: Experiment,
    said: Said,
    values: Mapping[str, Any],
) -> int:
    made = {"made_by": said.made_by, "made_at": to_text(said.made_at)}
    added = connection.execute(insert(table).values(experiment_id=experiment.id, **values, **made))
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def _withdraw(
    connection: Connection,
    table: Table,
    experiment: Experiment,
    number: int,
    by: Said,
    what: str,
) -> None:
    """Mark a row as withdrawn; what is withdrawn already stays as it is."""
    chosen = (table.c.id == number) & (table.c.experiment_id == experiment.id)
    if connection.execute(select(table.c.id).where(chosen)).scalar() is None:
        raise NotInStoreError(
            f"Experiment {experiment.name!r} has no {what} number {number}",
            hint=f"`livecount {what} list` shows their numbers",
        )
    still = chosen & table.c.withdrawn_at.is_(None)
    values = {"withdrawn_by": by.made_by, "withdrawn_at": to_text(by.made_at)}
    connection.execute(update(table).where(still).values(**values))
