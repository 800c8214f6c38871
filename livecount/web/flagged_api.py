"""Frames that carry flags, in the order in which a reviewer should look, over the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from livecount.errors import RequestError
from livecount.flags import DOUBTS, NOTES, meaning
from livecount.readers.wells import natural_key
from livecount.scattering import scattered
from livecount.storage import Exclusion
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.marked import mark_excluded
from livecount.web.placed import PlacedFrame, place_of
from livecount.web.problems import RESPONSES
from livecount.web.snapshots import is_doubtful

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["make_flagged_api"]

State = Literal["any", "used", "excluded"]
Text = Annotated[str | None, Query(max_length=200)]
_HIDDEN = "excluded"
"""Reasons may tell wells and treatments."""


class FlagGroup(BaseModel):
    """A flag and how many frames carry it."""

    flag: str
    meaning: str = Field(description="In plain words; empty for one of an unknown reader.")
    is_doubt: bool = Field(description="Whether it says that the frame or its count may be wrong.")
    n: int


class WellListed(BaseModel):
    """A well with doubtful frames."""

    well: str
    n: int


class FlaggedFrame(PlacedFrame):
    """A frame that carries a flag."""

    flags: list[str]
    excluded: str = Field(
        description="The reason, blinded only that there is one; empty where it is used."
    )
    excluded_by: str = Field(description="A person, or `rule`.")
    exclusions: list[int] = Field(description="Numbers of exclusions of this frame alone.")


class Flagged(BaseModel):
    """A page of the flagged frames."""

    snapshot: int
    total: int
    groups: list[FlagGroup]
    wells: list[WellListed]
    frames: list[FlaggedFrame]


def make_flagged_api(board: Board) -> APIRouter:
    """Make the route."""
    api = APIRouter(prefix="/api/v1", tags=["read"], responses=RESPONSES)

    @api.get("/experiments/{experiment_id}/flagged")
    def flagged(
        experiment_id: ExperimentId,
        flag: Text = None,
        well: Text = None,
        state: State = "any",
        blinded: bool = False,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Flagged:
        """List frames whose flags put their count in doubt, or that carry the flag that is named.

        Blinded, without wells and treatments and in an order that tells nothing of them.
        """
        if blinded and well is not None:
            raise RequestError("A blinded list has no wells", hint="Leave well out", status=422)
        found = find_experiment(board, experiment_id)
        shown = board.look(found)
        with board.opened() as store:
            exclusions = [one for one in store.exclusions(found) if one.withdrawn is None]
        everywhere = shown.snapshot.frames
        if everywhere.empty:
            return Flagged(snapshot=shown.number, total=0, groups=[], wells=[], frames=[])
        frames = everywhere if well is None else everywhere[everywhere["well"] == well]
        chosen = _in_state(_chosen(frames, flag), state, exclusions)
        ordered = chosen.iloc[_blind_order(chosen) if blinded else _order(chosen, flag)]
        return Flagged(
            snapshot=shown.number,
            total=len(ordered),
            groups=_groups(frames),
            wells=[] if blinded else _wells(everywhere),
            frames=_rows(ordered.iloc[offset : offset + limit], exclusions, blinded=blinded),
        )

    return api


def _chosen(frames: pd.DataFrame, flag: str | None) -> pd.DataFrame:
    if flag is None:
        return frames[is_doubtful(frames["flags"].astype(object))]
    codes, texts = frames["flags"].astype(object).factorize()
    carries = np.array([flag in str(text).split(";") for text in texts], dtype=np.bool_)
    chosen: pd.DataFrame = frames[np.append(carries, False)[codes]]
    return chosen


def _in_state(frames: pd.DataFrame, state: State, exclusions: Sequence[Exclusion]) -> pd.DataFrame:
    marked = mark_excluded(frames, exclusions)
    if state == "any":
        return marked
    return marked[(marked["excluded"] != "") == (state == "excluded")]


def _order(frames: pd.DataFrame, flag: str | None) -> npt.NDArray[np.intp]:
    """Order by the gravest flag, then as the snapshot does: by place and time."""
    if flag is not None:
        return np.arange(len(frames))
    codes, texts = frames["flags"].astype(object).factorize()
    ranks = np.array([min(map(_rank, str(text).split(";"))) for text in texts], dtype=np.int64)
    return np.argsort(ranks[codes], kind="stable")


def _blind_order(frames: pd.DataFrame) -> npt.NDArray[np.intp]:
    return np.argsort(scattered(frames.index.to_numpy()), kind="stable")


def _rank(flag: str) -> int:
    if flag in DOUBTS:
        return DOUBTS.index(flag)
    return len(DOUBTS) + (flag in NOTES)


def _groups(frames: pd.DataFrame) -> list[FlagGroup]:
    tally: Counter[str] = Counter()
    for flags, n in frames["flags"].astype(object).value_counts().items():
        tally.update(dict.fromkeys((one for one in str(flags).split(";") if one), int(n)))
    return [
        FlagGroup(flag=flag, meaning=meaning(flag), is_doubt=flag not in NOTES, n=tally[flag])
        for flag in sorted(tally, key=lambda one: (_rank(one), one))
    ]


def _wells(frames: pd.DataFrame) -> list[WellListed]:
    doubtful = frames[is_doubtful(frames["flags"].astype(object))]
    tally = Counter(str(well) for well in doubtful["well"] if well)
    return [WellListed(well=well, n=tally[well]) for well in sorted(tally, key=natural_key)]


def _rows(
    frames: pd.DataFrame, exclusions: Iterable[Exclusion], *, blinded: bool
) -> list[FlaggedFrame]:
    alone: dict[int, list[int]] = {}
    for one in exclusions:
        if one.frame_id is not None:
            alone.setdefault(one.frame_id, []).append(one.id)
    rows = []
    for frame_id, row in zip(frames.index, frames.to_dict("records"), strict=True):
        rows.append(
            FlaggedFrame(
                **place_of(frame_id, row, blinded=blinded),
                flags=[flag for flag in row["flags"].split(";") if flag],
                excluded=_HIDDEN if blinded and row["excluded"] else row["excluded"],
                excluded_by="" if blinded else row["excluded_by"],
                exclusions=alone.get(int(frame_id), []),
            )
        )
    return rows
