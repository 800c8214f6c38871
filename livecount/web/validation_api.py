"""Frames to check from sparse to dense, and counts compared with those that were checked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount.checked_fields import fields_to_check, score_checked_fields
from livecount.scattering import scattered
from livecount.storage import FrameCheck, Validation
from livecount.validated import describe, is_usable
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.bodies import Given, said_by
from livecount.web.frames_api import insist_on_analysis
from livecount.web.marked import mark_excluded
from livecount.web.placed import PlacedFrame, place_of
from livecount.web.problems import RESPONSES, responses

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["make_validation_api"]

_RESPONSES: Final = RESPONSES | responses(s409="Another count is shown by now.")


class FieldToCheck(PlacedFrame):
    """A frame that is checked, or that should be."""

    checked_by: str | None
    checked_at: datetime | None


class FieldsToCheck(BaseModel):
    """Frames that together span the densities of a run, in an order that tells nothing."""

    snapshot: int
    analysis_id: str
    parts: int = Field(description="Parts of the counts, from sparse to dense, of equal size.")
    parts_checked: int = Field(description="Those of which a frame is checked.")
    fields: list[FieldToCheck]


class ValidationShown(BaseModel):
    """How counts agreed with what people saw."""

    says: str = Field(description="In words.")
    counts_as_validation: bool = Field(
        description="Whether it has fields enough, and none speaks against it."
    )
    n_fields: int
    n_not_blind: int = Field(description="Fields checked with the cells that were found shown.")
    bias_percent: float | None
    limits_percent: tuple[float, float] | None = Field(
        description="95 % limits of agreement, Bland and Altman."
    )
    made_by: str
    made_at: datetime


class ValidationMade(ValidationShown):
    """A new comparison."""

    left_out: list[str] = Field(description="Checked frames that are not used.")


class ComparisonAsked(Given):
    """The counts that are compared with the frames that people checked."""

    analysis_id: str = Field(max_length=100, description="As `fields` has it.")


def make_validation_api(board: Board) -> APIRouter:
    """Make the routes of fields to check and of comparisons with them."""
    api = APIRouter(
        prefix="/api/v1/experiments/{experiment_id}", tags=["validation"], responses=RESPONSES
    )

    @api.get("/fields")
    def fields(
        experiment_id: ExperimentId,
        parts: Annotated[int, Query(ge=3, le=200)] = 12,
        blinded: bool = False,
    ) -> FieldsToCheck:
        """Name frames to look through, one of each part of the counts from sparse to dense."""
        shown = board.look(find_experiment(board, experiment_id))
        snapshot = shown.snapshot
        with board.opened() as store:
            checks = {one.frame_id: one for one in store.checked_frames(snapshot.analysis)}
        frames = snapshot.frames
        found = fields_to_check(snapshot.densities, parts, checks)
        chosen = np.concatenate([np.empty(0, np.int64), *found])
        ordered = frames.loc[chosen[np.argsort(scattered(chosen))]] if found else frames
        return FieldsToCheck(
            snapshot=shown.number,
            analysis_id=snapshot.analysis.id,
            parts=len(found),
            parts_checked=sum(int(part[0]) in checks for part in found),
            fields=_rows(ordered, checks, blinded=blinded),
        )

    @api.get("/validations")
    def validations(experiment_id: ExperimentId) -> list[ValidationShown]:
        """List the comparisons of the counts that are shown, the latest first."""
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            kept = store.validations(store.analysis(found))
        return [_shown(one) for one in kept]

    @api.post("/validations", status_code=201, responses=_RESPONSES)
    def compare(experiment_id: ExperimentId, asked: ComparisonAsked) -> ValidationMade:
        """Compare the counts with the frames that people checked, and keep the result."""
        found = find_experiment(board, experiment_id)
        snapshot = board.look(found).snapshot
        analysis = snapshot.analysis
        insist_on_analysis(analysis, asked.analysis_id)
        with board.opened() as store:
            checked = [one.frame_id for one in store.checked_frames(analysis)]
            frames = snapshot.frames[snapshot.frames.index.isin(checked)]
            standing = [one for one in store.exclusions(found) if one.withdrawn is None]
            scored = score_checked_fields(store, analysis, mark_excluded(frames, standing))
        made = scored.validation(said_by(asked.by).made_by)
        with board.edited() as store:
            store.add_validation(analysis, made, [field.kept for field in scored.fields])
        return ValidationMade(**_shown(made).model_dump(), left_out=scored.not_done)

    return api


def _rows(
    frames: pd.DataFrame, checks: dict[int, FrameCheck], *, blinded: bool
) -> list[FieldToCheck]:
    rows = []
    for frame_id, row in zip(frames.index, frames.to_dict("records"), strict=True):
        check = checks.get(int(frame_id))
        rows.append(
            FieldToCheck(
                **place_of(frame_id, row, blinded=blinded),
                checked_by=None if check is None else check.said.made_by,
                checked_at=None if check is None else check.said.made_at,
            )
        )
    return rows


def _shown(one: Validation) -> ValidationShown:
    return ValidationShown(
        says=describe([one]),
        counts_as_validation=is_usable(one),
        n_fields=one.n_fields,
        n_not_blind=one.n_not_blind,
        bias_percent=one.agreement.bias_percent,
        limits_percent=one.agreement.limits_percent,
        made_by=one.made_by,
        made_at=one.made_at,
    )
