"""Another model beside the first count: as a run with it counts, over kills, frames only read."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from livecount.inference import find_model
from tests.endtoend.program import command, environment, livecount, run_until_idle, stored
from tests.endtoend.test_recount import OPTIONS, counts_of, database, n_counts, recount, run

__all__ = ["database", "run"]

N_FRAMES = 6


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that counts otherwise: the shipped one, to which cells look smaller."""
    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(find_model("deepdistance").folder, folder)
    card = folder / "model.toml"
    text = card.read_text(encoding="utf-8").replace('name = "deepdistance"', 'name = "other"', 1)
    card.write_text(text.replace("cell_diameter_px = 26.0", "cell_diameter_px = 18.0"), "utf-8")
    return folder


def counted_copy(run: Path, folder: Path) -> tuple[Path, Path]:
    """Count frames that may be changed; gives their folder and the database."""
    frames = Path(shutil.copytree(run / "frames", folder / "frames"))
    run_until_idle(frames, folder / "run.db", OPTIONS)
    return frames, folder / "run.db"


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.tif")
    }


def test_a_count_with_another_model_is_that_which_a_run_with_it_gives(
    run: Path, database: Path, other: Path, tmp_path: Path
) -> None:
    first, before = counts_of(database), files_of(run / "frames")
    made = recount(database, "--model", other)
    assert (made["new"], made["frames"], made["left"]) == (N_FRAMES, N_FRAMES, {})
    assert (made["model"], made["h"], made["is_primary"]) == (
        "other",
        find_model("deepdistance").h,
        False,
    )
    fresh = tmp_path / "fresh" / "run.db"
    fresh.parent.mkdir()
    run_until_idle(run / "frames", fresh, [*OPTIONS, "--model", other])
    beside = counts_of(database, "--analysis", made["analysis_id"])
    assert beside == counts_of(fresh)
    assert [row["count"] for row in beside] != [row["count"] for row in first]
    assert counts_of(database) == first, "what is shown stays"
    assert files_of(run / "frames") == before, "frames are only read"
    assert recount(database, "--model", other)["new"] == 0
    assert livecount("verify", "--database", database).returncode == 0


def test_another_h_of_a_model_that_counted_before_needs_no_frame(
    run: Path, other: Path, tmp_path: Path
) -> None:
    frames, file = counted_copy(run, tmp_path)
    recount(file, "--model", other)
    shutil.rmtree(frames)
    made = recount(file, "--model", other, "--h", 0.3)
    assert (made["new"], made["h"], made["left"]) == (N_FRAMES, 0.3, {})


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_killed_and_given_again_it_ends_as_if_never_killed(
    database: Path, other: Path, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed" / "run.db"
    undisturbed.parent.mkdir()
    shutil.copyfile(database, undisturbed)
    recount(undisturbed, "--model", other)
    words = command("recount", "--model", other, "--database", database)
    for reached in (1, 3):
        with subprocess.Popen(
            words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while n_counts(database) < N_FRAMES + reached and process.poll() is None:
                pass
            process.send_signal(signal.SIGKILL)
    assert N_FRAMES < n_counts(database) < 2 * N_FRAMES
    recount(database, "--model", other)
    assert stored(database) == stored(undisturbed)


def test_frames_that_are_gone_are_named_and_it_does_not_take_the_first_place(
    run: Path, other: Path, tmp_path: Path
) -> None:
    frames, file = counted_copy(run, tmp_path)
    gone, changed, *_ = sorted(frames.glob("*.tif"))
    gone.unlink()
    shutil.copyfile(sorted(frames.glob("*.tif"))[-1], changed)
    done = livecount("recount", "--model", other, "--database", file, "--json", check=False)
    made = json.loads(done.stdout)
    assert (done.returncode, made["new"]) == (1, N_FRAMES - 2)
    assert sorted(made["left"]) == [gone.name, changed.name]
    assert "has changed since it was counted" in made["left"][changed.name]
    refused = livecount(
        "recount", "--model", other, "--database", file, "--make-primary", check=False
    )
    assert refused.returncode == 1
    assert "lacks 2 frames that were counted otherwise" in " ".join(refused.stderr.split())
    assert f"not counted again: {gone.name}" in refused.stderr
    assert "Traceback" not in done.stderr + refused.stderr


def test_made_primary_the_monitor_goes_on_with_it(run: Path, other: Path, tmp_path: Path) -> None:
    frames = sorted((run / "frames").glob("*.tif"))
    watched, file = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    for frame in frames[:2]:
        shutil.copyfile(frame, watched / frame.name)
    run_until_idle(watched, file, OPTIONS)
    made = recount(file, "--model", other, "--make-primary")
    assert made["is_primary"] is True
    shutil.copyfile(frames[2], watched / frames[2].name)
    refused = livecount("run", watched, "--database", file, "--no-dashboard", *OPTIONS, check=False)
    assert refused.returncode == 2
    run_until_idle(watched, file, [*OPTIONS, "--model", other])
    assert len(counts_of(file)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_it_counts_beside_a_running_monitor(run: Path, database: Path, other: Path) -> None:
    words = command("run", run / "frames", "--database", database, "--no-dashboard", *OPTIONS[:2],
                    "--experiment", "e")  # fmt: skip
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as monitor:
        try:
            assert recount(database, "--model", other)["new"] == N_FRAMES
        finally:
            monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30) == 0
