"""Bringing a database to the schema of this program, and copying it whole.

Migrations are Alembic scripts in ``migrations/versions``. All that are due run in one transaction,
with foreign keys off (SQLite would cascade deletes while a table is rebuilt) and checked before the
commit, after a verified backup of what was there.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from livecount.errors import NewerSchemaError, StoreError

__all__ = ["MIGRATIONS", "back_up", "bring_up_to_date", "check_readable"]

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(engine: Engine, database: Path, *, migrations: Path = MIGRATIONS) -> None:
    """Create the tables of a new database, or migrate an older one after a backup beside it.

    Parameters
    ----------
    engine
        A writing engine of ``database``.
    migrations
        Folder with the Alembic ``versions``.

    Raises
    ------
    NewerSchemaError
        The database was written by a newer livecount.
    StoreError
        The file is another program's, or the backup or the migration failed; the database is then
        as it was.
    """
    script = ScriptDirectory(str(migrations))
    with engine.connect() as connection:
        current = _revision(connection, database)
    head = script.get_current_head()
    if current == head:
        return
    if current is not None:
        _refuse_unknown(script, current, database)
        back_up(database, _free_name(database, f"before-{head}"))
    _migrate(engine, script, database)


def check_readable(engine: Engine, database: Path, *, migrations: Path = MIGRATIONS) -> None:
    """Make sure that a database opened for reading has exactly this program's schema.

    Raises
    ------
    NewerSchemaError
        The database was written by a newer livecount.
    StoreError
        It is another program's, or of an older schema.
    """
    script = ScriptDirectory(str(migrations))
    with engine.connect() as connection:
        current = _revision(connection, database)
    if current == script.get_current_head():
        return
    if current is None:
        raise _foreign(database)
    _refuse_unknown(script, current, database)
    raise StoreError(
        f"The database {database} has an older schema ({current})",
        hint="Start `livecount run` on it once: it makes a backup and upgrades it",
    )


def back_up(database: Path, destination: Path) -> None:
    """Copy a database that may be in use, write-ahead log included, and verify the copy.

    Parameters
    ----------
    destination
        Appears only when whole; it must not exist.

    Raises
    ------
    StoreError
        The copy differs from the original or is damaged.
    """
    unfinished = destination.with_name(destination.name + ".part")
    unfinished.unlink(missing_ok=True)
    try:
        problem = _copy(database, unfinished)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if problem:
        unfinished.unlink()
        raise StoreError(
            f"The backup of {database} could not be verified ({problem})",
            hint="Check the disk and free space; the database was not changed",
        )
    _flush(unfinished)
    unfinished.replace(destination)


def _copy(database: Path, destination: Path) -> str:
    """Copy and compare; say how the copy differs, or nothing."""
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(destination)) as copy,
    ):
        # A read transaction holds the state that the copy is compared with; copying in one step
        # then needs no restart when somebody writes.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        return _difference(original, copy)


def _revision(connection: Connection, database: Path) -> str | None:
    """Read the revision of the schema; None for a file without any tables."""
    tables = set(
        connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    )
    if not tables:
        return None
    if not {"alembic_version", "frames"} <= tables:
        raise _foreign(database)
    return MigrationContext.configure(connection).get_current_revision()


def _foreign(database: Path) -> StoreError:
    return StoreError(
        f"{database} is not a livecount database",
        hint="Name another file with --database; this one was left alone",
    )


def _refuse_unknown(script: ScriptDirectory, current: str, database: Path) -> None:
    try:
        script.get_revision(current)
    except CommandError as error:
        raise NewerSchemaError(
            f"The database {database} was written by a newer livecount (schema {current})",
            hint="Update livecount on this computer, or name another file with --database",
        ) from error


def _migrate(engine: Engine, script: ScriptDirectory, database: Path) -> None:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        # Has no effect inside a transaction, hence before it and on the driver's connection.
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                _run_scripts(connection, script)
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise StoreError(
                        f"Upgrading {database} would leave {len(broken)} rows without their "
                        f"parents (first: {tuple(broken[0])}); it was not changed",
                        hint="Report this; the older livecount can go on with this database",
                    )
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _run_scripts(connection: Connection, script: ScriptDirectory) -> None:
    context = MigrationContext.configure(
        connection,
        opts={"fn": lambda revision, _: script._upgrade_revs("head", revision)},
    )
    with Operations.context(context):
        context.run_migrations()


def _difference(original: sqlite3.Connection, copy: sqlite3.Connection) -> str:
    """Say how a copy differs from its original, or nothing."""
    if (verdict := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        return str(verdict)
    names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    tables = [name for (name,) in original.execute(names)]
    if tables != [name for (name,) in copy.execute(names)]:
        return "tables are missing"
    for name in tables:
        rows = f'SELECT count(*) FROM "{name}"'
        if original.execute(rows).fetchone() != copy.execute(rows).fetchone():
            return f"rows of {name} are missing"
    return ""


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _free_name(database: Path, label: str) -> Path:
    """Name a file beside the database that does not exist: an older backup is never replaced."""
    candidate, number = database.with_name(f"{database.stem}.{label}{database.suffix}"), 1
    while candidate.exists():
        number += 1
        candidate = database.with_name(f"{database.stem}.{label}-{number}{database.suffix}")
    return candidate
