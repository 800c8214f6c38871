"""Curves of wells and groups, as the growth page draws them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount.web.api import ExperimentId, find_experiment, packed
from livecount.web.board import Board
from livecount.web.drawing import Drawing
from livecount.web.group_curves import DrawnCurve
from livecount.web.problems import RESPONSES

__all__ = ["make_growth_api"]

_Hour = Annotated[float | None, Query(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Line(BaseModel):
    """One line; arrays are base64 of little-endian float32, NaN where not known."""

    number: int = Field(description="Its place among all lines of the snapshot.")
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
    """The lines of an experiment."""

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
    drawing = Drawing()

    @api.get("/experiments/{experiment_id}/curves")
    def curves(
        experiment_id: ExperimentId,
        by: Literal["wells", "groups"] = "groups",
        relative_to_h: _Hour = None,
        changed: Annotated[
            bool, Query(description="Only lines with counts that are newer than the snapshot.")
        ] = False,
    ) -> Curves:
        """Give the curves of wells, or of groups with their spread across wells.

        With `relative_to_h` each well is divided by its own value at that hour. Counts that came
        after the snapshot are on the lines; `changed` gives only those, so that who has the
        snapshot's lines can follow.
        """
        now = board.look(find_experiment(board, experiment_id))
        drawn = drawing.draw(now, by, relative_to_h)
        metrics = {one.series.metric for one in now.snapshot.tracks}
        return Curves(
            snapshot=now.number,
            by=by,
            metric=metrics.pop() if len(metrics) == 1 else "",
            relative_to_h=relative_to_h,
            without_base=dict(drawn.without_base),
            lines=[
                _line(number, one)
                for number, one in enumerate(drawn.lines)
                if not changed or number in drawn.changed
            ],
        )

    return api


def _line(number: int, curve: DrawnCurve) -> Line:
    return Line(
        number=number, label=curve.label, group=curve.group,
        hours=packed(curve.hours), values=packed(curve.values),
        low=packed(curve.low), high=packed(curve.high), sd=packed(curve.sd), sem=packed(curve.sem),
        n_wells=packed(curve.n_wells), excluded_hours=packed(curve.excluded_h),
        excluded_values=packed(curve.excluded_values),
    )  # fmt: skip
