"""The REST API, ``/api/v1``: what the pages show, for scripts too; OpenAPI at ``openapi.json``."""

from __future__ import annotations

import base64
from collections.abc import Container, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from livecount.errors import RequestError
from livecount.growth import GrowthRow, Window
from livecount.storage import Analysis, CountReader, Experiment
from livecount.web.board import Board, Shown
from livecount.web.health import read_health, watched_folders
from livecount.web.problems import RESPONSES, sendable
from livecount.web.snapshots import Trace

__all__ = ["make_api"]

ExperimentId = Annotated[int, Path(ge=1, le=2**53, description="As listed by `experiments`.")]
_LATEST: Final = 50
"""Among so many counts is one of a frame that is still current."""
Hour = Annotated[float | None, Query(ge=-1e6, le=1e6, description="Hours after t0.")]


class Tallied(BaseModel):
    """What became of every frame ever seen."""

    seen: int
    counted: int
    pending: int
    ignored: int
    quarantined: int
    superseded: int


class ExperimentListed(BaseModel):
    """An experiment of this database."""

    id: int
    name: str
    analysis_id: str | None = Field(description="Of the primary analysis; null before any count.")
    frames: Tallied
    zero: str | None = Field(description="The declared t0, ISO 8601 UTC.")
    frame_interval_min: float | None
    folders: list[str]
    last_count_at: datetime | None
    is_watched: bool = Field(description="A monitor is at work on one of its folders.")
    interval_h: float | None = Field(description="The rhythm of its scans, as alerts learn it.")
    next_due_at: datetime | None = Field(description="When the next frame should be counted.")


class Curve(BaseModel):
    """Values over time, as base64 of little-endian float32."""

    hours: str
    values: str


class WellShown(BaseModel):
    """A well's curves; its frames are averaged over fields at each visit."""

    number: int
    plate: str | None
    well: str | None
    channel: str | None
    z: str | None
    group: str | None
    contents: str
    role: str
    metric: str
    growth: Curve
    confluence: Curve
    n_frames: int
    n_flagged: int
    n_excluded: int


class EventShown(BaseModel):
    """Something done to the cells."""

    name: str
    at_h: float
    wells: list[str]


class Plate(BaseModel):
    """All wells of an experiment under its primary analysis."""

    experiment: str
    analysis_id: str
    model: str
    h: float
    snapshot: int = Field(description="Grows whenever the curves were made anew.")
    zero: str | None = Field(description="The date of hour 0, ISO 8601 UTC.")
    wells: list[WellShown]
    events: list[EventShown]


class Growth(BaseModel):
    """Fits of wells and groups, as in `livecount export growth`, with the line that was fitted."""

    snapshot: int = Field(
        description="What was fitted; below that of the curves while new fits are being made."
    )
    start_h: float | None
    end_h: float | None
    rows: list[dict[str, Any]]


def make_api(board: Board) -> APIRouter:
    """Make the routes that read."""
    api = APIRouter(prefix="/api/v1", tags=["read"], responses=RESPONSES)

    @api.get("/experiments")
    def experiments() -> list[ExperimentListed]:
        """List the experiments of this database, oldest first."""
        with board.opened() as store:
            watched = watched_folders(store)
            return [_listed(board, store, one, watched) for one in store.experiments()]

    @api.get("/experiments/{experiment_id}/plate")
    def plate(experiment_id: ExperimentId) -> Plate:
        """Give the curves of all wells."""
        return _plate(board.look(find_experiment(board, experiment_id)))

    @api.get("/experiments/{experiment_id}/growth")
    def growth(experiment_id: ExperimentId, start_h: Hour = None, end_h: Hour = None) -> Growth:
        """Fit growth of wells and groups over a window; without one, over the whole run."""
        if start_h is not None and end_h is not None and start_h >= end_h:
            raise RequestError(
                "The window ends before it starts", hint="Give start_h below end_h", status=422
            )
        shown = board.look(find_experiment(board, experiment_id))
        window: Window | None = (start_h, end_h) if (start_h, end_h) != (None, None) else None
        made = board.growth(shown, window)
        rows = [_growth_row(row) for row in made.rows]
        return Growth(snapshot=made.number, start_h=start_h, end_h=end_h, rows=rows)

    @api.get("/health")
    def health() -> dict[str, Any]:
        """Say how the run is."""
        with board.opened() as store:
            return read_health(store).as_json()

    return api


