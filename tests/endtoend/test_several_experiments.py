"""Several experiments under one monitor: side by side, added, stopped and started meanwhile."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.endtoend.program import (
    await_worker,
    command,
    environment,
    livecount,
    rows_of,
    start_copying,
    stored,
)

SOON = ("--until-idle", 1.2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of two simulated wells, small so that the network is quick."""
    folder = tmp_path_factory.mktemp("acquired") / "frames"
    livecount(
        "simulate", "-o", folder, "--wells", "A1,B2", "--time-points", 3, "--size-px", 256,
        "--founders", 10, "--scheme", "incucyte", "--frame-interval-min", 120,
    )  # fmt: skip
    shutil.rmtree(folder / "truth")
    return folder


def names_of(frames: Path) -> list[str]:
    return sorted(file.name for file in frames.iterdir())


def settings(work: Path, **tables: str) -> Path:
    """Write settings with a table for each experiment, each with a folder of its name."""
    file = work / "config.toml"
    text = "".join(
        f"[[experiments]]\nname = '{name}'\nfolders = ['{work / name}']\n{own}\n"
        for name, own in tables.items()
    )
    file.write_text(text, encoding="utf-8")
    return file


LEFT = "cell_diameter_px = 40.0\nt0 = '2026-10-05T14:30:00'"
RIGHT = "cell_diameter_px = 30.0\nh = 0.3\npixel_size_um = 0.5\npattern = '(?P<well>[AB]\\d)_1_'"


def counted(database: Path, experiment: str, folder: Path) -> list[dict[str, str]]:
    file = folder / f"{experiment}.csv"
    livecount("export", "counts", "-o", file, "--database", database, "--experiment", experiment)
    return rows_of(file)


def status(database: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        livecount("status", "--database", database, "--json").stdout
    )
    return found


def tallies(database: Path) -> dict[str, int]:
    found = status(database)["experiments"]
    assert isinstance(found, list)
    return {one["name"]: one["frames"]["counted"] for one in found}


def notices(database: Path) -> dict[str, str]:
    found = status(database)["incidents"]
    assert isinstance(found, list)
    return {one["kind"]: one["text"] for one in found}


class Running:
    """A monitor that runs; what it said is known once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""


@contextmanager
def running(database: Path, *words: object) -> Iterator[Running]:
    """Let a monitor run meanwhile, and end it in order."""
    process = subprocess.Popen(
        command("run", "--database", database, "--no-dashboard", *words),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    monitor = Running(process)
    try:
        await_worker(database)
        yield monitor
        process.send_signal(signal.SIGTERM)
        _, monitor.said = process.communicate(timeout=60)
        assert process.returncode == 0, monitor.said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def await_so(is_so: Callable[[], bool], patience_s: float = 120.0) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def experiment(database: Path, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = livecount("experiment", *words, "--database", database, check=False)
    assert done.returncode == code, done.stderr
    return done


def states(database: Path) -> dict[str, str]:
    found = json.loads(experiment(database, "list", "--json").stdout)["experiments"]
    return {one["name"]: one["state"] for one in found}


@pytest.fixture(scope="module")
def calm(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments side by side that nothing disturbed."""
    work = tmp_path_factory.mktemp("calm")
    for name in ("left", "right"):
        shutil.copytree(frames, work / name)
    config = settings(work, left=LEFT, right=RIGHT)
    livecount("run", "-c", config, "--database", work / "run.db", "--no-dashboard", *SOON)
    return work


def test_each_is_counted_in_its_own_way_as_if_it_were_alone(
    frames: Path, calm: Path, tmp_path: Path
) -> None:
    left = counted(calm / "run.db", "left", tmp_path)
    right = counted(calm / "run.db", "right", tmp_path)
    assert [row["source"] for row in left] == [row["source"] for row in right] == names_of(frames)
    assert {row["pixel_size_um"] for row in left} != {"0.5"}
    assert {row["pixel_size_um"] for row in right} == {"0.5"}
    assert len({row["analysis_id"] for row in left + right}) == 2
    alone = tmp_path / "alone"
    for name, own in (("left", LEFT), ("right", RIGHT)):
        shutil.copytree(frames, alone / name)
        config = settings(alone, **{name: own})
        database = alone / f"{name}.db"
        livecount("run", "-c", config, "--database", database, "--no-dashboard", *SOON)
        expected = counted(database, name, alone)
        found = {"left": left, "right": right}[name]
        for row in expected + found:
            row.pop("watched_folder", None)
        assert found == expected


