"""Curves of wells and groups, as the growth page draws them."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount.growth import Reference
from livecount.web.api import ExperimentId, find_experiment, packed
from livecount.web.board import Board
from livecount.web.group_curves import (
    DrawnCurve,
    curves_of_groups,
    curves_of_wells,
    made_relative,
)
from livecount.web.problems import RESPONSES
from livecount.web.snapshots import Snapshot

__all__ = ["make_growth_api"]

_Hour = Annotated[float | None, Query(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Line(BaseModel):
    """One line; arrays are base64 of little-endian float32, NaN where not known."""

    label: str
    group: str
    hours: str
    values: str
    low: str = Field(description="95 % t-interval across wells; empty for a single well.")
    high: str
    sd: str
    sem: str
    n_wells: str
    excluded_hours: str
    excluded_values: str


class Curves(BaseModel):
    """All lines of an experiment."""

    snapshot: int
    by: Literal["wells", "groups"]
    metric: str
    relative_to_h: float | None
    without_base: dict[str, str] = Field(
        description="Wells that have no value to be relative to, and why."
    )
    lines: list[Line]


def make_growth_api(board: Board) -> APIRouter:
    """Make the routes."""
    api = APIRouter(prefix="/api/v1", tags=["read"], responses=RESPONSES)

    @lru_cache(maxsize=16)
    def drawn(
        snapshot: Snapshot, by: str, relative_to_h: float | None
    ) -> tuple[list[DrawnCurve], dict[str, str]]:
        reference = None if relative_to_h is None else Reference("that hour", relative_to_h)
        wells, without = made_relative([one.series for one in snapshot.tracks], reference)
        return (curves_of_groups if by == "groups" else curves_of_wells)(wells), without

    @api.get("/experiments/{experiment_id}/curves")
    def curves(
        experiment_id: ExperimentId,
        by: Literal["wells", "groups"] = "groups",
        relative_to_h: _Hour = None,
    ) -> Curves:
        """Give the curves of wells, or of groups with their spread across wells.

        With `relative_to_h` each well is divided by its own value at that hour.
        """
        shown = board.look(find_experiment(board, experiment_id))
        snapshot = shown.snapshot
        assert snapshot is not None
        found, without = drawn(snapshot, by, relative_to_h)
        metrics = {one.series.metric for one in snapshot.tracks}
        return Curves(
            snapshot=shown.number,
            by=by,
            metric=metrics.pop() if len(metrics) == 1 else "",
            relative_to_h=relative_to_h,
            without_base=without,
            lines=[_line(one) for one in found],
        )

    return api


def _line(curve: DrawnCurve) -> Line:
    return Line(
        label=curve.label, group=curve.group,
        hours=packed(curve.hours), values=packed(curve.values),
        low=packed(curve.low), high=packed(curve.high), sd=packed(curve.sd), sem=packed(curve.sem),
        n_wells=packed(curve.n_wells), excluded_hours=packed(curve.excluded_h),
        excluded_values=packed(curve.excluded_values),
    )  # fmt: skip
