"""Putting a backup in the place of a database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from livecount.errors import StoreError
from livecount.storage.backups import back_up, free_name
from livecount.storage.database import check_place, plain_errors, reading_engine
from livecount.storage.lock import MonitorLock
from livecount.storage.schema import check_upgradable

__all__ = ["restore"]

_LOG_ENDINGS = ("-wal", "-shm")


def restore(backup: Path, database: Path) -> Path | None:
    """Put a backup in the place of a database; no monitor may run on it.

    At no moment is there neither: the backup is copied beside the database and verified, the
    present database gets a second name, and one rename then puts the copy in its place.

    Returns
    -------
    Path or None
        Where what was there before is kept now.

    Raises
    ------
    NewerSchemaError
        The backup was written by a newer livecount.
    MonitorRunningError
        A monitor writes to the database.
    StoreError
        The backup is damaged or another program's, or cannot be put there; the database is then
        as it was.
    """
    if not backup.is_file():
        raise StoreError(f"There is no backup {backup}", hint="`livecount backup --list` names all")
    if database.exists() and backup.samefile(database):
        raise StoreError(f"{backup} is the database itself", hint="Name one of its backups")
    _check_backup(backup)
    check_place(database)
    with MonitorLock(database):
        unfinished = database.with_name(database.name + ".restoring")
        back_up(backup, unfinished)
        try:
            replaced = _set_aside(database)
            unfinished.replace(database)
        except OSError as error:
            raise StoreError(
                f"The backup cannot be put in the place of {database}: {error}",
                hint="Close programs that have the database open",
            ) from error
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return replaced


def _check_backup(backup: Path) -> None:
    engine = reading_engine(backup)
    try:
        with plain_errors(backup):
            check_upgradable(engine, backup)
    finally:
        engine.dispose()


def _set_aside(database: Path) -> Path | None:
    """Give the present database, with all of its log, a second name; the first name stays."""
    if not database.exists():
        for ending in _LOG_ENDINGS:
            Path(f"{database}{ending}").unlink(missing_ok=True)
        return None
    replaced = free_name(database, f"replaced-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}")
    # A log that stays behind would be played into the file that comes: empty it into its own.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for ending in _LOG_ENDINGS:
        log = Path(f"{database}{ending}")
        if log.exists():
            log.replace(f"{replaced}{ending}")
    try:
        os.link(database, replaced)
    except OSError:
        database.replace(replaced)
    return replaced
