"""Backups as a user takes them, as the monitor takes them, and the run that goes on after one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.endtoend.program import environment, exported, livecount, run_until_idle

OPTIONS = ("--cell-diameter-px", 40, "--until-idle", 1.2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "frames"
    livecount("simulate", "-o", folder, "--time-points", 4, "--size-px", 192, "--founders", 6)
    return folder


def test_back_up_verify_restore_and_go_on(frames: Path, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    names = sorted(path.name for path in frames.glob("*.tif"))
    for name in names[:2]:
        (watched / name).write_bytes((frames / name).read_bytes())
    run_until_idle(watched, database, OPTIONS)
    taken = json.loads(livecount("backup", "--database", database, "--json").stdout)
    (backup,) = taken["backups"]
    assert Path(backup).parent.name == "run.backups"
    assert "is sound: 2 frames, 2 counted" in livecount("verify", backup).stderr

    for name in names[2:]:
        (watched / name).write_bytes((frames / name).read_bytes())
    run_until_idle(watched, database, OPTIONS)
    wanted = exported(database, tmp_path / "before")
    said = livecount("restore", backup, "--database", database).stderr
    assert "replaced-" in said
    assert json.loads(livecount("status", "--database", database, "--json").stdout)["frames"][
        "seen"
    ] == len(names[:2])
    run_until_idle(watched, database, OPTIONS)
    assert exported(database, tmp_path / "after") == wanted


def test_the_monitor_takes_backups_by_itself(frames: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    keeping = {"LIVECOUNT_BACKUP__EVERY_H": "0.0002", "LIVECOUNT_BACKUP__FOLDER": "copies"}
    livecount(
        "run", frames, "--database", database, "--no-dashboard", *OPTIONS[:2], "--until-idle", 7,
        env=environment() | keeping, cwd=tmp_path,
    )  # fmt: skip
    copies = sorted((tmp_path / "copies").glob("run.*Z.db"))
    assert copies
    for copy in copies:
        livecount("verify", copy)


def test_a_count_that_was_tampered_with_is_found(frames: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    run_until_idle(frames, database, OPTIONS)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE counts SET count = count + 1 WHERE id = 1")
    done = livecount("verify", "--database", database, check=False)
    assert done.returncode == 1
    assert "not sound" in done.stderr
    assert "livecount restore" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup", "--database", "none.db"), "There is no database"),
        (("backup", "--database", "none.db", "--list"), "no backups"),
        (("restore", "none.db", "--database", "run.db"), "There is no backup"),
        (("verify", "none.db"), "There is no database"),
    ],
)
def test_what_is_not_there_is_said(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = livecount(*words, check=False, cwd=tmp_path)
    assert said in done.stderr
    assert done.returncode == (0 if "--list" in words else 1)
    assert not list(tmp_path.iterdir())
