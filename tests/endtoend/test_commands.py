"""Every command as a user calls it."""

import csv
import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecount.storage import CountStore, FileStamp
from tests.endtoend.program import livecount, rows_of, run_until_idle


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated frames with their true centres beside them."""
    folder = tmp_path_factory.mktemp("simulated") / "frames"
    livecount(
        "simulate", "-o", folder, "--time-points", 2, "--size-px", 384, "--founders", 14,
        "--annotations", "--frame-interval-min", 60,
    )  # fmt: skip
    return folder


def test_count_prints_a_table_writes_csv_and_draws_overlays(
    annotated: Path, tmp_path: Path
) -> None:
    done = livecount(
        "count", annotated, "--cell-diameter-px", 40, "--csv", tmp_path / "c.csv",
        "--overlay", tmp_path / "look",
    )  # fmt: skip
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert all(int(row["count"]) > 3 for row in rows)
    assert "cells" in done.stdout
    pictures = sorted((tmp_path / "look").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert min(picture.size) >= 384


def test_count_gives_the_counts_of_a_run(annotated: Path, tmp_path: Path) -> None:
    counted = json.loads(livecount("count", annotated, "--cell-diameter-px", 40, "--json").stdout)
    run_until_idle(annotated, tmp_path / "run.db", ["--cell-diameter-px", 40, "--until-idle", 1.2])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", tmp_path / "run.db")
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        by_run = {row["source"]: int(row["count"]) for row in csv.DictReader(file)}
    assert {frame["source"]: frame["count"] for frame in counted["frames"]} == by_run


def test_count_says_what_it_could_not_read_and_ends_with_1(annotated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(annotated, folder, ignore=shutil.ignore_patterns("truth", "*.csv", "*.toml"))
    (folder / "broken.tif").write_bytes(b"II*\0broken")
    done = livecount("count", folder, "--cell-diameter-px", 40, "--json", check=False)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert len(result["frames"]) == 2
    assert [Path(item["file"]).name for item in result["failed"]] == ["broken.tif"]
    assert "broken.tif" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def pixels(annotated: Path) -> np.ndarray:
    return tifffile.imread(min(annotated.glob("*.tif")))


def test_count_goes_on_after_a_bad_page_of_a_stack(pixels: np.ndarray, tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    with tifffile.TiffWriter(stack) as writer:
        for _ in range(4):
            writer.write(pixels, compression="zlib", contiguous=False, metadata=None)
    with tifffile.TiffFile(stack) as opened:
        damaged = opened.pages[1].dataoffsets[0]
    content = bytearray(stack.read_bytes())
    content[damaged : damaged + 64] = b"x" * 64
    stack.write_bytes(content)
    done = livecount(
        "count", stack, "--cell-diameter-px", 40, "--json", "--csv", tmp_path / "c.csv", check=False
    )
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert [frame["page"] for frame in result["frames"]] == [0, 2, 3]
    assert [row["page"] for row in rows_of(tmp_path / "c.csv")] == ["0", "2", "3"]
    (failed,) = result["failed"]
    assert (failed["file"], failed["page"]) == (str(stack), 1)
    assert f"{stack}, page 1: " in done.stderr
    assert done.stderr.count(str(stack)) == 1


def test_count_keeps_its_counts_where_the_rule_cannot_count_a_frame(
    annotated: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "frames").mkdir()
    tifffile.imwrite(tmp_path / "frames" / "a.tif", pixels)
    for name in ("b.tif", "c.tif"):
        shutil.copyfile(min(annotated.glob("*.tif")), tmp_path / "frames" / name)
    done = livecount("count", tmp_path / "frames", "--cell-diameter-um", 26, "--json", check=False)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert [frame["source"] for frame in result["frames"]] == ["b.tif", "c.tif"]
    assert [Path(item["file"]).name for item in result["failed"]] == ["a.tif"]
    assert "a.tif: the cell diameter is set in um" in done.stderr


def test_count_keeps_its_counts_where_the_overlays_cannot_be_written(
    annotated: Path, tmp_path: Path
) -> None:
    (tmp_path / "look").write_text("a file, no folder")
    done = livecount(
        "count", annotated, "--cell-diameter-px", 40, "--json", "--overlay", tmp_path / "look",
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert len(result["frames"]) == len(result["failed"]) == 2
    assert "cannot be written" in done.stderr


def test_count_takes_names_as_local_times_and_starts_at_the_declared_t0(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for hour in (14, 16):
        name = f"VID1_Phase_A1_1_2026y10m05d_{hour}h30m.tif"
        tifffile.imwrite(frames / name, pixels, metadata=None)
    config = tmp_path / "config.toml"
    config.write_text(
        '[experiment]\ntime_zone = "Asia/Tokyo"\nt0 = "2026-10-05T13:30:00"\n', encoding="utf-8"
    )
    words = ("--cell-diameter-px", 40, "-c", config)
    livecount("count", frames, *words, "--csv", tmp_path / "c.csv")
    rows = rows_of(tmp_path / "c.csv")
    assert [row["acquired_at"] for row in rows] == ["2026-10-05T05:30:00Z", "2026-10-05T07:30:00Z"]
    assert [float(row["elapsed_h"]) for row in rows] == [1, 3]
    told = json.loads(livecount("doctor", frames, "-c", config, "--json").stdout)["folder"]
    first = told["patterns"][0]["attributes"]["acquired_at"]["first"]
    assert datetime.fromisoformat(first) == datetime(2026, 10, 5, 5, 30, tzinfo=UTC)


def test_count_takes_the_declared_interval(pixels: np.ndarray, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in (1, 2, 4):
        tifffile.imwrite(frames / f"t{number:03d}.tif", pixels, metadata=None)
    words = ("--cell-diameter-px", 40, "--frame-interval-min", 30, "--csv", tmp_path / "c.csv")
    livecount("count", frames, *words)
    rows = rows_of(tmp_path / "c.csv")
    assert [float(row["elapsed_h"]) for row in rows] == [0, 0.5, 1.5]
    assert {row["time_source"] for row in rows} == {"frame interval"}


def test_count_estimates_the_cell_diameter_and_says_so(annotated: Path) -> None:
    done = livecount("count", annotated)
    assert "estimated from" in done.stderr


def test_evaluate_scores_against_the_centres(annotated: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    tifffile.imwrite(tmp_path / "plain" / "a.tif", np.zeros((8, 8), np.uint8))
    figures = [tmp_path / "figures" / name for name in ("sweep.svg", "agreement.svg")]
    result = json.loads(
        livecount(
            "evaluate", annotated, tmp_path,
            "--sweep", figures[0], "--agreement", figures[1], "--json",
        ).stdout
    )  # fmt: skip
    (scores,) = result["datasets"].values()
    assert all(figure.stat().st_size > 1000 for figure in figures)
    assert len(result["frames"]) == 2
    assert sum(frame["detected"] for frame in result["frames"]) == scores["detected"]
    assert scores["images"] == 2
    assert scores["annotated"] > 10
    assert 0 < scores["f_score_assignment"] <= 100
    assert result["mean_f_score_assignment"] == scores["f_score_assignment"]
    assert [Path(path).name for path in result["skipped"]] == ["plain"]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"no image", "not a TIFF"), (None, "missing")]
)
def test_evaluate_names_the_image_that_it_cannot_read(
    annotated: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    folder = tmp_path / "annotated"
    shutil.copytree(annotated, folder)
    bad = max(folder.glob("*.tif"))
    bad.write_bytes(bad.read_bytes()[:5000] if content is None else content)
    done = livecount("evaluate", folder, "--json", check=False)
    assert done.returncode == 1
    assert not done.stdout
    assert bad.name in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_lists_examples_only(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    for copy in ("one", "two"):
        (folder / copy).mkdir(parents=True)
        for number in range(300):
            (folder / copy / f"A1_01_1_1_[b]dye{number}_001.tif").touch()
            (folder / copy / f"[red]note {number}.txt").touch()
    done = livecount("doctor", folder)
    assert len(done.stdout.splitlines()) < 120
    assert len(done.stdout) < 20_000
    assert "600 files ignored, not an image that livecount reads: 'one/[red]note 0" in done.stdout
    assert "and 280 more channels" in done.stdout
    assert "and 280 more places and times" in done.stdout
    told = livecount("doctor", folder, "--json").stdout
    assert len(told) < 40_000


def test_doctor_explains_a_folder(annotated: Path) -> None:
    found = json.loads(livecount("doctor", annotated, "--json").stdout)
    assert all(check["fine"] for check in found["checks"])
    assert found["folder"]["n_frame_files"] == 2
    assert livecount("doctor", annotated).stdout.count("time_point")


def test_doctor_ends_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[counting]\nmodel = "no such model"\n')
    done = livecount("doctor", "-c", config, check=False)
    assert done.returncode == 1
    assert "no such model" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("run",), 2, "No folder to watch"),
        (("count",), 2, "paths"),
        (("export", "colours", "-o", "x.csv"), 2, "colours"),
        (("export", "counts", "-o", "x.csv", "--database", "none.db"), 1, "none.db"),
        (("status", "--database", "none.db"), 1, "no database"),
        (("plot", "--database", "none.db"), 1, "livecount run"),
        (("count", "nothing-here"), 1, "nothing-here"),
        (("evaluate", "nothing-here"), 1, "nothing-here"),
        (("train", "nothing.toml", "-o", "run"), 2, "nothing.toml"),
        (("run", ".", "-c", "no-such.toml"), 2, "no-such.toml"),
        (("run", ".", "--h", "7"), 2, "counting.h"),
        (("simulate", "-o", "s", "--wells", "Z99"), 1, "Z99"),
        (("no-such-command",), 2, "no-such-command"),
        ((), 2, "Commands:"),
        (("run", ".", "--until-idle", 0), 2, "--until-idle"),
        (("run", ".", "--until-idle", "nan"), 2, "--until-idle"),
        (("run", ".", "--frame-interval-min", 0), 2, "experiment.frame_interval_min"),
        (("count", ".", "--frame-interval-min", -5), 2, "experiment.frame_interval_min"),
        (("count", ".", "--cell-diameter-px", 0), 2, "counting.cell_diameter_px"),
        (("run", ".", "--port", 0), 2, "--port"),
        (("plot", "--width-mm", 0), 2, "--width-mm"),
        (("evaluate", ".", "--h", "nan"), 2, "counting.h"),
    ],
)
def test_bad_usage_is_one_clear_message(
    words: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    done = livecount(*words, check=False, cwd=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


COMMANDS = [
    *(
        "demo",
        "run",
        "count",
        "export",
        "plot",
        "status",
        "doctor",
        "evaluate",
        "train",
        "finetune",
        "simulate",
        "recount",
        "experiment add",
        "experiment stop",
        "experiment start",
        "experiment list",
        "analysis list",
        "analysis primary",
    )
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    shown = livecount(*name.split(), "--help").stdout
    assert f"Example: livecount {name}" in shown
    assert "--json" in shown


@pytest.fixture(scope="module")
def of_two(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of two experiments, the later one with thirty files set aside."""
    database = tmp_path_factory.mktemp("two") / "run.db"
    words = ["--cell-diameter-px", 40, "--until-idle", 1.2, "--experiment"]
    run_until_idle(annotated, database, [*words, "first"])
    with CountStore.open(database) as store:
        first = store.experiment("first")
        experiment = store.ensure_experiment("second")
        store.ensure_analysis(experiment, store.analysis(first).settings)
        source = store.ensure_source(experiment, str(annotated))
        for number in range(30):
            stamp = FileStamp(number, number)
            store.quarantine(source, b"bad%d.tif" % number, stamp, "not a TIFF")
    return database


