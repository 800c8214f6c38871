"""What the health page shows beside the state of the run: incidents, files set aside, settings."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount import __version__
from livecount.storage import Analysis, CountReader, Delivery, Experiment, Notice
from livecount.web.board import Board
from livecount.web.problems import RESPONSES, sendable

__all__ = ["make_health_api"]

Offset = Annotated[int, Query(ge=0, le=2**31)]
Limit = Annotated[int, Query(ge=1, le=500)]


class DeliveryShown(BaseModel):
    """That somebody is to be told of an incident's begin or end, or was."""

    target: str
    part: str
    delivered_at: datetime | None
    attempts: int = Field(description="How often it was tried in vain.")
    last_error: str | None


class Incident(BaseModel):
    """Something that happened to the run."""

    number: int
    kind: str
    text: str
    experiment: str | None
    plate: str | None
    well: str | None
    since: datetime
    until: datetime | None = Field(description="Null while it lasts.")
    told: list[DeliveryShown]


class Incidents(BaseModel):
    """A page of the incidents: those that last first, then the latest."""

    total: int
    n_lasting: int
    incidents: list[Incident]


class FileSetAside(BaseModel):
    """A file, or a page of one, that was given up on until it changes."""

    folder: str
    path: str
    page: int | None
    reason: str
    attempts: int
    since: datetime


class FilesSetAside(BaseModel):
    """A page of them, the latest first."""

    total: int
    files: list[FileSetAside]


class AnalysisShown(BaseModel):
    """What decides which cells a frame of an experiment is said to have."""

    experiment: str
    analysis_id: str
    is_primary: bool
    created_at: datetime
    model: str
    model_sha256: str
    h: float
    cell_diameter: float
    cell_diameter_unit: str
    cell_diameter_origin: str | None
    channel: str
    z: str
    further: dict[str, Any]


class Disk(BaseModel):
    """The disk that the database lies on."""

    free_bytes: int
    total_bytes: int
    database_bytes: int


class Machine(BaseModel):
    """What runs here."""

    livecount: str
    python: str
    sqlite: str
    system: str
    database: str
    disk: Disk
    monitor_livecount: str | None = Field(description="Version of the monitor; null before any.")
    monitor_host: str | None
    monitor_pid: int | None
    monitor_started_at: datetime | None


def make_health_api(board: Board) -> APIRouter:
    """Make the routes."""
    api = APIRouter(prefix="/api/v1", tags=["health"], responses=RESPONSES)

    @api.get("/incidents")
    def incidents(offset: Offset = 0, limit: Limit = 100) -> Incidents:
        """List what happened to the run, and who was told."""
        with board.opened() as store:
            found = sorted(
                store.notices(with_past=True), key=lambda one: (one.until is not None, -one.id)
            )
            told: dict[int, list[Delivery]] = {}
            for each in store.deliveries():
                told.setdefault(each.notice.id, []).append(each)
        return Incidents(
            total=len(found),
            n_lasting=sum(one.until is None for one in found),
            incidents=[
                _incident(one, told.get(one.id, ())) for one in found[offset : offset + limit]
            ],
        )

    @api.get("/set-aside")
    def set_aside(offset: Offset = 0, limit: Limit = 100) -> FilesSetAside:
        """List the files that could not be counted, with the reasons."""
        with board.opened() as store:
            found = sorted(store.quarantined(), key=lambda one: one.since, reverse=True)
        return FilesSetAside(
            total=len(found),
            files=[
                FileSetAside(
                    folder=sendable(one.folder), path=one.display_path, page=one.page,
                    reason=sendable(one.reason), attempts=one.attempts, since=one.since,
                )
                for one in found[offset : offset + limit]
            ],
        )  # fmt: skip

    @api.get("/analyses")
    def analyses() -> list[AnalysisShown]:
        """List the analyses of all experiments with what decides their counts."""
        with board.opened() as store:
            return _analyses(store)

    @api.get("/machine")
    def machine() -> Machine:
        """Give versions, and how much space the disk of the database has."""
        with board.opened() as store:
            return _machine(store)

    return api


def _incident(notice: Notice, told: Sequence[Delivery]) -> Incident:
    return Incident(
        number=notice.id, kind=notice.code, text=sendable(notice.text),
        experiment=notice.experiment, plate=notice.plate, well=notice.well,
        since=notice.since, until=notice.until,
        told=[
            DeliveryShown(
                target=one.target, part=one.part, delivered_at=one.delivered_at,
                attempts=one.attempts, last_error=one.last_error,
            )
            for one in told
        ],
    )  # fmt: skip


def _analyses(store: CountReader) -> list[AnalysisShown]:
    shown = []
    for experiment in store.experiments():
        shown += [_analysis(experiment, one) for one in store.analyses(experiment)]
    return shown


def _analysis(experiment: Experiment, analysis: Analysis) -> AnalysisShown:
    settings = analysis.settings
    kept = experiment.cell_diameter
    given = (settings.cell_diameter, settings.cell_diameter_unit)
    origin = kept.origin if kept is not None and (kept.value, kept.unit) == given else None
    return AnalysisShown(
        experiment=experiment.name, analysis_id=analysis.id, is_primary=analysis.is_primary,
        created_at=analysis.created_at, model=settings.model_name,
        model_sha256=settings.model_sha256, h=settings.h, cell_diameter=settings.cell_diameter,
        cell_diameter_unit=settings.cell_diameter_unit, cell_diameter_origin=origin,
        channel=settings.channel, z=settings.z, further=dict(settings.further),
    )  # fmt: skip


def _machine(store: CountReader) -> Machine:
    file = store.database.absolute()
    disk = shutil.disk_usage(file.parent)
    parts = (file, file.with_name(f"{file.name}-wal"))
    beat = store.monitor()
    return Machine(
        livecount=__version__,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.release()}",
        database=sendable(str(file)),
        disk=Disk(
            free_bytes=disk.free,
            total_bytes=disk.total,
            database_bytes=sum(part.stat().st_size for part in parts if part.exists()),
        ),
        monitor_livecount=None if beat is None else beat.livecount_version,
        monitor_host=None if beat is None else beat.host,
        monitor_pid=None if beat is None else beat.pid,
        monitor_started_at=None if beat is None else beat.started_at,
    )
