"""SQLite as livecount uses it: connections, transactions and what their errors mean.

Measured (WAL, power cuts): FULL lost no acknowledged commit, NORMAL did in every cut. A deferred
BEGIN that turns to writing fails at once with BUSY_SNAPSHOT whatever the time-out, so every writing
transaction starts with BEGIN IMMEDIATE.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from livecount.errors import (
    DatabaseBusyError,
    DatabaseDiskError,
    DatabaseFullError,
    NetworkDatabaseError,
    StoreError,
)
from livecount.platform.filesystem import FileSystem, file_system_kind

__all__ = [
    "check_place",
    "check_sqlite",
    "is_unsafe",
    "make_folder",
    "plain_errors",
    "reading_engine",
    "writing_engine",
]

BUSY_TIMEOUT_MS = 10_000
_OLDEST_SQLITE = (3, 37, 0)
_WAL_KEPT_BYTES = 64 * 2**20
_WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"journal_size_limit={_WAL_KEPT_BYTES}",
)
_READER_PRAGMAS = ("query_only=ON",)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL = {sqlite3.SQLITE_FULL}
_DISK = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def check_sqlite() -> None:
    """Refuse a Python whose SQLite does not know STRICT tables.

    Raises
    ------
    StoreError
        SQLite is older than 3.37.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            f"This Python has SQLite {sqlite3.sqlite_version}; 3.37 or newer is needed",
            hint="Install a newer Python",
        )


def make_folder(database: Path) -> None:
    """Make the folder of a database.

    Raises
    ------
    StoreError
        It cannot be made.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder of the database {database} cannot be made: {error}",
            hint="Choose another place with --database",
        ) from error


def check_place(database: Path) -> None:
    """Refuse a database on a network or user-space file system.

    Raises
    ------
    NetworkDatabaseError
        The folder that holds or would hold the database is on such a file system.
    """
    found = file_system_kind(database.absolute().parent)
    if is_unsafe(found):
        raise NetworkDatabaseError(
            f"The database {database} would lie on a network file system ({found.name}), "
            "where SQLite loses data",
            hint="Give a path on a disk of this computer, for example "
            f"--database {Path.home() / 'livecount' / database.name}",
        )


def is_unsafe(found: FileSystem) -> bool:
    """Tell whether SQLite's write-ahead log may fail there: its index is shared, mapped memory.

    On user-space file systems (FUSE) a mapped page can vanish, which killed Python with SIGBUS.

    >>> is_unsafe(FileSystem("network", "nfs4")), is_unsafe(FileSystem("local", "ext4"))
    (True, False)
    """
    return found.kind == "network" or found.name == "fuse" or found.name.startswith("fuse.")


def writing_engine(database: Path) -> Engine:
    """Open for reading and writing; every transaction is BEGIN IMMEDIATE, every commit durable."""
    return _engine(database, "rwc", _WRITER_PRAGMAS, "BEGIN IMMEDIATE")


def reading_engine(database: Path) -> Engine:
    """Open for reading only; a transaction sees one state of the database from begin to end."""
    return _engine(database, "ro", _READER_PRAGMAS, "BEGIN")


def _engine(database: Path, mode: str, pragmas: tuple[str, ...], begin: str) -> Engine:
    uri = f"{database.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
            check_same_thread=False,
        )
        try:
            for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", *pragmas):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def start_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def plain_errors(database: Path) -> Iterator[None]:
    """Turn what SQLite says into errors of livecount, in plain words.

    Raises
    ------
    DatabaseBusyError
        Another program kept the database locked for longer than ``BUSY_TIMEOUT_MS``.
    DatabaseFullError
        The disk is full; nothing of the transaction was kept.
    DatabaseDiskError
        The disk failed, or the file cannot be opened; nothing of the transaction was kept.
    StoreError
        Anything else that SQLite refused.
    """
    try:
        yield
    except DBAPIError as error:
        raise _translated(error.orig, database) from error
    except sqlite3.Error as error:
        raise _translated(error, database) from error


def _translated(error: Any, database: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    if kind in _BUSY:
        return DatabaseBusyError(
            f"Another program has kept the database {database} locked for more than "
            f"{BUSY_TIMEOUT_MS // 1000} s",
            hint="Close programs that have it open for writing (a database browser, a backup tool)",
        )
    if kind in _FULL:
        return DatabaseFullError(
            f"The disk that holds the database {database} is full",
            hint="Free space on it; nothing was lost, and counting goes on when there is space",
        )
    if kind in _DAMAGED:
        return StoreError(
            f"{database} is damaged or not a database ({error})",
            hint="Restore it from a backup, or name another file with --database",
        )
    if kind in _DISK:
        return DatabaseDiskError(
            f"The database {database} cannot be opened, read or written at present ({error})",
            hint="Check its disk and folder, and your rights there; nothing was lost",
        )
    if kind in _FORBIDDEN:
        return StoreError(
            f"The database {database} cannot be opened as asked ({error})",
            hint="Check that the folder exists and that you may write to it and to the file",
        )
    return StoreError(
        f"The database {database} refused an operation ({error})",
        hint="Check the disk; if it persists, report it with this message",
    )
