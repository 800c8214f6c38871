"""Another h beside the first count: from the stored candidates, beside a monitor, over kills."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from livecount.inference import find_model
from livecount.storage import CountStore
from tests.endtoend.program import command, environment, livecount, rows_of, run_until_idle, stored

OPTIONS = ("--cell-diameter-px", 40, "--until-idle", 1.2, "--experiment", "e")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six counted frames of two simulated wells, and its database."""
    folder = tmp_path_factory.mktemp("run")
    livecount(
        "simulate", "-o", folder / "frames", "--wells", "A1,B2", "--time-points", 3, "--size-px",
        320, "--founders", 12, "--scheme", "incucyte", "--frame-interval-min", 120,
    )  # fmt: skip
    shutil.rmtree(folder / "frames" / "truth")
    run_until_idle(folder / "frames", folder / "run.db", OPTIONS)
    return folder


@pytest.fixture
def database(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(run / "run.db", tmp_path / "run.db"))


def recount(database: Path, *words: object) -> dict[str, object]:
    done = livecount("recount", "--database", database, "--json", *words)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def counts_of(database: Path, *words: object) -> list[dict[str, str]]:
    table = database.with_name("counts.csv")
    livecount("export", "counts", "-o", table, "--database", database, *words)
    return rows_of(table)


def test_a_count_of_another_h_is_that_of_the_peaks_which_reach_it(database: Path) -> None:
    before = counts_of(database)
    made = recount(database, "--h", 0.45)
    assert (made["new"], made["frames"], made["is_primary"]) == (6, 6, False)
    with CountStore.open(database, read_only=True) as store:
        first = store.analysis(store.experiment("e"))
        expected = [
            int((one.candidates.prominence >= 0.45).sum()) for one in store.iter_candidates(first)
        ]
        second = store.analysis(store.experiment("e"), str(made["analysis_id"]))
        columns = store.counts(second)
        assert columns.count.tolist() == expected
        assert sum(expected) < store.counts(first).count.sum()
        assert second.settings.h == 0.45
    beside = counts_of(database, "--analysis", made["analysis_id"])
    for old, new in zip(before, beside, strict=True):
        changed = {name for name in old if old[name] != new[name]}
        assert changed <= {
            "count", "density_per_mm2", "flags", "analysis_id", "count_low", "count_high",
            "count_inside", "density_inside_per_mm2", "h",
        }  # fmt: skip
    assert counts_of(database) == before
    assert livecount("verify", "--database", database).returncode == 0


def test_a_count_again_is_that_which_a_run_with_this_h_gives(
    run: Path, database: Path, tmp_path: Path
) -> None:
    made = recount(database, "--h", 0.3)
    other = tmp_path / "other" / "run.db"
    other.parent.mkdir()
    run_until_idle(run / "frames", other, [*OPTIONS, "--h", 0.3])
    assert counts_of(database, "--analysis", made["analysis_id"]) == counts_of(other)


MANY = 2000


