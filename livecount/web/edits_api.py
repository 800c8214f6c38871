"""What people say of an experiment, over the API: exclusions and events, added and taken back.

Nothing is changed or deleted (ADR 0026): taking back is a row's end, with who and when. Each is one
short transaction beside the running monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StringConstraints, model_validator

from livecount.errors import NotInStoreError, RequestError
from livecount.excluding import describe_exclusion, exclude_as_said, insist_on_one_plate
from livecount.plate import spell_well
from livecount.storage import Exclusion, Experiment, ExperimentEvent, Instant
from livecount.time_axis import hours_from, instant_at, instant_on
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.bodies import ONE_LINE, Given, Name, TakenBackBy, said_by
from livecount.web.problems import RESPONSES
from livecount.web.snapshots import Snapshot

__all__ = ["ExclusionShown", "make_edits_api", "show_exclusion"]

_MOST_WELLS: Final = 1536
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=ONE_LINE),
]
Hours = Annotated[float, Field(ge=-1e6, le=1e6, description="Hours after t0.")]
Number = Annotated[int, Path(ge=1, le=2**53, description="As the list shows it.")]


class ExclusionGiven(Given):
    """Counts that are not to be used: one frame, or all that agree with place and time."""

    reason: Words
    frame_id: Annotated[int, Field(ge=1, le=2**53)] | None = None
    plate: Name | None = None
    well: Name | None = None
    field: Name | None = Field(None, description="A field or position.")
    start_h: Hours | None = None
    end_h: Hours | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> ExclusionGiven:
        places = (self.plate, self.well, self.field, self.start_h, self.end_h)
        if self.frame_id is not None and any(one is not None for one in places):
            raise ValueError("frame_id names one frame: leave place and time out")
        if self.frame_id is None and all(one is None for one in places):
            raise ValueError("say what: frame_id, plate, well, field, start_h or end_h")
        if self.start_h is not None and self.end_h is not None and self.start_h > self.end_h:
            raise ValueError("start_h is after end_h")
        return self


class EventGiven(Given):
    """Something done to the cells."""

    name: Name
    at_h: Hours | None = Field(None, description="Hours after t0 (default: now).")
    wells: list[Name] = Field(
        [], max_length=_MOST_WELLS, description="Empty: all. Else of every plate."
    )


class _Kept(BaseModel):
    number: int
    made_by: str
    made_at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None


class ExclusionShown(_Kept):
    """An exclusion; one that was withdrawn holds no more."""

    reason: str
    what: str = Field(description="Which counts, in words.")
    frame_id: int | None
    plate: str | None
    well: str | None
    field: str | None
    start_h: float | None
    end_h: float | None


class ExclusionMade(ExclusionShown):
    """A new exclusion."""

    n_frames: int = Field(description="Frames counted so far that it meets.")


class EventShown(_Kept):
    """An event; one that was withdrawn was noted by mistake."""

    name: str
    at_h: float
    at: datetime | None
    wells: list[str]


def make_edits_api(board: Board) -> APIRouter:
    """Make the routes of exclusions and events."""
    api = APIRouter(
        prefix="/api/v1/experiments/{experiment_id}", tags=["edits"], responses=RESPONSES
    )
    _add_exclusions(api, board)
    _add_events(api, board)
    return api


def _add_exclusions(api: APIRouter, board: Board) -> None:
    @api.get("/exclusions")
    def exclusions(experiment_id: ExperimentId) -> list[ExclusionShown]:
        """List what was excluded, withdrawn ones included, in the order they came."""
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            kept = store.exclusions(found)
        zero = _zero(board, found, [time for one in kept for time in (one.start, one.end)])
        return [show_exclusion(one, zero) for one in kept]

    @api.post("/exclusions", status_code=201)
    def exclude(experiment_id: ExperimentId, given: ExclusionGiven) -> ExclusionMade:
        """Leave counts out of curves and rates; they stay in the tables with the reason."""
        found = find_experiment(board, experiment_id)
        snapshot = _snapshot(board, found)
        exclusion = _exclusion(snapshot, given)
        insist_on_one_plate(snapshot.frames, exclusion)
        if given.frame_id is not None:
            _insist_on_frame(board, snapshot, given.frame_id)
        with board.edited() as store:
            number = store.add_exclusion(found, exclusion)
        return ExclusionMade(
            **show_exclusion(exclusion, snapshot.zero).model_dump(exclude={"number"}),
            number=number,
            n_frames=_n_met(snapshot, exclusion),
        )

    @api.delete("/exclusions/{number}", status_code=204)
    def put_back(experiment_id: ExperimentId, number: Number, by: TakenBackBy = None) -> None:
        """Withdraw an exclusion: the counts are used again, the list keeps that they were not."""
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            store.withdraw_exclusion(found, number, said_by(by))


def _add_events(api: APIRouter, board: Board) -> None:
    @api.get("/events")
    def events(experiment_id: ExperimentId) -> list[EventShown]:
        """List what was done to the cells, withdrawn ones included, in the order they came."""
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            kept = store.events(found)
        zero = _zero(board, found, [one.when for one in kept])
        return [_show_event(one, zero) for one in kept]

    @api.post("/events", status_code=201)
    def note(experiment_id: ExperimentId, given: EventGiven) -> EventShown:
        """Note what was done to the cells; curves show it."""
        found = find_experiment(board, experiment_id)
        snapshot = _snapshot(board, found)
        when = _when(snapshot, given.at_h)
        wells = tuple(dict.fromkeys(spell_well(well) for well in given.wells))
        event = ExperimentEvent(given.name, when, wells, said_by(given.by))
        with board.edited() as store:
            number = store.add_event(found, event)
        return _show_event(event, snapshot.zero).model_copy(update={"number": number})

    @api.delete("/events/{number}", status_code=204)
    def take_back(experiment_id: ExperimentId, number: Number, by: TakenBackBy = None) -> None:
        """Take an event back; the list goes on showing that it was noted."""
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            store.withdraw_event(found, number, said_by(by))


def _snapshot(board: Board, experiment: Experiment) -> Snapshot:
    return board.look(experiment).snapshot


def _zero(board: Board, experiment: Experiment, times: Sequence[Instant | None]) -> datetime | None:
    """Give the date of hour 0; a run that has no frame yet is not waited for."""
    has_dates = any(one is not None and one.at is not None for one in times)
    return _snapshot(board, experiment).zero if has_dates else None


def _exclusion(snapshot: Snapshot, given: ExclusionGiven) -> Exclusion:
    frames = snapshot.frames
    return Exclusion(
        given.reason,
        said_by(given.by),
        frame_id=given.frame_id,
        plate=given.plate,
        well=None if given.well is None else spell_well(given.well),
        field=given.field,
        start=None if given.start_h is None else instant_at(frames, given.start_h),
        end=None if given.end_h is None else instant_at(frames, given.end_h),
    )


def _insist_on_frame(board: Board, snapshot: Snapshot, frame_id: int) -> None:
    """Refuse a frame that is none of this experiment: exclusions are looked up in it alone."""
    if frame_id in snapshot.frames.index:
        return
    with board.opened() as store:
        later = store.counts(snapshot.analysis, after=snapshot.marks.last_count_id)
    if frame_id not in later.frame_id:
        raise NotInStoreError(
            f"Experiment {snapshot.experiment.name!r} has no counted frame {frame_id}",
            hint="Take frame_id from the list of flagged frames",
        )


def _n_met(snapshot: Snapshot, exclusion: Exclusion) -> int:
    if snapshot.frames.empty:
        return 0
    trial = snapshot.frames.assign(excluded="")
    exclude_as_said(trial, [exclusion])
    return int((trial["excluded"] != "").sum())


def _when(snapshot: Snapshot, at_h: float | None) -> Instant:
    if at_h is not None:
        return instant_at(snapshot.frames, at_h)
    now = instant_on(snapshot.frames, datetime.now(UTC))
    if now is None:
        raise RequestError(
            "The frames carry no dates, so that now has no place on their axis",
            hint="Give at_h",
            status=422,
        )
    return now


def show_exclusion(one: Exclusion, zero: datetime | None) -> ExclusionShown:
    """Give an exclusion as the API does, its hours from the present hour 0 on."""
    return ExclusionShown(
        **_kept(one),
        reason=one.reason, what=describe_exclusion(one, zero), frame_id=one.frame_id,
        plate=one.plate, well=one.well, field=one.field,
        start_h=None if one.start is None else hours_from(zero, one.start),
        end_h=None if one.end is None else hours_from(zero, one.end),
    )  # fmt: skip


def _show_event(one: ExperimentEvent, zero: datetime | None) -> EventShown:
    return EventShown(
        **_kept(one),
        name=one.name, at_h=hours_from(zero, one.when), at=one.when.at, wells=list(one.wells),
    )  # fmt: skip


def _kept(one: Exclusion | ExperimentEvent) -> dict[str, Any]:
    back = one.withdrawn
    return {
        "number": one.id,
        "made_by": one.said.made_by,
        "made_at": one.said.made_at,
        "withdrawn_by": None if back is None else back.made_by,
        "withdrawn_at": None if back is None else back.made_at,
    }
