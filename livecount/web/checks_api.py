"""Checked frames in the REST API: that every cell of a frame is right, said and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from livecount.storage import Analysis, CountReader, CountStore, FrameCheck
from livecount.web.board import Board
from livecount.web.bodies import Given, TakenBackBy, read_model, said_by
from livecount.web.corrections_api import Number
from livecount.web.frames_api import FrameId, insist_on_analysis, primary_of
from livecount.web.problems import RESPONSES, responses

__all__ = ["make_checks_api"]


class CheckAsked(Given):
    """What the person saw: which count, with which corrections."""

    analysis_id: str = Field(max_length=100, description="As the frame has it.")
    corrections: int = Field(ge=0, le=2**53, description="How many corrections hold.")
    last_correction: int = Field(
        ge=0, le=2**53, description="The largest of their numbers; 0 where none holds."
    )


class CheckShown(BaseModel):
    """A statement with who made it and when, and who ended it."""

    id: int
    made_by: str
    made_at: str
    withdrawn_by: str | None = Field(description="Who took it back or corrected a cell since.")
    withdrawn_at: str | None


class Checked(BaseModel):
    """Whether somebody says that every cell of a frame, as corrected, is right."""

    is_checked: bool
    checks: list[CheckShown]


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": CheckAsked.model_json_schema()}},
    }
}
_REFUSALS: Final = responses(
    s409="The cells are others by now than those that were seen.",
    s413="What was sent is too long.",
)


def make_checks_api(board: Board) -> APIRouter:
    """Make the routes of checked frames."""
    api = APIRouter(prefix="/api/v1", tags=["corrections"], responses=RESPONSES)

    def change(frame_id: int, write: Callable[[CountStore, Analysis], object]) -> Checked:
        with board.opened() as store:
            _, analysis = primary_of(store, store.frame(frame_id))
        with board.edited() as writing:
            write(writing, analysis)
            return _checked(writing, analysis, frame_id)

    @api.get("/frames/{frame_id}/checks")
    def checks(frame_id: FrameId) -> Checked:
        """List who said that every cell of a frame is right, also what was taken back."""
        with board.opened() as store:
            _, analysis = primary_of(store, store.frame(frame_id))
            return _checked(store, analysis, frame_id)

    @api.post(
        "/frames/{frame_id}/checks", status_code=201, openapi_extra=_BODY, responses=_REFUSALS
    )
    async def add(frame_id: FrameId, request: Request) -> Checked:
        """Say that every cell of a frame is right now; a later correction ends that."""
        asked = await read_model(request, CheckAsked)
        seen = (asked.corrections, asked.last_correction)

        def write(store: CountStore, analysis: Analysis) -> None:
            insist_on_analysis(analysis, asked.analysis_id)
            store.add_check(analysis, FrameCheck(frame_id, said_by(asked.by)), seen)

        return await asyncio.to_thread(change, frame_id, write)

    @api.delete("/frames/{frame_id}/checks/{number}")
    def take_back(frame_id: FrameId, number: Number, by: TakenBackBy = None) -> Checked:
        """Take a statement back; it stays in the list."""
        return change(
            frame_id,
            lambda store, analysis: store.withdraw_check(analysis, frame_id, number, said_by(by)),
        )

    return api


def _checked(store: CountReader, analysis: Analysis, frame_id: int) -> Checked:
    store.count_of(analysis, frame_id)
    known = store.checks(analysis, frame_id)
    return Checked(
        is_checked=any(one.withdrawn is None for one in known),
        checks=[_shown(one) for one in known],
    )


def _shown(one: FrameCheck) -> CheckShown:
    ended = one.withdrawn
    return CheckShown(
        id=one.id,
        made_by=one.said.made_by,
        made_at=one.said.made_at.isoformat(),
        withdrawn_by=None if ended is None else ended.made_by,
        withdrawn_at=None if ended is None else ended.made_at.isoformat(),
    )
