"""Bringing a database to the schema of this program.

Migrations are Alembic scripts in ``migrations/versions``. All that are due run in one transaction,
with foreign keys off (SQLite would cascade deletes while a table is rebuilt) and checked before the
commit, after a verified backup of what was there.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from livecount.errors import NewerSchemaError, StoreError
from livecount.storage.backups import back_up_beside

__all__ = ["MIGRATIONS", "bring_up_to_date", "check_readable", "check_upgradable"]

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
        back_up_beside(database, f"before-{head}")
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


def check_upgradable(engine: Engine, database: Path, *, migrations: Path = MIGRATIONS) -> None:
    """Make sure that this program can read a database, perhaps after upgrading it.

    Raises
    ------
    NewerSchemaError
        The database was written by a newer livecount.
    StoreError
        It is another program's.
    """
    with engine.connect() as connection:
        current = _revision(connection, database)
    if current is None:
        raise _foreign(database)
    _refuse_unknown(ScriptDirectory(str(migrations)), current, database)


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
