"""Opening, upgrading, backing up: a database is never harmed, and refusals say what to do."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from livecount.errors import NetworkDatabaseError, NewerSchemaError, StoreError
from livecount.platform.filesystem import FileSystem
from livecount.storage import CountStore
from livecount.storage.backups import back_up
from livecount.storage.database import is_unsafe, reading_engine, writing_engine
from livecount.storage.schema import MIGRATIONS, bring_up_to_date, check_readable
from livecount.storage.tables import metadata

REBUILDS_A_PARENT = """
from alembic import op
import sqlalchemy as sa

revision = "9998"
down_revision = "NEWEST"


def upgrade():
    with op.batch_alter_table("files", recreate="always") as batch:
        batch.add_column(sa.Column("note", sa.Text()))
"""
LEAVES_ORPHANS = """
from alembic import op

revision = "9998"
down_revision = "NEWEST"


def upgrade():
    op.execute("ALTER TABLE files ADD COLUMN note TEXT")
    op.execute("DELETE FROM files")
"""
FAILS_LATE = """
from alembic import op

revision = "9998"
down_revision = "NEWEST"


def upgrade():
    op.execute("ALTER TABLE files ADD COLUMN note TEXT")
    op.execute("UPDATE no_such_table SET x = 1")
"""


@pytest.fixture
def later_migrations(tmp_path):
    """Make a migrations folder with one revision after the shipped ones."""

    def make(script):
        folder = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        newest = max(path.name.split("_")[1] for path in folder.glob("versions/rev_*.py"))
        later = folder / "versions" / "rev_9998_later.py"
        later.write_text(script.replace("NEWEST", newest), encoding="utf-8")
        return folder

    return make


def upgrade(database, migrations):
    engine = writing_engine(database)
    try:
        bring_up_to_date(engine, database, migrations=migrations)
    finally:
        engine.dispose()


def contents(database):
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def schema(database):
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: re.sub(r"\s+", "", sql) for name, sql in rows if name != "alembic_version"}


def filled(database, made, n_files=8):
    made.write(database, n_files)
    return database


def test_migrations_make_what_the_program_expects(database, tmp_path):
    CountStore.open(database).close()
    expected = tmp_path / "expected.db"
    engine = create_engine(f"sqlite:///{expected}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(database) == schema(expected)
    assert len(schema(database)) > 15


def test_connections_are_durable_and_tables_strict(run, database):
    with run.store._writing() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }
    with closing(sqlite3.connect(database)) as connection:
        lax = connection.execute(
            "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict"
            " AND name NOT LIKE 'sqlite%'"
        ).fetchall()
    assert lax == [("alembic_version",)]


def test_exactly_once_is_held_by_the_schema_itself(run, database):
    run.record(n_pages=1)
    row = "(file_id, source_id, page, content_hash, state, changed_at)"
    count = "(analysis_row_id, frame_id, count, flags, provenance_id, counted_at)"
    forbidden = [
        f"INSERT INTO counts {count} SELECT {count.strip('()')} FROM counts",
        f"INSERT INTO frames {row} SELECT file_id, source_id, page, 'x', 'counted', '' FROM frames",
        f"INSERT INTO frames {row} SELECT file_id, source_id, 0, 'a', 'superseded', '' FROM frames",
        "UPDATE frames SET state = 'lost'",
        "UPDATE frames SET source_id = source_id + 1",
        "UPDATE frames SET content_hash = NULL",
        "DELETE FROM files",
    ]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        for statement in forbidden:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_read_only_store_reads_and_never_writes(run, database, made):
    run.record()
    before = contents(database)
    with CountStore.open(database, read_only=True) as store:
        assert store.tally().counted == 1
        with pytest.raises(StoreError, match="opened for reading only"):
            store.ensure_experiment("x")
        # The door has no method that writes here; the connection itself refuses too.
        with store._reading() as connection, pytest.raises(DBAPIError, match="readonly"):
            connection.exec_driver_sql("DELETE FROM counts")
    assert contents(database) == before


def test_database_left_by_a_closed_store_can_be_read_only(database, made):
    filled(database, made, 3)
    with CountStore.open(database, read_only=True) as store:
        assert store.tally().counted == 3


def test_upgrade_backs_up_first_and_loses_no_child_row(database, made, later_migrations):
    filled(database, made)
    before = contents(database)
    folder = later_migrations(REBUILDS_A_PARENT)
    upgrade(database, folder)
    backup = database.with_name("counts.before-9998.db")
    assert contents(backup) == before
    with closing(sqlite3.connect(database)) as connection:
        assert "note" in {row[1] for row in connection.execute("PRAGMA table_info(files)")}
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in ("files", "frames", "counts", "candidates", "segmentations"):
            rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            with closing(sqlite3.connect(backup)) as old:
                assert rows == old.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert rows[0] > 0
    upgrade(database, folder)
    assert not list(database.parent.glob("*before-9998-2*"))
    with pytest.raises(NewerSchemaError, match=r"newer livecount .schema 9998"):
        CountStore.open(database)
    with pytest.raises(NewerSchemaError):
        CountStore.open(database, read_only=True)


@pytest.mark.parametrize("script", [LEAVES_ORPHANS, FAILS_LATE])
def test_upgrade_that_fails_changes_nothing(database, made, later_migrations, script):
    filled(database, made)
    before, tables = contents(database), schema(database)
    folder = later_migrations(script)
    for _ in range(2):
        with pytest.raises(Exception, match=r"without their parents|no such table"):
            upgrade(database, folder)
        assert contents(database) == before
        assert schema(database) == tables
    assert [path.name for path in database.parent.glob("*before*")] == ["counts.before-9998.db"]
    with CountStore.open(database) as store:
        assert store.verify() == []
    filled(database, made, 9)
    with pytest.raises(Exception, match=r"without their parents|no such table"):
        upgrade(database, folder)
    assert sorted(path.name for path in database.parent.glob("*before*")) == [
        "counts.before-9998-2.db",
        "counts.before-9998.db",
    ]
    assert contents(database.with_name("counts.before-9998.db")) == before


def test_older_schema_is_not_upgraded_by_readers(database, made, later_migrations):
    filled(database, made, 2)
    engine = reading_engine(database)
    with pytest.raises(StoreError, match=r"older schema .\d{4}.*livecount run"):
        check_readable(engine, database, migrations=later_migrations(REBUILDS_A_PARENT))
    engine.dispose()


def test_new_database_makes_no_backup(database):
    CountStore.open(database).close()
    assert [path.name for path in database.parent.iterdir()] == ["counts.db"]


def test_backup_takes_in_what_is_only_in_the_log(run, database, tmp_path):
    run.record(n=5, n_pages=1)
    assert database.with_name("counts.db-wal").stat().st_size > 0
    copy = tmp_path / "copies of ?#%"
    copy.mkdir()
    back_up(database, copy / "copy.db")
    assert [path.name for path in copy.iterdir()] == ["copy.db"]
    with CountStore.open(copy / "copy.db", read_only=True) as store:
        assert store.counts(run.analysis).count.tolist() == [5]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"II*\0 this is a TIFF file, not a database" * 50, "damaged or not a database"),
        (b"", "There is no database|not a livecount database"),
    ],
)
def test_other_files_are_refused(database, content, words):
    database.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        CountStore.open(database, read_only=True)
    assert database.read_bytes() == content


def test_another_programs_database_is_left_alone(database):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = database.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreError, match="not a livecount database"):
            CountStore.open(database, read_only=read_only)
    assert contents(database) == ["BEGIN TRANSACTION;", "CREATE TABLE theirs (x);", "COMMIT;"]
    assert len(before) == database.stat().st_size


def test_damaged_database_is_said_to_be_damaged(database, made):
    filled(database, made)
    content = bytearray(database.read_bytes())
    content[:4096] = b"\xff" * 4096
    database.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged or not a database.*backup"):
        CountStore.open(database)


def test_missing_database_and_impossible_folder(tmp_path):
    with pytest.raises(StoreError, match=r"There is no database .*livecount run"):
        CountStore.open(tmp_path / "none.db", read_only=True)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be made.*--database"):
        CountStore.open(tmp_path / "file" / "counts.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        CountStore.open(tmp_path)


@pytest.mark.parametrize(
    ("found", "unsafe"),
    [
        (FileSystem("network", "cifs"), True),
        (FileSystem("unknown", "fuse.something"), True),
        (FileSystem("local", "ext4"), False),
        (FileSystem("local", "fuseblk"), False),
        (FileSystem("unknown", "unknown"), False),
    ],
)
def test_file_systems_that_lose_data(found, unsafe):
    assert is_unsafe(found) is unsafe


def test_network_database_is_refused_with_a_way_out(monkeypatch, database):
    from livecount.storage import database as module

    monkeypatch.setattr(module, "file_system_kind", lambda _: FileSystem("network", "nfs4"))
    with pytest.raises(NetworkDatabaseError, match=r"\(nfs4\).*--database"):
        CountStore.open(database)
    assert not database.exists()