def test_killed_at_any_instant_every_column_is_as_undisturbed(
    frames: Path, calm: Path, tmp_path: Path
) -> None:
    config = settings(tmp_path, left=LEFT, right=RIGHT)
    database = tmp_path / "run.db"
    words = ("run", "-c", config, "--database", database, "--no-dashboard")
    copiers = [
        start_copying(frames, tmp_path / name, names_of(frames), pause_s=0.3)
        for name in ("left", "right")
    ]
    instants = random.Random(5)
    for _ in range(4):
        monitor = subprocess.Popen(
            command(*words),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(instants.uniform(1.5, 5.0))
        monitor.send_signal(signal.SIGKILL)
        monitor.wait()
    assert [copier.wait() for copier in copiers] == [0, 0]
    livecount(*words, *SOON)
    assert by_experiment(database) == by_experiment(calm / "run.db")


def by_experiment(database: Path) -> list[str]:
    """Give every stored column; those of one analysis belong to one experiment here."""
    return sorted(
        json.dumps({k: v for k, v in row.items() if k != "attempts"}, default=repr)
        for row in stored(database)
    )


def test_what_is_wrong_with_one_experiment_does_not_stop_the_other(
    frames: Path, tmp_path: Path
) -> None:
    shutil.copytree(frames, tmp_path / "left")
    config = settings(
        tmp_path,
        left=LEFT,
        away=LEFT,  # its folder is not there
        wrong=LEFT + f"\nplate_map = '{tmp_path / 'absent.csv'}'",
    )
    database = tmp_path / "run.db"
    with running(database, "-c", config) as monitor:
        await_so(lambda: tallies(database).get("left") == 6)
        await_so(lambda: len(notices(database)) == 2)
        found = notices(database)
    assert "absent.csv" in found["experiment_refused"]
    assert str(tmp_path / "away") in found["source_offline"]
    assert "Experiment 'wrong' is not watched" in monitor.said


def test_where_none_can_be_watched_the_run_is_refused(tmp_path: Path) -> None:
    config = settings(tmp_path, wrong=LEFT + f"\nplate_map = '{tmp_path / 'absent.csv'}'")
    database = tmp_path / "run.db"
    done = livecount("run", "-c", config, "--database", database, "--no-dashboard", check=False)
    assert done.returncode == 1
    assert done.stderr.count("absent.csv") == 1


def test_added_stopped_and_started_while_the_monitor_runs(
    frames: Path, calm: Path, tmp_path: Path
) -> None:
    database = tmp_path / "run.db"
    first, *others = names_of(frames)
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        shutil.copyfile(frames / first, tmp_path / name / first)
    config = settings(tmp_path, left=LEFT)
    with running(database, "-c", config) as monitor:
        await_so(lambda: tallies(database).get("left") == 1)
        experiment(
            database, "add", "right", tmp_path / "right", "--cell-diameter-px", 30, "--h", 0.3,
            "--pixel-size-um", 0.5, "--pattern", r"(?P<well>[AB]\d)_1_", "--by", "Ada",
        )  # fmt: skip
        await_so(lambda: tallies(database).get("right") == 1)
        await_so(lambda: set(states(database).values()) == {"watched"})
        experiment(database, "stop", "left", "--by", "Ada")
        await_so(lambda: str(tmp_path / "left") not in watched_folders(database))
        for name in ("left", "right"):
            for other in others:
                shutil.copyfile(frames / other, tmp_path / name / other)
        await_so(lambda: tallies(database)["right"] == 6)
        assert tallies(database) == {"left": 1, "right": 6}
        assert states(database)["left"].startswith("stopped by Ada")
        experiment(database, "start", "left")
        await_so(lambda: tallies(database)["left"] == 6)
    assert "Experiment 'left' is not watched any more" in monitor.said
    assert by_experiment(database) == by_experiment(calm / "run.db")


def watched_folders(database: Path) -> set[str]:
    found = status(database)["folders"]
    assert isinstance(found, dict)
    return set(found)


def test_what_was_ordered_holds_over_a_kill_and_a_restart(
    frames: Path, calm: Path, tmp_path: Path
) -> None:
    database = tmp_path / "run.db"
    for name in ("left", "right"):
        shutil.copytree(frames, tmp_path / name)
    config = settings(tmp_path, left=LEFT)
    experiment(
        database, "add", "right", tmp_path / "right", "--cell-diameter-px", 30, "--h", 0.3,
        "--pixel-size-um", 0.5, "--pattern", r"(?P<well>[AB]\d)_1_",
    )  # fmt: skip
    words = ("run", "-c", config, "--database", database, "--no-dashboard")
    monitor = subprocess.Popen(command(*words), env=environment(), stdout=subprocess.DEVNULL)
    await_worker(database)
    time.sleep(1.0)
    monitor.send_signal(signal.SIGKILL)
    monitor.wait()
    livecount(*words, *SOON)
    assert by_experiment(database) == by_experiment(calm / "run.db")
    experiment(database, "stop", "right")
    done = livecount("run", "--database", database, "--no-dashboard", *SOON, check=False)
    assert (done.returncode, "No folder to watch" in done.stderr) == (2, True)
    assert states(database)["right"].startswith("stopped by")
    with closing(sqlite3.connect(database)) as connection:
        verbs = connection.execute("SELECT experiment, verb FROM watch_orders ORDER BY id")
        assert verbs.fetchall() == [("right", "add"), ("left", "run"), ("right", "stop")]


def test_bad_orders_are_refused_in_one_line(tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    experiment(database, "add", "a", tmp_path / "a", "--h", 0.3)
    for words, code, said in (
        (("add", "a", tmp_path / "b"), 2, "'a' is watched already"),
        (("add", "b", tmp_path / "a" / "c"), 2, "lie one inside the other"),
        (("add", "b", tmp_path / "b", "--h", 7), 2, "h: must be at most 1 (is 7"),
        (("add", "b", tmp_path / "b", "--pattern", "("), 2, "not a usable regular expression"),
        (("stop", "zz"), 1, "There is no experiment 'zz'"),
        (("start", "zz"), 1, "There is no experiment 'zz'"),
    ):
        done = experiment(database, *words, code=code)
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert states(database) == {"a": "waits for `livecount run`"}
