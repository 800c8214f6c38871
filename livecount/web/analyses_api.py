"""The analyses of an experiment in the REST API: another h beside the first, and which is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from livecount import recounting
from livecount.errors import PrimaryChangeError, RequestError
from livecount.frame import MIN_PROMINENCE
from livecount.storage import Analysis, AnalysisOrder, CountReader, Experiment
from livecount.web.api import ExperimentId, find_experiment
from livecount.web.board import Board
from livecount.web.bodies import Given, said_by
from livecount.web.problems import RESPONSES, responses
from livecount.web.recounts import Progress, Recounts

__all__ = ["make_analyses_api"]

_RESPONSES: Final = RESPONSES | responses(
    s409="A monitor counts the experiment at present, or the analysis lacks frames.",
)


class OrderShown(BaseModel):
    """That somebody wanted an analysis to be counted, or to be the one that is shown."""

    kind: Literal["count", "show"]
    made_by: str
    made_at: datetime


class AnalysisOfRun(BaseModel):
    """A count of the run."""

    analysis_id: str
    h: float
    model: str
    cell_diameter: str
    channel: str
    z: str
    is_primary: bool = Field(description="Whether pages, plots and exports show it.")
    is_recountable: bool = Field(description="It differs from the primary one in h at most.")
    n_frames: int
    n_lacking: int = Field(description="Frames that were counted otherwise only.")
    created_at: datetime
    orders: list[OrderShown] = Field(description="Who wanted it, oldest first; empty: the monitor.")


class AnalysesOfRun(BaseModel):
    """The counts of a run, the primary one first."""

    is_being_counted: bool = Field(
        description="A monitor counts the run by the primary analysis, which then has to stay so."
    )
    analyses: list[AnalysisOfRun]


class RecountShown(BaseModel):
    """How far a count with another h has come since the server started."""

    analysis_id: str
    h: float
    state: Literal["waiting", "running", "done", "failed"]
    n_done: int
    n_frames: int = Field(description="Frames that were lacking when it was asked for.")
    problem: str | None = Field(description="Why it has ended early, and what to do.")


class RecountGiven(Given):
    """Another h; what was counted with it before is kept, and only what is lacking is counted."""

    h: Annotated[float, Field(ge=MIN_PROMINENCE, le=1)]


class PrimaryGiven(Given):
    """The analysis that is to be shown."""

    analysis_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]


def make_analyses_api(board: Board, recounts: Recounts) -> APIRouter:
    """Make the routes of analyses and of counts with another h."""
    api = APIRouter(
        prefix="/api/v1/experiments/{experiment_id}", tags=["analyses"], responses=_RESPONSES
    )

    @api.get("/analyses")
    def analyses(experiment_id: ExperimentId) -> AnalysesOfRun:
        """List the counts of a run: each h, how many frames it has, and which one is shown."""
        found = find_experiment(board, experiment_id)
        with board.opened() as store:
            return _listed(store, found)

    @api.get("/recounts")
    def progress(experiment_id: ExperimentId) -> list[RecountShown]:
        """Tell how far the counts with another h have come that were asked for."""
        return [_shown(one) for one in recounts.of(find_experiment(board, experiment_id))]

    @api.post("/recounts", status_code=202)
    def count_again(experiment_id: ExperimentId, given: RecountGiven) -> RecountShown:
        """Count all frames with another h, from what is stored; it stands beside the other counts.

        It runs in the background. Asked for again, also after it was cut short, it goes on and
        takes in the frames that have come since.
        """
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            analysis = recounting.order(store, found, given.h, said=said_by(given.by))
            n_frames = recounting.n_lacking(store, found, analysis)
        return _shown(recounts.ask(found, analysis, n_frames))

    @api.post("/primary-analysis")
    def make_primary(experiment_id: ExperimentId, given: PrimaryGiven) -> AnalysesOfRun:
        """Let pages, plots and exports show another count of the run from now on."""
        found = find_experiment(board, experiment_id)
        with board.edited() as store:
            analysis = store.analysis(found, given.analysis_id)
            try:
                recounting.make_primary(store, found, analysis, said_by(given.by))
            except PrimaryChangeError as refused:
                raise RequestError(refused.message, hint=refused.hint, status=409) from refused
            return _listed(store, found)

    return api


def _listed(store: CountReader, experiment: Experiment) -> AnalysesOfRun:
    known = store.analyses(experiment)
    orders = store.analysis_orders(experiment)
    primary = next((one for one in known if one.is_primary), None)
    family = [] if primary is None else recounting.family_of(store, experiment, primary)
    like_primary = {one.id for one in family}
    return AnalysesOfRun(
        is_being_counted=recounting.is_being_counted(store, experiment),
        analyses=[
            _of_run(store, experiment, one, orders, is_recountable=one.id in like_primary)
            for one in known
        ],
    )


def _of_run(
    store: CountReader,
    experiment: Experiment,
    analysis: Analysis,
    orders: list[AnalysisOrder],
    *,
    is_recountable: bool,
) -> AnalysisOfRun:
    settings = analysis.settings
    return AnalysisOfRun(
        analysis_id=analysis.id,
        h=settings.h,
        model=settings.model_name,
        cell_diameter=f"{settings.cell_diameter:g} {settings.cell_diameter_unit}",
        channel=settings.channel,
        z=settings.z,
        is_primary=analysis.is_primary,
        is_recountable=is_recountable,
        n_frames=store.n_counted(analysis),
        n_lacking=recounting.n_missing(store, experiment, analysis),
        created_at=analysis.created_at,
        orders=[
            OrderShown(kind=one.kind, made_by=one.said.made_by, made_at=one.said.made_at)
            for one in orders
            if one.analysis_id == analysis.id
        ],
    )


def _shown(one: Progress) -> RecountShown:
    return RecountShown(
        analysis_id=one.analysis_id,
        h=one.h,
        state=one.state,
        n_done=min(one.n_done, one.n_frames),
        n_frames=one.n_frames,
        problem=None if one.failure is None else str(one.failure.as_error()),
    )
