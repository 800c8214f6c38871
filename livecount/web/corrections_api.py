"""Corrected cells in the REST API: added, removed, moved, taken back; the model's count stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field, FiniteFloat, model_validator

from livecount.platform.login import user_name
from livecount.storage import Analysis, Correction, CountReader, CountStore
from livecount.web.board import Board
from livecount.web.bodies import Given, TakenBackBy, read_model, said_by
from livecount.web.frames_api import FrameId, insist_on_analysis, primary_of
from livecount.web.problems import RESPONSES, responses

__all__ = ["Number", "make_corrections_api"]

Number = Annotated[int, Path(ge=1, le=2**53, description="As the list of corrections has it.")]
_NEEDS: Final = {"add": (False, True), "remove": (True, False), "move": (True, True)}


class CorrectionAsked(Given):
    """A cell to add (`to`), remove (`from`) or move (`from`, `to`), in pixels of the frame."""

    kind: Literal["add", "remove", "move"]
    from_y: FiniteFloat | None = Field(None, description="Centre of a counted cell.")
    from_x: FiniteFloat | None = None
    to_y: FiniteFloat | None = None
    to_x: FiniteFloat | None = None
    analysis_id: str | None = Field(
        None, max_length=100, description="The count that the person saw; refused for another."
    )
    replaces: int | None = Field(
        None, ge=1, le=2**53, description="A correction that is taken back at the same time."
    )

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        for places, is_needed, name in zip(
            ((self.from_y, self.from_x), (self.to_y, self.to_x)),
            _NEEDS[self.kind],
            ("from", "to"),
            strict=True,
        ):
            if [place is not None for place in places] != [is_needed] * 2:
                needs = "needs both" if is_needed else "takes neither"
                raise ValueError(f"{self.kind} {needs} {name}_y and {name}_x")
        return self

    def correction(self, frame_id: int) -> Correction:
        """Give it as it is kept, said now."""
        start_yx = (
            None if self.from_y is None or self.from_x is None else (self.from_y, self.from_x)
        )
        end_yx = None if self.to_y is None or self.to_x is None else (self.to_y, self.to_x)
        return Correction(frame_id, self.kind, said_by(self.by), start_yx, end_yx)


class CorrectionShown(BaseModel):
    """A correction with who made it and when, and who took it back."""

    id: int
    kind: Literal["add", "remove", "move"]
    from_y: float | None
    from_x: float | None
    to_y: float | None
    to_x: float | None
    made_by: str
    made_at: str
    withdrawn_by: str | None
    withdrawn_at: str | None


class Corrected(BaseModel):
    """A frame's count, and as people corrected it."""

    count: int = Field(description="The model's; it stays.")
    corrected_count: int | None = Field(description="Null where no correction holds.")
    corrections: list[CorrectionShown]
    analysis_id: str = Field(description="The count that they speak of.")
    default_name: str = Field(description="Who is credited where no name is given.")


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": CorrectionAsked.model_json_schema()}},
    }
}
_REFUSALS: Final = responses(
    s409="Another count is shown by now than the one that was seen.",
    s413="What was sent is too long.",
)


def make_corrections_api(board: Board) -> APIRouter:
    """Make the routes of corrections."""
    api = APIRouter(prefix="/api/v1", tags=["corrections"], responses=RESPONSES)

    def change(frame_id: int, write: Callable[[CountStore, Analysis], object]) -> Corrected:
        with board.opened() as store:
            _, analysis = primary_of(store, store.frame(frame_id))
        with board.edited() as writing:
            write(writing, analysis)
            return _corrected(writing, analysis, frame_id)

    @api.get("/frames/{frame_id}/corrections")
    def corrections(frame_id: FrameId) -> Corrected:
        """List what people corrected on a frame, also what they took back."""
        with board.opened() as store:
            _, analysis = primary_of(store, store.frame(frame_id))
            return _corrected(store, analysis, frame_id)

    @api.post(
        "/frames/{frame_id}/corrections", status_code=201, openapi_extra=_BODY, responses=_REFUSALS
    )
    async def add(frame_id: FrameId, request: Request) -> Corrected:
        """Add, remove or move a cell; kept beside the model's count with who and when."""
        asked = await read_model(request, CorrectionAsked)
        made = asked.correction(frame_id)

        def write(store: CountStore, analysis: Analysis) -> None:
            insist_on_analysis(analysis, asked.analysis_id)
            with store.together():
                if asked.replaces is not None:
                    store.withdraw_correction(analysis, frame_id, asked.replaces, made.said)
                store.add_correction(analysis, made)

        return await asyncio.to_thread(change, frame_id, write)

    @api.delete("/frames/{frame_id}/corrections/{number}")
    def take_back(frame_id: FrameId, number: Number, by: TakenBackBy = None) -> Corrected:
        """Take a correction back; it stays in the list."""
        return change(
            frame_id,
            lambda store, analysis: store.withdraw_correction(
                analysis, frame_id, number, said_by(by)
            ),
        )

    return api


def _corrected(store: CountReader, analysis: Analysis, frame_id: int) -> Corrected:
    count = store.count_of(analysis, frame_id)
    known = store.corrections(analysis, frame_id)
    holding = [one for one in known if one.withdrawn is None]
    change = sum({"add": 1, "remove": -1}.get(one.kind, 0) for one in holding)
    return Corrected(
        count=count,
        corrected_count=count + change if holding else None,
        corrections=[_shown(one) for one in known],
        analysis_id=analysis.id,
        default_name=user_name(),
    )


def _shown(one: Correction) -> CorrectionShown:
    from_y, from_x = one.start_yx or (None, None)
    to_y, to_x = one.end_yx or (None, None)
    back = one.withdrawn
    return CorrectionShown(
        id=one.id,
        kind=one.kind,
        from_y=from_y,
        from_x=from_x,
        to_y=to_y,
        to_x=to_x,
        made_by=one.said.made_by,
        made_at=one.said.made_at.isoformat(),
        withdrawn_by=None if back is None else back.made_by,
        withdrawn_at=None if back is None else back.made_at.isoformat(),
    )
