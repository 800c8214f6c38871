"""The part of :class:`CountStore` that keeps what people order, and counts again."""

from __future__ import annotations

from livecount.storage import order_rows, recount_rows, registry
from livecount.storage.edit_records import Said
from livecount.storage.order_records import Recount, WaitingPage, WatchOrder
from livecount.storage.records import Analysis, AnalysisSettings, Experiment
from livecount.storage.writing import CountWriter

__all__ = ["OrderKeeper"]


class OrderKeeper(CountWriter):
    """Orders of people, each a short transaction of its own, and what follows from recounts."""

    def watch_orders(self) -> list[WatchOrder]:
        """List what was ever said of the watching of experiments, the first first."""
        with self._reading() as connection:
            return order_rows.list_watch_orders(connection)

    def add_watch_order(self, order: WatchOrder) -> int:
        """Keep what somebody says of the watching of an experiment; give its number."""
        with self._writing() as connection:
            return order_rows.add_watch_order(connection, order)

    def recounts(self, experiment: Experiment) -> list[Recount]:
        """List the analyses that people asked for beside the first, in that order."""
        with self._reading() as connection:
            return order_rows.list_recounts(connection, experiment)

    def order_recount(
        self, experiment: Experiment, settings: AnalysisSettings, said: Said
    ) -> Analysis:
        """Ask for an analysis beside the others; asking again changes nothing."""
        with self._writing() as connection:
            analysis = registry.ensure_analysis(connection, experiment, settings)
            order_rows.add_recount(connection, analysis, said)
        return analysis

    def count_at_h(
        self, beside: Analysis, of: Analysis, *, after: int = 0, at_most: int = 100
    ) -> int:
        """Count frames at another h from their stored candidates; belongs to the monitor.

        Parameters
        ----------
        beside
            The analysis that gets the counts; it differs from ``of`` in h alone. Frames that have
            a count keep it.
        after
            What the last call returned; 0 at first.

        Returns
        -------
        int
            How far it is; ``after`` where nothing is left.
        """
        with self._writing() as connection:
            return recount_rows.count_at_h(connection, beside, of, after=after, at_most=at_most)

    def n_counts(self, analysis: Analysis) -> int:
        """Tell how many frames an analysis has counted, superseded ones included."""
        with self._reading() as connection:
            return order_rows.n_counts(connection, analysis)

    def waiting_for(self, beside: Analysis, of: Analysis) -> list[WaitingPage]:
        """List the current frames that one analysis has counted and another one has not."""
        with self._reading() as connection:
            return recount_rows.list_waiting(connection, beside, of)
