"""Keeping what people want of the analyses of an experiment."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from livecount.storage import registry
from livecount.storage.analysis_order_reading import OrderKind
from livecount.storage.analysis_order_table import analysis_orders
from livecount.storage.edit_records import Said
from livecount.storage.moments import to_text
from livecount.storage.records import Analysis
from livecount.storage.writing import CountWriter

__all__ = ["AnalysisOrderWriter"]


class AnalysisOrderWriter(CountWriter):
    """The part of :class:`CountStore` that keeps what people want of analyses."""

    def order_count(self, analysis: Analysis, said: Said) -> None:
        """Keep that somebody wants all frames to be counted by this analysis."""
        with self._writing() as connection:
            _add(connection, analysis, "count", said)

    def make_primary(self, analysis: Analysis, said: Said | None = None) -> None:
        """Let this analysis be the one that exports show, instead of the present one.

        Parameters
        ----------
        said
            Who wants it and when; None where no person decided it.
        """
        with self._writing() as connection:
            registry.make_primary(connection, analysis)
            if said is not None:
                _add(connection, analysis, "show", said)


def _add(connection: Connection, analysis: Analysis, kind: OrderKind, said: Said) -> None:
    connection.execute(
        insert(analysis_orders).values(
            analysis_row_id=analysis.row_id,
            kind=kind,
            made_by=said.made_by,
            made_at=to_text(said.made_at),
        )
    )
