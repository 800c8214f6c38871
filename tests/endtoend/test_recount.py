"""Counts of the same frames at another h or with another model, beside the first ones."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from livecount.storage import CountStore
from tests.endtoend.program import await_worker, command, environment, livecount, rows_of, stored

DIAMETER = ("--cell-diameter-px", 40)
SOON = ("--until-idle", 1.2)
NAMED = ("--experiment", "e")


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


def run(folder: Path, database: Path, *words: object) -> None:
    livecount(
        "run", folder, "--database", database, "--no-dashboard", *DIAMETER, *NAMED, *SOON, *words
    )


@pytest.fixture(scope="module")
def counted(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("counted") / "run.db"
    run(frames, database, "--h", 0.2)
    return database


@pytest.fixture
def database(counted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(counted, tmp_path / "run.db"))


def recount(database: Path, *words: object, **options: object) -> dict[str, object]:
    done = livecount("recount", *words, "--database", database, "--json", **options)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def exported(database: Path, *words: object) -> list[dict[str, str]]:
    file = database.with_name("counts.csv")
    livecount("export", "counts", "-o", file, "--database", database, *words)
    return rows_of(file)


@pytest.mark.parametrize("h", [0.05, 0.9])
def test_another_h_counts_the_stored_peaks_and_reads_no_frame(
    database: Path, h: float, frames: Path, tmp_path: Path
) -> None:
    before = exported(database)
    hidden = frames.rename(frames.with_name("hidden"))
    try:
        made = recount(database, "--h", h, "--by", "Ada")
    finally:
        hidden.rename(frames)
    assert exported(database) == before
    again = exported(database, "--analysis", made["analysis_id"])
    assert len(again) == made["counted"] == 6
    with CountStore.open(database, read_only=True) as store:
        (one,) = store.experiments()
        first = store.analysis(one)
        peaks = {item.frame_id: item.candidates for item in store.iter_candidates(first)}
        beside = store.counts(store.analysis(one, str(made["analysis_id"])))
        for frame, count in zip(beside.frame_id, beside.count, strict=True):
            assert count == sum(peaks[int(frame)].prominence >= h)
        assert beside.count.sum() != store.counts(first).count.sum()
        assert [item.said.made_by for item in store.recounts(one)] == ["Ada"]
    assert livecount("verify", database, check=False).returncode == 0
    assert recount(database, "--h", h)["counted"] == 6
    other = tmp_path / "other.db"
    run(frames, other, "--h", h)
    assert [row["count"] for row in exported(other)] == [row["count"] for row in again]
    assert [row["flags"] for row in exported(other)] == [row["flags"] for row in again]


def test_a_running_monitor_counts_at_another_h_and_keeps_it_up(
    frames: Path, tmp_path: Path
) -> None:
    watched, database = tmp_path / frames.name, tmp_path / "run.db"
    watched.mkdir()
    first, *others = sorted(frames.iterdir())
    shutil.copyfile(first, watched / first.name)
    run(watched, database)
    monitor = subprocess.Popen(
        command("run", watched, "--database", database, "--no-dashboard", *DIAMETER, *NAMED),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_worker(database)
        made = recount(database, "--h", 0.4)
        assert made["counted"] == 1
        # The same model: it is h alone that differs.
        assert recount(database, "--model", "deepdistance", "--h", 0.4) == made
        for other in others:
            shutil.copyfile(other, watched / other.name)
        deadline = time.monotonic() + 120
        while len(exported(database, "--analysis", made["analysis_id"])) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(60) == 0
    calm = tmp_path / "calm.db"
    run(watched, calm)
    recount(calm, "--h", 0.4)
    assert stored(database) == stored(calm)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network under another hash: only its producer's name differs."""
    import onnx

    from livecount.inference import find_model

    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(find_model("deepdistance").folder, folder)
    network = onnx.load(folder / "model.onnx")
    network.producer_name = "another"
    onnx.save(network, folder / "model.onnx")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    card = (folder / "model.toml").read_text(encoding="utf-8")
    card = re.sub(r'onnx_sha256 = "\w+"', f'onnx_sha256 = "{digest}"', card)
    (folder / "model.toml").write_text(card, encoding="utf-8")
    return folder


def test_another_model_reads_the_frames_again_and_goes_on_after_kills(
    frames: Path, database: Path, other_model: Path
) -> None:
    before = exported(database)
    met = 0
    for life_s in (2.5, 4.0, 5.0):
        command_line = command("recount", "--model", other_model, "--database", database)
        process = subprocess.Popen(command_line, env=environment(), stderr=subprocess.DEVNULL)
        time.sleep(life_s)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            met += 1
        process.wait()
    assert met
    made = recount(database, "--model", other_model)
    assert (made["counted"], made["left"]) == (6, [])
    assert exported(database) == before
    again = exported(database, "--analysis", made["analysis_id"])
    of_model = {"model", "analysis_id"}
    for row, first in zip(again, before, strict=True):
        differs = {name for name in row if row[name] != first[name]}
        assert differs <= {*of_model, "h", "count", "flags", "runtime", "precision"}, differs
    # What this model found at another h follows from what it found: no frame is read for that.
    hidden = frames.rename(frames.with_name("hidden"))
    try:
        at_h = recount(database, "--model", other_model, "--h", 0.9)
    finally:
        hidden.rename(frames)
    assert at_h["counted"] == 6
    livecount("analysis", "primary", made["analysis_id"], "--database", database)
    assert exported(database) == again
    found = json.loads(livecount("analysis", "list", "--database", database, "--json").stdout)[
        "analyses"
    ]
    assert [(one["primary"], one["counted"]) for one in found] == [
        (True, 6), (False, 6), (False, 6),
    ]  # fmt: skip


def test_frames_that_have_changed_or_gone_are_left_and_said(
    frames: Path, tmp_path: Path, other_model: Path
) -> None:
    watched, database = tmp_path / frames.name, tmp_path / "run.db"
    shutil.copytree(frames, watched)
    run(watched, database)
    first, second, *_ = sorted(watched.iterdir())
    first.unlink()
    shutil.copyfile(sorted(watched.iterdir())[-1], second)
    made = recount(database, "--model", other_model, check=False)
    assert made["counted"] == 4
    left = {one["file"]: one["reason"] for one in made["left"]}  # type: ignore[attr-defined]
    assert set(left) == {first.name, second.name}
    assert "has changed since it was counted" in left[second.name]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "Give another --h or another --model"),
        (("--h", 0.2), 2, "at h = 0.2 already"),
        (("--h", 7), 2, "h: must be at most 1 (is 7"),
        (("--h", 0.01), 2, "h: must be at least 0.02"),
        (("--model", "nobodys"), 1, "no model 'nobodys'"),
        (("--h", 0.3, "--experiment", "zz"), 1, "no experiment 'zz'"),
    ],
)
def test_bad_usage_is_one_clear_line(
    database: Path, words: tuple[object, ...], code: int, said: str
) -> None:
    done = livecount("recount", *words, "--database", database, check=False)
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())


def test_another_model_waits_until_no_monitor_runs(
    frames: Path, database: Path, other_model: Path
) -> None:
    monitor = subprocess.Popen(
        command(
            "run", frames, "--database", database, "--no-dashboard", *DIAMETER, *NAMED, "--h", 0.2
        ),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_worker(database)
        done = livecount("recount", "--model", other_model, "--database", database, check=False)
        assert (done.returncode, "stop the monitor first" in done.stderr) == (1, True)
    finally:
        monitor.send_signal(signal.SIGTERM)
        monitor.wait(60)