def test_status_times_are_utc_in_iso_8601(of_two: Path) -> None:
    found = json.loads(livecount("status", "--database", of_two, "--json").stdout)
    for name in ("since", "heard_of", "last_count"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", found[name])
        assert abs((datetime.fromisoformat(found[name]) - datetime.now(UTC)).total_seconds()) < 600
    shown = livecount("status", "--database", of_two).stdout
    assert re.search(r"last count +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\s", shown)


def test_status_lists_the_first_of_many_that_were_set_aside(of_two: Path) -> None:
    done = livecount("status", "--database", of_two)
    assert done.stdout.count("not a TIFF") == 20
    assert "and 10 more set aside" in done.stdout
    found = json.loads(livecount("status", "--database", of_two, "--json").stdout)
    assert len(found["quarantined"]) == 30


def test_export_says_which_experiment_it_took(of_two: Path, tmp_path: Path) -> None:
    words = ("export", "counts", "-o", tmp_path / "c.csv", "--database", of_two)
    assert json.loads(livecount(*words, "--json").stdout)["experiment"] == "second"
    assert "experiment 'second', the latest of 2" in livecount(*words).stderr
    first = livecount(*words, "--experiment", "first", "--json")
    assert json.loads(first.stdout)["experiment"] == "first"
    assert json.loads(first.stdout)["rows"] == len(rows_of(tmp_path / "c.csv")) == 2


HOSTILE = ["with space", "quote'\"", "new\nline", "<img src=x>", "=1+1", "caf\u00e9"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_hostile_names_pass_from_folder_to_csv(annotated: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    frame = next(annotated.glob("*.tif"))
    for name in HOSTILE:
        shutil.copyfile(frame, watched / f"{name}.tif")
    shutil.copyfile(frame, os.fsencode(watched) + b"/caf\xe9 invalid.tif")
    database = tmp_path / "run.db"
    run_until_idle(watched, database, ["--cell-diameter-px", 40, "--until-idle", 1.2])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        sources = {row["source"] for row in csv.DictReader(file)}
    expected = {f"{name}.tif" for name in HOSTILE if name != "=1+1"}
    assert sources == expected | {"'=1+1.tif", "caf\\xe9 invalid.tif"}
    status = livecount("status", "--database", database)
    assert "7 counted" in " ".join(status.stdout.split())
