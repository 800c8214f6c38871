"""Experiments, watched folders and analyses: their rows and their records."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from livecount.errors import NotInStoreError, StoreError
from livecount.storage.moments import from_text, now_text
from livecount.storage.records import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    Experiment,
    Source,
)
from livecount.storage.tables import analyses, experiments, sources

__all__ = [
    "ensure_analysis",
    "ensure_experiment",
    "ensure_source",
    "list_analyses",
    "list_experiments",
    "list_sources",
    "lock_cell_diameter",
    "make_primary",
]


def list_experiments(connection: Connection) -> list[Experiment]:
    """Read all experiments, oldest first."""
    rows = connection.execute(select(experiments).order_by(experiments.c.id))
    return [_experiment(row) for row in rows]


def ensure_experiment(connection: Connection, name: str, given: Mapping[str, Any]) -> Experiment:
    """Create an experiment, or bring an existing one to what is given (None: leave as it is)."""
    if not name.strip():
        raise StoreError("An experiment needs a name", hint="Give one with --experiment NAME")
    changed = {key: value for key, value in given.items() if value is not None}
    known = experiments.c.name == name
    row = connection.execute(select(experiments).where(known)).one_or_none()
    if row is None:
        first = {"time_zone": "UTC", "settings": "{}", "created_at": now_text(), **changed}
        connection.execute(insert(experiments).values(name=name, **first))
    elif any(row._mapping[key] != value for key, value in changed.items()):
        connection.execute(update(experiments).where(known).values(**changed))
    return _experiment(connection.execute(select(experiments).where(known)).one())


def lock_cell_diameter(
    connection: Connection, experiment: Experiment, diameter: CellDiameter
) -> Experiment:
    """Set the cell diameter once; the same again is fine, another is refused."""
    known = experiments.c.id == experiment.id
    row = connection.execute(select(experiments).where(known)).one_or_none()
    if row is None:
        raise NotInStoreError(f"There is no experiment {experiment.name!r} in this database")
    locked = _experiment(row).cell_diameter
    if locked is None:
        connection.execute(
            update(experiments)
            .where(known)
            .values(
                cell_diameter=diameter.value,
                cell_diameter_unit=diameter.unit,
                cell_diameter_origin=diameter.origin,
            )
        )
    elif (locked.value, locked.unit) != (diameter.value, diameter.unit):
        raise StoreError(
            f"Experiment {experiment.name!r} is counted with a cell diameter of {locked.value:g} "
            f"{locked.unit} ({locked.origin}), not {diameter.value:g} {diameter.unit}",
            hint="Leave the diameter out, or start another experiment with --experiment NAME",
        )
    return _experiment(connection.execute(select(experiments).where(known)).one())


def list_sources(connection: Connection, experiment: Experiment | None) -> list[Source]:
    """Read the watched folders of one experiment or of all."""
    query = select(sources).order_by(sources.c.id)
    if experiment is not None:
        query = query.where(sources.c.experiment_id == experiment.id)
    return [_source(row) for row in connection.execute(query)]


def ensure_source(connection: Connection, experiment: Experiment, folder: str) -> Source:
    """Register a watched folder with an experiment."""
    raw = os.fsencode(folder)
    known = (sources.c.experiment_id == experiment.id) & (sources.c.folder == raw)
    row = connection.execute(select(sources).where(known)).one_or_none()
    if row is None:
        connection.execute(insert(sources).values(experiment_id=experiment.id, folder=raw))
        row = connection.execute(select(sources).where(known)).one()
    return _source(row)


def list_analyses(connection: Connection, experiment: Experiment) -> list[Analysis]:
    """Read an experiment's analyses, the primary one first."""
    query = (
        select(analyses)
        .where(analyses.c.experiment_id == experiment.id)
        .order_by(analyses.c.is_primary.desc(), analyses.c.id)
    )
    return [_analysis(row) for row in connection.execute(query)]


def ensure_analysis(
    connection: Connection,
    experiment: Experiment,
    settings: AnalysisSettings,
    *,
    may_be_primary: bool = True,
) -> Analysis:
    """Register an analysis; the first that may be becomes primary, a later one stands beside."""
    present = {analysis.id: analysis for analysis in list_analyses(connection, experiment)}
    if settings.analysis_id in present:
        return present[settings.analysis_id]
    connection.execute(
        insert(analyses).values(
            experiment_id=experiment.id,
            analysis_id=settings.analysis_id,
            model_name=settings.model_name,
            model_sha256=settings.model_sha256,
            cell_diameter=settings.cell_diameter,
            cell_diameter_unit=settings.cell_diameter_unit,
            channel=settings.channel,
            z=settings.z,
            h=settings.h,
            min_prominence=settings.min_prominence,
            detection_rule=settings.detection_rule,
            further=json.dumps(dict(settings.further), sort_keys=True),
            is_primary=int(may_be_primary and not any(one.is_primary for one in present.values())),
            created_at=now_text(),
        )
    )
    made = list_analyses(connection, experiment)
    return next(analysis for analysis in made if analysis.id == settings.analysis_id)


def make_primary(connection: Connection, analysis: Analysis) -> None:
    """Let another analysis of the same experiment be the one that exports show."""
    of_experiment = analyses.c.experiment_id == analysis.experiment_id
    connection.execute(update(analyses).where(of_experiment).values(is_primary=0))
    chosen = of_experiment & (analyses.c.id == analysis.row_id)
    if not connection.execute(update(analyses).where(chosen).values(is_primary=1)).rowcount:
        raise NotInStoreError(f"There is no analysis {analysis.id} in this database")


def _experiment(row: Row[Any]) -> Experiment:
    diameter = None
    if row.cell_diameter is not None:
        diameter = CellDiameter(
            row.cell_diameter, row.cell_diameter_unit, row.cell_diameter_origin or ""
        )
    return Experiment(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        t0=from_text(row.t0),
        frame_interval_min=row.frame_interval_min,
        cell_diameter=diameter,
        settings=json.loads(row.settings),
        created_at=from_text(row.created_at),
    )


def _source(row: Row[Any]) -> Source:
    return Source(row.id, row.experiment_id, os.fsdecode(row.folder))


def _analysis(row: Row[Any]) -> Analysis:
    settings = AnalysisSettings(
        model_name=row.model_name,
        model_sha256=row.model_sha256,
        cell_diameter=row.cell_diameter,
        cell_diameter_unit=row.cell_diameter_unit,
        channel=row.channel,
        z=row.z,
        h=row.h,
        min_prominence=row.min_prominence,
        detection_rule=row.detection_rule,
        further=json.loads(row.further),
    )
    return Analysis(
        row_id=row.id,
        id=row.analysis_id,
        experiment_id=row.experiment_id,
        settings=settings,
        is_primary=bool(row.is_primary),
        created_at=from_text(row.created_at),
    )