def find_experiment(board: Board, experiment_id: int) -> Experiment:
    """Find an experiment by its number.

    Raises
    ------
    RequestError
        There is none.
    """
    with board.opened() as store:
        for one in store.experiments():
            if one.id == experiment_id:
                return one
    raise RequestError(f"There is no experiment {experiment_id}", hint="List them", status=404)


def _listed(
    board: Board, store: CountReader, experiment: Experiment, watched: Container[str]
) -> ExperimentListed:
    tally = store.tally(experiment)
    primary = next((one for one in store.analyses(experiment) if one.is_primary), None)
    folders = [source.folder for source in store.sources(experiment)]
    is_watched = any(folder in watched for folder in folders)
    last = None if primary is None else _last_count_at(store, experiment, primary)
    # Nothing is due of a run that nobody watches, so that its frames need not be read for this.
    snapshot = board.glance(experiment) if is_watched and primary is not None else None
    rhythm = None if snapshot is None else snapshot.rhythm
    due = None
    if rhythm is not None:
        due = max(rhythm.last_at, last or rhythm.last_at) + timedelta(hours=rhythm.interval_h)
    return ExperimentListed(
        id=experiment.id,
        name=experiment.name,
        analysis_id=None if primary is None else primary.id,
        frames=Tallied(
            seen=tally.seen, counted=tally.counted, pending=tally.pending, ignored=tally.ignored,
            quarantined=tally.quarantined, superseded=tally.superseded,
        ),
        zero=None if experiment.t0 is None else experiment.t0.isoformat(),
        frame_interval_min=experiment.frame_interval_min,
        folders=[sendable(folder) for folder in folders],
        last_count_at=last,
        is_watched=is_watched,
        interval_h=None if rhythm is None else rhythm.interval_h,
        next_due_at=due,
    )  # fmt: skip


def _last_count_at(
    store: CountReader, experiment: Experiment, analysis: Analysis
) -> datetime | None:
    last = store.change_marks(experiment, analysis).last_count_id
    moments = store.counts(analysis, after=last - _LATEST).counted_at
    if not len(moments):
        return None
    return moments.max().astype("datetime64[us]").item().replace(tzinfo=UTC)  # type: ignore[no-any-return]


def _plate(shown: Shown) -> Plate:
    snapshot, fresh = shown.snapshot, shown.fresh
    wells = []
    for number, track in enumerate(snapshot.tracks):
        growth = track.growth
        if number in fresh:
            end = fresh[number]
            growth = Trace(
                np.concatenate([growth.hours[: end.keep], end.trace.hours]),
                np.concatenate([growth.values[: end.keep], end.trace.values]),
            )
        series = track.series
        wells.append(
            WellShown(
                number=number, plate=series.plate, well=series.well, channel=series.channel,
                z=series.z, group=series.group, contents=track.contents, role=track.role,
                metric=series.metric, growth=_curve(growth), confluence=_curve(track.confluence),
                n_frames=track.n_frames, n_flagged=track.n_flagged, n_excluded=track.n_excluded,
            )
        )  # fmt: skip
    return Plate(
        experiment=snapshot.experiment.name,
        analysis_id=snapshot.analysis.id,
        model=snapshot.analysis.settings.model_name,
        h=snapshot.analysis.settings.h,
        snapshot=shown.number,
        zero=None if snapshot.zero is None else snapshot.zero.isoformat(),
        wells=wells,
        events=[
            EventShown(name=one.name, at_h=one.at_h, wells=list(one.wells))
            for one in snapshot.events
        ],
    )


def _growth_row(row: GrowthRow) -> dict[str, Any]:
    record = {name: plain(value) for name, value in row.as_record().items()}
    if row.curve is not None and row.start_h is not None and row.end_h is not None:
        hours = np.linspace(row.start_h, row.end_h, 60)
        record["line"] = {
            "hours": [plain(hour) for hour in hours],
            "values": [plain(value) for value in row.curve.values(hours)],
        }
    return record


def plain(value: Any) -> Any:
    """Give a value as JSON has it: not a number is null, never NaN."""
    if value is None or isinstance(value, (str, bool)):
        return None if value is None else str(value) if isinstance(value, str) else value
    if isinstance(value, (int, np.integer)):
        return int(value)
    number = float(value)
    return number if np.isfinite(number) else None


def _curve(trace: Trace) -> Curve:
    return Curve(hours=packed(trace.hours), values=packed(trace.values))


def packed(values: Iterable[float]) -> str:
    """Write numbers as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode("ascii")
