"""What the store can be asked of the monitor: its heartbeat, what it has to say, who was told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from livecount.storage import heartbeat_rows, notice_rows
from livecount.storage.notice_records import Delivery, Notice
from livecount.storage.records import Heartbeat

__all__ = ["NoticeReader"]


class NoticeReader(ABC):
    """The part of :class:`CountReader` that reads how the run is."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]: ...

    def notices(self, *, with_past: bool = False) -> list[Notice]:
        """List what is to be said until it is over, oldest first."""
        with self._reading() as connection:
            return notice_rows.list_notices(connection, with_past=with_past)

    def deliveries(self, *, target: str | None = None, only_open: bool = False) -> list[Delivery]:
        """List who outside is or was to be told of which notice, oldest first.

        Parameters
        ----------
        target
            Only what this one is told; None for all.
        only_open
            Only what was not delivered yet.
        """
        with self._reading() as connection:
            return notice_rows.list_deliveries(connection, target=target, only_open=only_open)

    def monitor(self) -> Heartbeat | None:
        """Read what the monitor last said of itself; None if there never was one."""
        with self._reading() as connection:
            return heartbeat_rows.read_heartbeat(connection)
