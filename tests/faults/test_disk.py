"""The database's disk fails, is full, or another program holds the database."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import RawIOBase
from pathlib import Path

import pytest

from tests.endtoend.program import livecount
from tests.faults.laboratory import Laboratory, insist, kill, run, start, status


@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        ("fsync,fdatasync", "EIO", "12"),
        *(
            pytest.param(call, error, when, marks=pytest.mark.long)
            for call in ("fsync,fdatasync", "pwrite64")
            for error in ("EIO", "ENOSPC")
            for when in ("3", "30", "20+7")
        ),
    ],
)
def test_a_write_that_fails(
    call: str, error: str, when: str, laboratory: Laboratory, strace: str, tmp_path: Path
) -> None:
    """It is said, retried without doubling, and in the worst case the next start finds all."""
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    run(watched, database, "--until-idle", 0.1)
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    inject = f"inject={call}:error={error}:when={when}"
    tracing = [strace, "-f", "-o", tmp_path / "trace", "-P", database, "-P", f"{database}-wal"]
    monitor = start(
        watched, database, "--until-idle", 1.2,
        before=[*tracing, "-e", f"trace={call}", "-e", inject],
    )  # fmt: skip
    failed = written_in_time(error, tmp_path / "trace", monitor)
    time.sleep(3)
    kill(monitor)
    assert failed, (tmp_path / "trace").read_text()
    run(watched, database)
    insist(f"{call}: {error}", 1, laboratory.judge(database, tmp_path))


def written_in_time(word: str, file: Path, monitor: subprocess.Popen[str]) -> bool:
    """Wait until a file has a word, for as long as the monitor lives, a minute at most."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and monitor.poll() is None:
        if file.exists() and word in file.read_text():
            return True
        time.sleep(0.1)
    return file.exists() and word in file.read_text()


@contextmanager
def small_disk(at: Path, kilobytes: int) -> Iterator[Path]:
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@pytest.mark.usefixtures("as_root")
def test_a_full_disk_pauses_the_run_and_room_resumes_it(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    watched = laboratory.copy(tmp_path)
    late = laboratory.names[4:]
    for name in late:
        (watched / name).rename(tmp_path / name)
    log = {"LIVECOUNT_LOG__FILE": str(tmp_path / "run.log")}
    with small_disk(tmp_path / "disk", 24 * 1024) as disk:
        database, ballast = disk / "run.db", disk / "ballast"
        monitor = start(watched, database, "--until-idle", 3, extra=log)
        deadline = time.monotonic() + 30
        while status_or_nothing(database).get("counted", 0) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        with ballast.open("wb", buffering=0) as file:
            fill(file)
        for name in late:
            shutil.copy2(tmp_path / name, watched / name)
        time.sleep(5)
        assert monitor.poll() is None, monitor.communicate()
        assert status_or_nothing(database).get("counted", 0) < len(laboratory.names)
        ballast.unlink()
        said, _ = monitor.communicate(timeout=60)
        assert monitor.returncode == 0, said
        assert "full" in said
        insist("disk full, later room", 1, laboratory.judge(database, tmp_path))


def fill(file: RawIOBase) -> None:
    """Write until the disk is full."""
    with suppress(OSError):
        while file.write(b"\0" * 4096):
            pass


def status_or_nothing(database: Path) -> dict[str, int]:
    try:
        return status(database)
    except AssertionError:
        return {}


@pytest.mark.long
@pytest.mark.usefixtures("as_root")
def test_a_full_disk_for_the_log_does_not_stop_the_counting(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    with small_disk(tmp_path / "disk", 512) as disk:
        with (disk / "ballast").open("wb", buffering=0) as file:
            fill(file)
        log = {"LIVECOUNT_LOG__FILE": str(disk / "run.log"), "LIVECOUNT_LOG__LEVEL": "debug"}
        run(watched, database, extra=log)
    insist("disk of the log full", 1, laboratory.judge(database, tmp_path))


@pytest.mark.long
def test_a_locked_database_is_waited_for(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    monitor = start(watched, database, "--until-idle", 1.2)
    deadline = time.monotonic() + 30
    while not database.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.execute("ROLLBACK")
    said, _ = monitor.communicate(timeout=90)
    assert monitor.returncode == 0, said
    insist("database locked by another program", 1, laboratory.judge(database, tmp_path))


@pytest.mark.long
def test_a_second_monitor_is_refused(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    monitor = start(watched, database)
    assert monitor.stdout is not None
    while "watching" not in monitor.stdout.readline():
        pass
    deadline = time.monotonic() + 30
    second = run(watched, database, check=False)
    while second.returncode == 0 and time.monotonic() < deadline:
        second = run(watched, database, check=False)
    kill(monitor)
    assert second.returncode == 1
    assert "another" in second.stderr.lower()
    run(watched, database)
    insist("two monitors on one database", 1, laboratory.judge(database, tmp_path))


@pytest.mark.long
def test_the_database_stays_readable_while_the_monitor_writes(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    monitor = start(watched, database, "--until-idle", 2)
    exports = 0
    while monitor.poll() is None:
        if database.exists() and status_or_nothing(database).get("counted"):
            livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
            exports += 1
    monitor.communicate()
    assert exports
    insist("exports while counting", exports, laboratory.judge(database, tmp_path))
