"""The frames of the REST API: a place's series in time, one frame, its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from livecount.errors import CorrectedMeanwhileError, RequestError
from livecount.flags import meaning
from livecount.storage import Analysis, CountReader, Exclusion, Experiment, StoredFrame
from livecount.web.api import ExperimentId, find_experiment, packed, plain
from livecount.web.board import Board
from livecount.web.marked import mark_excluded
from livecount.web.missing_masks import missing_masks
from livecount.web.problems import RESPONSES, sendable
from livecount.web.snapshots import Snapshot

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FrameId", "insist_on_analysis", "make_frames_api", "primary_of", "series_of"]

FrameId = Annotated[int, Path(ge=1, le=2**53, description="As `frames` of an experiment lists it.")]
_PLACE = ("plate", "well", "field", "position", "channel", "z")


def _place(name: str) -> Any:
    return Query(max_length=1000, description=f"The {name}; empty for none, left out for any.")


class FrameListed(BaseModel):
    """A frame of a series."""

    id: int
    elapsed_h: float | None
    acquired_at: str | None = Field(description="ISO 8601 UTC.")
    count: int
    flags: list[str]
    excluded: str = Field(description="Why it is not used; empty where it is.")


class Series(BaseModel):
    """The counted frames of a place, in order of time."""

    snapshot: int
    frames: list[FrameListed]


class FlagShown(BaseModel):
    """A flag and what it says."""

    name: str
    meaning: str


class Place(BaseModel):
    """Where a frame was taken, as `frames` of an experiment takes it; empty for none."""

    plate: str
    well: str
    field: str
    position: str
    channel: str
    z: str


class FrameShown(BaseModel):
    """One frame and its count."""

    id: int
    experiment_id: int
    place: Place
    each_plane: bool = Field(description="Whether planes of a z series are series of their own.")
    height_px: int
    width_px: int
    pixel_size_um: float | None
    elapsed_h: float | None = Field(description="Null also where it was counted a moment ago.")
    acquired_at: str | None = Field(description="ISO 8601 UTC.")
    count: int
    h: float
    model: str
    analysis_id: str
    flags: list[FlagShown]
    no_masks: str = Field(description="Why there are no `masks`; empty where there are.")
    excluded: str
    excluded_by: str
    is_current: bool = Field(description="False where its file holds other content by now.")
    folder: str
    source: str = Field(description="The path below the watched folder.")
    page: int


class Cells(BaseModel):
    """All candidates of a frame, as base64 of little-endian float32; a cell is one above `h`."""

    h: float
    y: str = Field(description="Pixels from the middle of the upper left one, down.")
    x: str
    prominence: str


def make_frames_api(board: Board) -> APIRouter:
    """Make the routes that read frames."""
    api = APIRouter(prefix="/api/v1", tags=["frames"], responses=RESPONSES)

    @api.get("/experiments/{experiment_id}/frames")
    def series(
        experiment_id: ExperimentId,
        plate: Annotated[str | None, _place("plate")] = None,
        well: Annotated[str | None, _place("well")] = None,
        field: Annotated[str | None, _place("field")] = None,
        position: Annotated[str | None, _place("position")] = None,
        channel: Annotated[str | None, _place("channel")] = None,
        z: Annotated[str | None, _place("plane")] = None,
    ) -> Series:
        """List the counted frames of a place, or of several, in order of time."""
        asked = dict(zip(_PLACE, (plate, well, field, position, channel, z), strict=True))
        shown = board.look(find_experiment(board, experiment_id))
        return Series(snapshot=shown.number, frames=_listed(series_of(shown.snapshot, asked)))

    @api.get("/frames/{frame_id}")
    def frame(frame_id: FrameId) -> FrameShown:
        """Give one frame, its count under the primary analysis, and what is doubtful about it."""
        with board.opened() as store:
            found = store.frame(frame_id)
            experiment, analysis = primary_of(store, found)
            count = store.count_of(analysis, frame_id)
            missing = missing_masks(store.masks_kept(analysis, frame_id), analysis.settings.h)
            standing = [one for one in store.exclusions(experiment) if one.withdrawn is None]
        row = _row_of(board.look(experiment).snapshot, frame_id, standing)
        shown = _shown(found, analysis, count, row)
        return shown if missing is None else shown.model_copy(update={"no_masks": str(missing)})

    @api.get("/frames/{frame_id}/cells")
    def cells(frame_id: FrameId) -> Cells:
        """Give every candidate, so that another h can be tried without a new count."""
        with board.opened() as store:
            _, analysis = primary_of(store, store.frame(frame_id))
            found = store.candidates(analysis, frame_id)
        return Cells(
            h=analysis.settings.h,
            y=packed(found.y_px),
            x=packed(found.x_px),
            prominence=packed(found.prominence),
        )

    return api


def primary_of(store: CountReader, frame: StoredFrame) -> tuple[Experiment, Analysis]:
    """Find a frame's experiment and its primary analysis.

    Raises
    ------
    NotInStoreError
        Nothing was counted yet.
    """
    for one in store.experiments():
        if one.id == frame.experiment_id:
            return one, store.analysis(one)
    raise RequestError("The frame's experiment is gone", hint="Reload the page", status=404)


def insist_on_analysis(analysis: Analysis, seen: str | None) -> None:
    """Refuse what somebody says of a count that is not the one shown by now.

    Parameters
    ----------
    seen
        Id of the analysis that the person looked at; None where it was not said.

    Raises
    ------
    CorrectedMeanwhileError
        It is another.
    """
    if seen not in (None, analysis.id):
        raise CorrectedMeanwhileError(
            f"Another count is shown by now: {analysis.id}", hint="Reload the page"
        )


def series_of(snapshot: Snapshot, asked: Mapping[str, str | None]) -> pd.DataFrame:
    """Give the rows of a snapshot's frames of a place, in order of time.

    Parameters
    ----------
    asked
        What of the place is wanted; None for any, "" for none.
    """
    rows = snapshot.frames
    plate, well = asked["plate"], asked["well"]
    if plate is not None and well is not None:
        rows = rows.iloc[snapshot.rows_of_wells.get((plate, well), [])]
    for name, wanted in asked.items():
        if wanted is not None and len(rows):
            rows = rows[rows[name].isin(_spellings(name, wanted))]
    return rows.sort_values("elapsed_h", kind="stable", na_position="last") if len(rows) else rows


def _listed(rows: pd.DataFrame) -> list[FrameListed]:
    if not len(rows):
        return []
    columns = (rows[name] for name in ("elapsed_h", "acquired_at", "count", "flags", "excluded"))
    return [
        FrameListed(
            id=int(number),
            elapsed_h=plain(elapsed_h),
            acquired_at=_moment(acquired_at),
            count=int(count),
            flags=[flag for flag in flags.split(";") if flag],
            excluded=excluded,
        )
        for number, elapsed_h, acquired_at, count, flags, excluded in zip(
            rows.index, *columns, strict=True
        )
    ]


def _row_of(snapshot: Snapshot, frame_id: int, exclusions: Iterable[Exclusion]) -> pd.Series | None:
    """Give a frame's row with the exclusions that hold now; None where it was counted since."""
    if frame_id not in snapshot.frames.index:
        return None
    return mark_excluded(snapshot.frames.loc[[frame_id]], exclusions).iloc[0]


