"""Backups: whole though the database is in use, verified, rotated, and put back safely."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from livecount.errors import MonitorRunningError, StoreError
from livecount.monitor.backups import RegularBackup
from livecount.settings import BackupSettings
from livecount.storage import (
    CountStore,
    MonitorLock,
    back_up,
    backup_folder,
    kept_backups,
    restore,
    take_backup,
)
from tests.storage.test_schema import contents

HOLDER = """
import pathlib, sys
from livecount.storage import MonitorLock
with MonitorLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def filled(database: Path, made, n_files: int) -> Path:
    made.write(database, n_files)
    return database


def test_a_backup_taken_while_another_process_writes_is_whole(database, made, tmp_path):
    writer = subprocess.Popen(
        [sys.executable, made.script, "write", database, "400"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    while writer.stdout.readline().strip() not in ("20",):
        assert writer.poll() is None
    seen = []
    for number in range(4):
        copy = tmp_path / f"copy{number}.db"
        back_up(database, copy)
        with CountStore.open(copy, read_only=True) as store:
            assert store.verify() == []
            seen.append(store.tally().seen)
    writer.kill()
    writer.communicate()
    assert seen == sorted(seen)
    assert seen[0] >= 20


def test_only_the_newest_dated_copies_stay_and_nothing_else_is_touched(database, made, tmp_path):
    filled(database, made, 3)
    folder = tmp_path / "copies"
    folder.mkdir()
    others = [
        "counts.db",
        "counts.mine.db",
        "other.20200101T000000Z.db",
        "counts.20209999T000000Z.db",
    ]
    for name in [*others, "counts.20200101T000000Z.db", "counts.20210101T000000Z.db"]:
        (folder / name).touch()
    newest = take_backup(database, folder, 2)
    assert [path.name for _, path in kept_backups(database, folder)] == [
        "counts.20210101T000000Z.db",
        newest.name,
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*others, "counts.20210101T000000Z.db", newest.name]
    )
    taken_at = kept_backups(database, folder)[-1][0]
    assert abs((datetime.now(UTC) - taken_at).total_seconds()) < 60


def test_a_clock_that_went_back_costs_no_new_backup(database, made, tmp_path):
    filled(database, made, 3)
    folder = tmp_path / "copies"
    folder.mkdir()
    ahead = ["counts.20990101T000000Z.db", "counts.20990102T000000Z.db"]
    for name in ahead:
        (folder / name).touch()
    newest = take_backup(database, folder, 1)
    assert newest.exists()
    with CountStore.open(database) as store:
        settings = BackupSettings(folder=folder, every_h=24)
        backups = RegularBackup(settings, store, datetime.now(UTC), lambda _: None)
        assert backups._is_due(timedelta(hours=24))
    for name in ahead:
        (folder / name).unlink(missing_ok=True)
    with CountStore.open(database) as store:
        backups = RegularBackup(settings, store, datetime.now(UTC), lambda _: None)
        assert not backups._is_due(timedelta(hours=24))


def test_a_damaged_database_gives_no_backup_and_keeps_the_older_ones(database, made, tmp_path):
    filled(database, made, 30)
    good = take_backup(database, tmp_path / "copies", 1)
    os.utime(good)
    renamed = good.with_name("counts.20210101T000000Z.db")
    good.rename(renamed)
    content = bytearray(database.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = os.urandom(8192)
    database.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|verified"):
        take_backup(database, tmp_path / "copies", 1)
    assert [path.name for path in (tmp_path / "copies").iterdir()] == [renamed.name]


@pytest.mark.parametrize("state", ["closed", "killed", "damaged", "absent"])
def test_what_was_there_is_kept_and_the_backup_takes_its_place(database, made, tmp_path, state):
    filled(database, made, 10)
    backup = take_backup(database, tmp_path / "copies", 1)
    wanted = contents(backup)
    filled(database, made, 20)
    if state == "killed":  # a log with commits of its own is left beside the database
        left = tmp_path / "left"
        left.mkdir()
        with CountStore.open(database) as store:
            store.ensure_experiment("later")
            for path in database.parent.glob("counts.db*"):
                shutil.copy(path, left / path.name)
        for path in left.iterdir():
            shutil.copy(path, database.parent / path.name)
    elif state == "damaged":
        content = bytearray(database.read_bytes())
        content[:4096] = b"\xff" * 4096
        database.write_bytes(content)
    elif state == "absent":
        database.unlink()
    before = database.read_bytes() if state == "damaged" else None

    replaced = restore(backup, database)

    assert contents(database) == wanted
    with CountStore.open(database) as store:
        assert store.verify() == []
    if state == "absent":
        assert replaced is None
    else:
        assert replaced is not None
        if before is not None:
            assert replaced.read_bytes() == before
        else:
            with CountStore.open(replaced, read_only=True) as store:
                assert store.tally().seen > 20
                names = {found.name for found in store.experiments()}
                assert names == ({"run", "later"} if state == "killed" else {"run"})
    assert not list(database.parent.glob("*.restoring*"))


def test_a_running_monitor_a_foreign_file_and_the_database_itself_are_refused(
    database, made, tmp_path
):
    filled(database, made, 3)
    backup = take_backup(database, backup_folder(database), 1)
    before = contents(database)
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            HOLDER, str(database),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(MonitorRunningError):
        restore(backup, database)
    holder.communicate()
    assert not MonitorLock(database).is_held_elsewhere()

    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    for wrong, words in (
        (foreign, "not a livecount database"),
        (database, "the database itself"),
        (tmp_path / "none.db", "no backup"),
    ):
        with pytest.raises(StoreError, match=words):
            restore(wrong, database)
    assert contents(database) == before


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE counts SET count = count + 1 WHERE id = 2", "count 2 says"),
        ("UPDATE candidates SET centres = x'00' WHERE count_id = 2", "count 2: .*damaged"),
        ("DELETE FROM candidates WHERE count_id = 2", "1 counts lack their cell centres"),
        (
            (
                "DELETE FROM candidates WHERE count_id = 1; DELETE FROM segmentations;"
                "DELETE FROM looks; DELETE FROM masks; DELETE FROM counts WHERE id = 1"
            ),
            "page 0 of b'frame0000.tif' is said to be counted",
        ),
        (
            "UPDATE segmentations SET shapes = x'4c435301' WHERE count_id = 3",
            "count 3 says 2 cells, but 0 have a shape",
        ),
        ("PRAGMA foreign_keys=OFF; DELETE FROM sources", "lacks its sources"),
    ],
)
def test_verify_finds_what_contradicts_itself(database, made, harm, words):
    filled(database, made, 5)
    with CountStore.open(database) as store:
        assert store.verify() == []
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(harm)
    with CountStore.open(database, read_only=True) as store:
        found = store.verify()
    assert any(re.search(words, problem) for problem in found), found
