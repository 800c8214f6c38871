"""Opening a database, and the transactions in which its one writer writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine

from livecount.errors import StoreError
from livecount.storage.database import (
    check_place,
    check_sqlite,
    make_folder,
    plain_errors,
    reading_engine,
    writing_engine,
)
from livecount.storage.reading import CountReader
from livecount.storage.schema import bring_up_to_date, check_readable

__all__ = ["CountWriter"]


class CountWriter(CountReader):
    """The part of :class:`CountStore` that opens, closes and makes transactions."""

    def __init__(self, database: Path, reader: Engine, writer: Engine | None) -> None:
        super().__init__(database, reader)
        self._writer = writer
        self._writing_thread: int | None = None
        self._joined: Connection | None = None

    @classmethod
    def open(cls, database: Path, *, read_only: bool = False) -> Self:
        """Open a database; for writing, it is made or upgraded as needed.

        Raises
        ------
        NetworkDatabaseError
            It is or would be on a network file system.
        NewerSchemaError
            It was written by a newer livecount.
        StoreError
            There is none to read, it is of an older schema (read only), damaged, another program's,
            or cannot be opened.
        """
        check_sqlite()
        check_place(database)
        if not read_only:
            make_folder(database)
        elif not database.is_file():
            raise StoreError(
                f"There is no database {database}",
                hint="Start `livecount run` first, or name the right file with --database",
            )
        writer = None if read_only else writing_engine(database)
        store = cls(database, reading_engine(database), writer)
        try:
            with plain_errors(database):
                if writer is None:
                    check_readable(store._reader, database)
                else:
                    bring_up_to_date(writer, database)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close all connections; the last one to leave empties the write-ahead log."""
        super().close()
        if self._writer is not None:
            self._writer.dispose()

    def adopt(self) -> None:
        """Make the calling thread the one that writes from now on."""
        self._writing_thread = threading.get_ident()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make what is written inside one transaction: all or nothing, one wait for the disk.

        Reading methods do not see what was written until it ends.
        """
        if self._joined is not None:
            raise StoreError("together() is not to be nested", hint="Report this")
        with self._writing() as connection:
            self._joined = connection
            try:
                yield
            finally:
                self._joined = None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._writer is None:
            raise StoreError(f"{self.database} was opened for reading only")
        if self._writing_thread is None:
            self.adopt()
        if self._writing_thread != threading.get_ident():
            raise StoreError(
                f"{self.database} is written from two threads of one process",
                hint="This is a fault of livecount: report it",
            )
        if self._joined is not None:
            with plain_errors(self.database), self._joined.begin_nested():
                yield self._joined
            return
        with plain_errors(self.database), self._writer.begin() as connection:
            yield connection
