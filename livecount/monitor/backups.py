"""Backups that the monitor takes by itself, beside the counting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from livecount.errors import LivecountError
from livecount.settings import BackupSettings
from livecount.storage import CountStore, backup_folder, kept_backups, take_backup

__all__ = ["RegularBackup"]

_NOTICE = "backup_failed"


class RegularBackup:
    """Takes a verified copy of the database every so many hours, in a thread of its own.

    Copying reads only, so counting goes on meanwhile. What comes of it is told in the monitor's
    thread, at the next :meth:`tick`.

    Parameters
    ----------
    since
        When what is in the database began: without any backup yet, the first is due from then.
    on_notice
        Called with what the user must know.
    """

    def __init__(
        self,
        settings: BackupSettings,
        store: CountStore,
        since: datetime,
        on_notice: Callable[[str], None],
    ) -> None:
        self._store = store
        self._keep = settings.keep
        self._every = timedelta(hours=settings.every_h) if settings.every_h else None
        self._folder = settings.folder or backup_folder(store.database)
        self._on_notice = on_notice
        self._thread: threading.Thread | None = None
        self._outcome: Path | LivecountError | None = None
        taken = kept_backups(store.database, self._folder)
        self._last = taken[-1][0] if taken else since
        self._log = structlog.get_logger("livecount.monitor")

    def tick(self) -> None:
        """Begin a backup that is due; tell what came of the one before.

        Raises
        ------
        StoreError
            The notice of a failed backup could not be kept.
        """
        if self._thread is not None:
            if not self._thread.is_alive():
                self._thread = None
                self._tell()
        elif self._every is not None and self._is_due(self._every):
            self._last = datetime.now(UTC)
            self._thread = threading.Thread(target=self._take, name="livecount-backup", daemon=True)
            self._thread.start()

    def _is_due(self, every: timedelta) -> bool:
        """Tell whether one is due; a last one that lies ahead was named by a clock that was off."""
        since = datetime.now(UTC) - self._last
        return since >= every or since < timedelta(0)

    def _take(self) -> None:
        try:
            self._outcome = take_backup(self._store.database, self._folder, self._keep)
        except LivecountError as error:
            self._outcome = error
        except Exception as fault:
            self._log.exception("backup")
            self._outcome = LivecountError(f"The backup failed: {fault!r}", hint="See the log")

    def _tell(self) -> None:
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, LivecountError):
            self._log.error("backup failed", reason=str(outcome))
            if self._store.begin_notice(_NOTICE, str(outcome)):
                self._on_notice(str(outcome))
            return
        self._log.info("backup taken", file=str(outcome))
        if self._store.end_notice(_NOTICE):
            self._on_notice(f"A backup was taken again: {outcome}")