def _shown(frame: StoredFrame, analysis: Analysis, count: int, row: pd.Series | None) -> FrameShown:
    flags = [] if row is None else [flag for flag in row["flags"].split(";") if flag]
    return FrameShown(
        id=frame.id,
        experiment_id=frame.experiment_id,
        place=Place(**{name: _text(getattr(frame, name)) for name in _PLACE}),
        each_plane=analysis.settings.z == "all",
        height_px=frame.height_px,
        width_px=frame.width_px,
        pixel_size_um=frame.pixel_size_um,
        elapsed_h=None if row is None else plain(row["elapsed_h"]),
        acquired_at=None if frame.acquired_at is None else frame.acquired_at.isoformat(),
        count=count,
        h=analysis.settings.h,
        model=analysis.settings.model_name,
        analysis_id=analysis.id,
        flags=[FlagShown(name=flag, meaning=meaning(flag)) for flag in flags],
        no_masks="",
        excluded="" if row is None else str(row["excluded"]),
        excluded_by="" if row is None else str(row["excluded_by"]),
        is_current=frame.state == "counted",
        folder=sendable(frame.key.source),
        source=frame.key.display_path,
        page=frame.key.page,
    )


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)


def _spellings(name: str, wanted: str) -> list[str]:
    """Give how a name may stand in the table: a column of planes with gaps holds 3 as 3.0."""
    return [wanted, f"{wanted}.0"] if name == "z" else [wanted]


def _moment(at: pd.Timestamp) -> str | None:
    return None if at is None or at != at else at.isoformat()
