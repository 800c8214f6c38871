"""One monitor per database: a lock beside it that ends with its process, however it ends."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from livecount.errors import MonitorRunningError, StoreError
from livecount.storage.database import check_place

__all__ = ["MonitorLock"]

# Those who only ask whether a monitor runs hold the lock for a moment.
_PATIENCE_S = 0.5


class MonitorLock:
    """Makes the holder the only monitor of a database.

    Who holds it is written to a second file, ``NAME.db.monitor``: a locked file cannot be read on
    Windows. That file means nothing without the lock.

    Parameters
    ----------
    database
        The database; the lock is ``NAME.db.lock`` beside it.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._holder = database.with_name(database.name + ".monitor")
        # Not bound to a thread: a signal handler's thread may release it.
        self._lock = FileLock(database.with_name(database.name + ".lock"), thread_local=False)

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        MonitorRunningError
            Another monitor has it; the message names its process.
        NetworkDatabaseError
            The database is on a network file system, where locks do not hold.
        StoreError
            The lock file cannot be made.
        """
        check_place(self._database)
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=_PATIENCE_S)
        except Timeout as error:
            raise MonitorRunningError(
                f"Another monitor ({self._describe_holder()}) already writes to {self._database}",
                hint="Stop it first, or give this run its own database with --database",
            ) from error
        except OSError as error:
            raise StoreError(
                f"The lock of the database {self._database} cannot be made: {error}",
                hint="Check that you may write to its folder, or choose another with --database",
            ) from error
        self._write_holder()

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def is_held_elsewhere(self) -> bool:
        """Tell whether a monitor has the lock; nothing is left behind."""
        if self._lock.is_locked or not Path(self._lock.lock_file).exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            # The lock is another user's; the file beside it is all there is to see.
            return self._holder.exists()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _write_holder(self) -> None:
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        unfinished = self._holder.with_name(self._holder.name + ".part")
        # It only describes who holds the lock: on a full disk the lock holds without it.
        with suppress(OSError):
            unfinished.write_text(json.dumps(about), encoding="utf-8")
            unfinished.replace(self._holder)

    def _describe_holder(self) -> str:
        try:
            about = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {about['pid']} on {about['host']} since {about['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "of unknown process"
