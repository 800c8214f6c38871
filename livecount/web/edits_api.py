"""What people say of an experiment, over the API: exclusions and events, added and taken back.

Nothing is changed or deleted (ADR 0026): taking back is a row's end, with who and when. Each is one
short transaction beside the running monitor.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from livecount.errors import NotInStoreError, RequestError
from livecount.excluding import describe_exclusion, exclude_as_said
from livecount.plate import spell_well
from livecount.platform.login import user_name
from livecount.storage import Exclusion, Experiment, ExperimentEvent, Instant, Said
from livecount.time_axis import instant_at, instant_on
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.problems import RESPONSES
from livecount.web.snapshots import Snapshot

__all__ = ["ExclusionShown", "make_edits_api", "show_exclusion"]

_ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_MOST_WELLS: Final = 1536
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_ONE_LINE),
]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=_ONE_LINE),
]
Hours = Annotated[float, Field(ge=-1e6, le=1e6, description="Hours after t0.")]
Number = Annotated[int, Path(ge=1, le=2**53, description="As the list shows it.")]
TakenBackBy = Annotated[Name | None, Query(description="Who takes it back (default: the user).")]


class _Given(BaseModel):
    """A body: what it does not know is refused, so that a misspelt name is not overlooked."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    by: Name | None = Field(None, description="Who says so (default: the computer's user).")


class ExclusionGiven(_Given):
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


class EventGiven(_Given):
    """Something done to the cells."""

    name: Name
    at_h: Hours | None = Field(None, description="Hours after t0 (default: now).")
    wells: list[Name] = Field([], max_length=_MOST_WELLS, description="Empty: all.")


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
            return [show_exclusion(one) for one in store.exclusions(found)]

    @api.post("/exclusions", status_code=201)
    def exclude(experiment_id: ExperimentId, given: ExclusionGiven) -> ExclusionMade:
        """Leave counts out of curves and rates; they stay in the tables with the reason."""
        found = find_experiment(board, experiment_id)
        snapshot = _snapshot(board, found)
        exclusion = _exclusion(snapshot, given)
        if given.frame_id is not None:
            _insist_on_frame(board, snapshot, given.frame_id)
        with board.edited() as store:
            number = store.add_exclusion(found, exclusion)
        return ExclusionMade(
            **show_exclusion(exclusion).model_dump(exclude={"number"}),
            number=number,
            n_frames=_n_met(snapshot, exclusion),
        )

    @api.delete("/exclusions/{number}", status_code=204)
    def put_back(experiment_id: ExperimentId, number: Number, by: TakenBackBy = None) -> None:
        """Withdraw an exclusion: the counts are used again, the list keeps that they were not."""
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            store.withdraw_exclusion(found, number, _said(by))


def _add_events(api: APIRouter, board: Board) -> None:
    @api.get("/events")
    def events(experiment_id: ExperimentId) -> list[EventShown]:
        """List what was done to the cells, withdrawn ones included, in the order they came."""
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            return [_show_event(one) for one in store.events(found)]

    @api.post("/events", status_code=201)
    def note(experiment_id: ExperimentId, given: EventGiven) -> EventShown:
        """Note what was done to the cells; curves show it."""
        found = find_experiment(board, experiment_id)
        when = _when(_snapshot(board, found), given.at_h)
        wells = tuple(dict.fromkeys(spell_well(well) for well in given.wells))
        event = ExperimentEvent(given.name, when, wells, _said(given.by))
        with board.edited() as store:
            number = store.add_event(found, event)
        return _show_event(event).model_copy(update={"number": number})

    @api.delete("/events/{number}", status_code=204)
    def take_back(experiment_id: ExperimentId, number: Number, by: TakenBackBy = None) -> None:
        """Take an event back; the list goes on showing that it was noted."""
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            store.withdraw_event(found, number, _said(by))


def _snapshot(board: Board, experiment: Experiment) -> Snapshot:
    return board.look(experiment).snapshot


def _said(by: str | None) -> Said:
    return Said(by or user_name(), datetime.now(UTC))


def _exclusion(snapshot: Snapshot, given: ExclusionGiven) -> Exclusion:
    frames = snapshot.frames
    return Exclusion(
        given.reason,
        _said(given.by),
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


def show_exclusion(one: Exclusion) -> ExclusionShown:
    """Give an exclusion as the API does."""
    return ExclusionShown(
        **_kept(one),
        reason=one.reason, what=describe_exclusion(one), frame_id=one.frame_id, plate=one.plate,
        well=one.well, field=one.field,
        start_h=None if one.start is None else one.start.elapsed_h,
        end_h=None if one.end is None else one.end.elapsed_h,
    )  # fmt: skip


def _show_event(one: ExperimentEvent) -> EventShown:
    return EventShown(
        **_kept(one),
        name=one.name, at_h=one.when.elapsed_h, at=one.when.at, wells=list(one.wells),
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