def multiply(database: Path, n: int) -> None:
    """Give the database as many counted frames more, each a copy of one that was counted."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = {}
        for name in ("files", "frames", "counts", "candidates"):
            rows = connection.execute(f"SELECT * FROM {name} ORDER BY 1")
            tables[name] = [column[0] for column in rows.description], list(rows)
        for number in range(n):
            _copy_frame(connection, tables, number)


def _copy_frame(connection: sqlite3.Connection, tables: dict, number: int) -> None:
    row_id = 1000 + number
    new = {
        "files": {"id": row_id, "relative_path": b"copy%05d.tif" % number},
        "frames": {"id": row_id, "file_id": row_id},
        "counts": {"id": row_id, "frame_id": row_id},
        "candidates": {"count_id": row_id},
    }
    for name, (columns, rows) in tables.items():
        values = {**dict(zip(columns, rows[number % len(rows)], strict=True)), **new[name]}
        places = ", ".join("?" * len(columns))
        connection.execute(f"INSERT INTO {name} VALUES ({places})", list(values.values()))


def n_counts(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM counts").fetchone()[0])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_killed_in_the_middle_and_given_again_it_ends_as_if_never_killed(
    database: Path, tmp_path: Path
) -> None:
    multiply(database, MANY)
    undisturbed = tmp_path / "undisturbed" / "run.db"
    undisturbed.parent.mkdir()
    shutil.copyfile(database, undisturbed)
    assert recount(undisturbed, "--h", 0.3)["new"] == MANY + 6
    before, in_all = n_counts(database), n_counts(undisturbed)
    words = command("recount", "--h", 0.3, "--database", database)
    met_in_the_middle = 0
    for kill in range(3):
        reached = n_counts(database)
        process = subprocess.Popen(
            words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while n_counts(database) <= reached + 300 and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        met_in_the_middle += before < n_counts(database) < in_all
        assert kill or met_in_the_middle
    recount(database, "--h", 0.3)
    assert recount(database, "--h", 0.3)["new"] == 0
    assert stored(database) == stored(undisturbed)
    assert livecount("verify", "--database", database).returncode == 0


def test_frames_that_came_since_are_counted_when_it_is_given_again(
    run: Path, tmp_path: Path
) -> None:
    frames = sorted((run / "frames").glob("*.tif"))
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    for frame in frames[:2]:
        shutil.copyfile(frame, watched / frame.name)
    run_until_idle(watched, database, OPTIONS)
    first = recount(database, "--h", 0.3)
    assert first["new"] == 2
    shutil.copyfile(frames[2], watched / frames[2].name)
    run_until_idle(watched, database, OPTIONS)
    assert len(counts_of(database, "--analysis", first["analysis_id"])) == 2
    again = recount(database, "--h", 0.3)
    assert (again["new"], again["frames"]) == (1, 3)
    assert again["analysis_id"] == first["analysis_id"]


def test_made_primary_it_is_what_exports_show_and_the_monitor_goes_on_with(
    run: Path, tmp_path: Path
) -> None:
    frames = sorted((run / "frames").glob("*.tif"))
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    for frame in frames[:2]:
        shutil.copyfile(frame, watched / frame.name)
    run_until_idle(watched, database, OPTIONS)
    made = recount(database, "--h", 0.3, "--make-primary")
    assert made["is_primary"] is True
    assert {row["analysis_id"] for row in counts_of(database)} == {made["analysis_id"]}
    shutil.copyfile(frames[2], watched / frames[2].name)
    refused = livecount(
        "run", watched, "--database", database, "--no-dashboard", *OPTIONS, check=False
    )
    assert refused.returncode == 2
    assert "h was 0.3, is" in refused.stderr
    run_until_idle(watched, database, [*OPTIONS, "--h", 0.3])
    assert len(counts_of(database)) == 3
    listed = livecount("analyses", "--database", database, "--json").stdout
    kept = {row["h"]: row["frames"] for row in json.loads(listed)["analyses"]}
    assert kept == {0.3: 3, min(kept): 2}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_beside_a_running_monitor_it_counts_but_does_not_take_the_first_place(
    run: Path, tmp_path: Path
) -> None:
    database = Path(shutil.copyfile(run / "run.db", tmp_path / "run.db"))
    words = command("run", run / "frames", "--database", database, "--no-dashboard", *OPTIONS[:2],
                    "--experiment", "e")  # fmt: skip
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as monitor:
        try:
            _await_folder(database)
            assert recount(database, "--h", 0.3)["new"] == 6
            refused = livecount(
                "recount", "--h", 0.3, "--make-primary", "--database", database, check=False
            )
            assert refused.returncode == 1
            assert "is being counted" in refused.stderr
        finally:
            monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30) == 0


def _await_folder(database: Path) -> None:
    import time

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = json.loads(livecount("status", "--database", database, "--json").stdout)
        if status["running"] and status["folders"] and status["doing"] != "stopped":
            return
        time.sleep(0.2)
    raise AssertionError("the monitor did not begin to watch")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "Give another --h, another --model, or both"),
        (("--model", "other"), 1, "There is no model 'other'"),
        (
            ("--model", "deepdistance"),
            2,
            f"with deepdistance at h = {find_model('deepdistance').h:g} already",
        ),
        (("--h", 0.01), 2, "greater than or equal to 0.02"),
        (("--h", "nan"), 2, "Invalid value for '--h'"),
        (("--h", 0.3, "--experiment", "x"), 1, "Known are: 'e'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    database: Path, words: tuple[object, ...], status: int, said: str
) -> None:
    refused = livecount("recount", "--database", database, *words, check=False)
    assert refused.returncode == status
    assert said in " ".join(refused.stderr.replace("│", " ").split())
    assert "Traceback" not in refused.stderr
