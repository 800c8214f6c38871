"""Several experiments side by side under one monitor, each with settings of its own."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livecount.storage import CountStore
from tests.endtoend.program import (
    await_worker,
    command,
    environment,
    livecount,
    rows_of,
    run_until_idle,
    run_with_kills,
    stored,
)

SOON = ("--until-idle", 1.5)
TABLES = """
[counting]
cell_diameter_px = 40.0

[[experiments]]
name = "A549"
folders = ["a549"]

[[experiments]]
name = "HeLa"
folders = ["hela"]
h = 0.4
cell_diameter_px = 30.0
pixel_size_um = 0.5
pattern = '(?P<well>[A-H]\\d+)_t(?P<time_point>\\d+)'
frame_interval_min = 30.0
plate_map = "hela.csv"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders with the same three frames, under names of different kinds."""
    folder = tmp_path_factory.mktemp("run")
    livecount(
        "simulate", "-o", folder / "a549", "--wells", "A1", "--time-points", 3, "--size-px", 320,
        "--founders", 12, "--scheme", "incucyte", "--frame-interval-min", 120,
    )  # fmt: skip
    shutil.rmtree(folder / "a549" / "truth")
    (folder / "hela").mkdir()
    for number, frame in enumerate(sorted((folder / "a549").glob("*.tif"))):
        shutil.copyfile(frame, folder / "hela" / f"B7_t{number}.tif")
    (folder / "hela.csv").write_text("well,treatment\nB6,drug\n", encoding="utf-8")
    (folder / "config.toml").write_text(TABLES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def together(folder: Path) -> Path:
    database = folder / "together.db"
    livecount("run", "-c", folder / "config.toml", "--database", database, "--no-dashboard", *SOON)
    return database


def counts_of(database: Path, experiment: str) -> list[dict[str, str]]:
    table = database.with_name("counts.csv")
    livecount("export", "counts", "-o", table, "--database", database, "--experiment", experiment)
    return rows_of(table)


def test_each_is_counted_as_by_a_run_of_its_own(
    folder: Path, together: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run_until_idle(
        folder / "a549", tmp_path / "a" / "a.db",
        ["--cell-diameter-px", 40, "--experiment", "A549", *SOON],
    )  # fmt: skip
    run_until_idle(
        folder / "hela", tmp_path / "b" / "b.db",
        ["--cell-diameter-px", 30, "--experiment", "HeLa", "--h", 0.4, "--pixel-size-um", 0.5,
         "--pattern", r"(?P<well>[A-H]\d+)_t(?P<time_point>\d+)", "--frame-interval-min", 30,
         *SOON],
    )  # fmt: skip
    first, second = counts_of(together, "A549"), counts_of(together, "HeLa")
    assert first == counts_of(tmp_path / "a" / "a.db", "A549")
    assert len(first) == len(second) == 3
    alone = counts_of(tmp_path / "b" / "b.db", "HeLa")
    of_the_plate_map = {name for name in second[0] if second[0][name] != alone[0][name]}
    for one, other in zip(second, alone, strict=True):
        changed = {name for name in one if one[name] != other[name]}
        assert changed == of_the_plate_map
    assert not of_the_plate_map & {"count", "well", "elapsed_h", "density_per_mm2", "analysis_id"}
    assert {row["well"] for row in second} == {"B7"}
    assert [float(row["elapsed_h"]) for row in second] == [0, 0.5, 1]
    assert {row["analysis_id"] for row in first}.isdisjoint(row["analysis_id"] for row in second)


def test_status_and_the_plate_check_know_them_apart(folder: Path, together: Path) -> None:
    status = json.loads(livecount("status", "--database", together, "--json").stdout)
    assert {one["name"]: one["frames"]["counted"] for one in status["experiments"]} == {
        "A549": 3,
        "HeLa": 3,
    }
    assert set(status["folders"]) == {str(folder / "a549"), str(folder / "hela")}
    with CountStore.open(together, read_only=True) as store:
        said = [one for one in store.notices() if one.code == "plate_map"]
    assert [(one.experiment, "B7" in one.text) for one in said] == [("HeLa", True)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_one_whose_folder_is_away_does_not_stop_the_other(folder: Path, tmp_path: Path) -> None:
    shutil.copyfile(folder / "hela.csv", tmp_path / "hela.csv")
    shutil.copytree(folder / "a549", tmp_path / "a549")
    (tmp_path / "config.toml").write_text(TABLES, encoding="utf-8")
    database = tmp_path / "run.db"
    words = command(
        "run", "-c", tmp_path / "config.toml", "--database", database, "--no-dashboard", "--json"
    )
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as monitor:
        try:
            await_worker(database)
            await_counted(database, {"A549": 3, "HeLa": 0})
            shutil.copytree(folder / "hela", tmp_path / "hela")
            await_counted(database, {"A549": 3, "HeLa": 3})
            await_end_of(database, "source_offline")
        finally:
            monitor.send_signal(signal.SIGTERM)
        assert monitor.stderr is not None
        said = monitor.stderr.read()
        assert monitor.wait(30) == 0
    assert f"{tmp_path / 'hela'} cannot be reached" in said
    assert f"{tmp_path / 'hela'} can be reached again" in said


def await_end_of(database: Path, code: str) -> None:
    deadline = time.monotonic() + 60
    with CountStore.open(database, read_only=True) as store:
        while code in [one.code for one in store.notices()]:
            assert time.monotonic() < deadline
            time.sleep(0.3)


def await_counted(database: Path, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + 90
    counted: dict[str, int] = {}
    while time.monotonic() < deadline:
        with CountStore.open(database, read_only=True) as store:
            counted = {one.name: store.tally(one).counted for one in store.experiments()}
        if counted == wanted:
            return
        time.sleep(0.3)
    raise AssertionError(f"counted are {counted}, not {wanted}")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX systems")
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_killed_again_and_again_it_ends_as_if_never_killed(
    folder: Path, together: Path, tmp_path: Path
) -> None:
    for name in ("a549", "hela"):
        shutil.copytree(folder / name, tmp_path / name)
    for name in ("hela.csv", "config.toml"):
        shutil.copyfile(folder / name, tmp_path / name)
    database = tmp_path / "run.db"
    options = ["-c", tmp_path / "config.toml", *SOON]
    run_with_kills(None, database, options, kills=3, longest_life_s=6, seed=5)
    assert stored(database) == stored(together)


def test_folders_beside_the_tables_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    refused = livecount(
        "run", tmp_path, "-c", folder / "config.toml", "--database", tmp_path / "x.db", check=False
    )
    assert refused.returncode == 2
    assert "command line: watch.folders: is set beside [[experiments]]" in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_added_stopped_and_started_while_the_monitor_runs(folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    shutil.copytree(folder / "a549", tmp_path / "a549")
    shutil.copytree(folder / "hela", tmp_path / "hela")
    frames = sorted((folder / "a549").glob("*.tif"))
    words = command("run", tmp_path / "a549", "--database", database, "--no-dashboard",
                    "--cell-diameter-px", 40, "--experiment", "A549")  # fmt: skip
    where = ("--database", database)
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as monitor:
        try:
            await_worker(database)
            await_counted(database, {"A549": 3})
            livecount(
                "experiment", "add", "HeLa", tmp_path / "hela", "--cell-diameter-px", 30, "--h",
                0.4, "--pattern", r"(?P<well>[A-H]\d+)_t(?P<time_point>\d+)", "--by", "ada", *where,
            )  # fmt: skip
            await_counted(database, {"A549": 3, "HeLa": 3})
            livecount("experiment", "stop", "A549", "--by", "ada", *where)
            await_state(database, {"A549": False, "HeLa": True})
            shutil.copyfile(frames[0], tmp_path / "a549" / f"again-{frames[0].name}")
            shutil.copyfile(frames[0], tmp_path / "hela" / "B7_t9.tif")
            await_counted(database, {"A549": 3, "HeLa": 4})
            livecount("experiment", "start", "A549", *where)
            await_counted(database, {"A549": 4, "HeLa": 4})
        finally:
            monitor.send_signal(signal.SIGTERM)
        assert monitor.stderr is not None
        said = monitor.stderr.read()
        assert monitor.wait(30) == 0
    assert "Experiment 'A549' is not watched: ada stopped it" in said
    assert {row["well"] for row in counts_of(database, "HeLa")} == {"B7"}
    with CountStore.open(database, read_only=True) as store:
        by_name = {one.name: store.analysis(one).settings for one in store.experiments()}
    assert (by_name["HeLa"].h, by_name["HeLa"].cell_diameter) == (0.4, 30)
    assert by_name["A549"].cell_diameter == 40


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_what_people_said_holds_after_a_restart(folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    shutil.copytree(folder / "a549", tmp_path / "a549")
    shutil.copytree(folder / "hela", tmp_path / "hela")
    options = ["--cell-diameter-px", 40, "--experiment", "A549", *SOON]
    run_until_idle(tmp_path / "a549", database, options)
    livecount("experiment", "add", "HeLa", tmp_path / "hela", "--database", database)
    livecount("experiment", "stop", "A549", "--by", "ada", "--database", database)
    first = sorted((folder / "a549").glob("*.tif"))[0]
    shutil.copyfile(first, tmp_path / "a549" / f"again-{first.name}")
    done = livecount("run", tmp_path / "a549", "--database", database, "--no-dashboard", *options)
    assert "ada stopped it" in done.stderr
    with CountStore.open(database, read_only=True) as store:
        counted = {one.name: store.tally(one).counted for one in store.experiments()}
        assert [one.code for one in store.notices()].count("experiment_stopped") == 1
    assert counted == {"A549": 3, "HeLa": 3}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "A549", "x"), 1, "There is an experiment 'A549'"),
        (("add", "B", "x", "--h", 7), 2, "experiments.h, item 1: must be at most 1 (is 7"),
        (("add", "B", "x", "--pattern", "("), 2, "not a usable regular expression"),
        (("add", " ", "x"), 2, "needs a name"),
        (("stop", "B"), 1, "Known are: 'A549', 'HeLa'"),
    ],
)
def test_orders_that_cannot_be_followed_are_refused_in_one_line(
    together: Path, words: tuple[object, ...], status: int, said: str
) -> None:
    refused = livecount("experiment", *words, "--database", together, check=False)
    assert refused.returncode == status
    assert said in refused.stderr


def await_state(database: Path, wanted: dict[str, bool]) -> None:
    deadline = time.monotonic() + 60
    found: dict[str, bool] = {}
    while time.monotonic() < deadline:
        listed = json.loads(
            livecount("experiment", "list", "--database", database, "--json").stdout
        )
        found = {one["name"]: one["is_watched"] for one in listed["experiments"]}
        if found == wanted:
            return
        time.sleep(0.3)
    raise AssertionError(f"watched are {found}, not {wanted}")
