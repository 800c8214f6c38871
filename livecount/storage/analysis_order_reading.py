"""What people want of the analyses of an experiment, and how far each has counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, exists, func, select

from livecount.storage.analysis_order_table import analysis_orders
from livecount.storage.edit_records import Said
from livecount.storage.moments import from_text
from livecount.storage.records import Analysis, Experiment
from livecount.storage.tables import analyses, counts, frames

__all__ = ["AnalysisOrder", "AnalysisOrderReader", "OrderKind"]

OrderKind = Literal["count", "show"]


@dataclass(frozen=True, slots=True)
class AnalysisOrder:
    """That somebody wanted an analysis to count all there is, or to be the one that is shown."""

    analysis_id: str
    kind: OrderKind
    said: Said


class AnalysisOrderReader(ABC):
    """The part of :class:`CountReader` that tells how the analyses of an experiment stand."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]: ...

    def analysis_orders(self, experiment: Experiment) -> list[AnalysisOrder]:
        """List what people wanted of an experiment's analyses, oldest first."""
        query = (
            select(analyses.c.analysis_id, analysis_orders)
            .join(analyses, analysis_orders.c.analysis_row_id == analyses.c.id)
            .where(analyses.c.experiment_id == experiment.id)
            .order_by(analysis_orders.c.id)
        )
        with self._reading() as connection:
            return [
                AnalysisOrder(row.analysis_id, row.kind, Said(row.made_by, from_text(row.made_at)))
                for row in connection.execute(query)
            ]

    def n_counted(self, analysis: Analysis) -> int:
        """Tell how many current frames an analysis has counted."""
        query = (
            select(func.count())
            .select_from(counts)
            .join(frames, counts.c.frame_id == frames.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
        )
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def n_uncounted(self, analysis: Analysis, others: Sequence[Analysis]) -> int:
        """Tell how many current frames others have counted and this analysis has not."""
        there = counts.alias()
        is_counted = exists().where(
            (there.c.analysis_row_id == analysis.row_id) & (there.c.frame_id == counts.c.frame_id)
        )
        query = (
            select(func.count(counts.c.frame_id.distinct()))
            .join(frames, counts.c.frame_id == frames.c.id)
            .where(counts.c.analysis_row_id.in_([other.row_id for other in others]))
            .where((frames.c.state == "counted") & ~is_counted)
        )
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())
