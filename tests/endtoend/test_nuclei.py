"""Stained nuclei beside cells, from the watched folder to calibrated doubling times.

Simulated frames: that each is counted once and paired rightly, not how well real cells are counted.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.endtoend.program import environment, livecount, rows_of

WELLS = "A1,A2,B1,B2"
CONFIG = '[counting]\nnuclei_channel = "dapi"\ncell_diameter_px = 30.0\n'


@dataclass(frozen=True)
class Run:
    folder: Path
    database: Path
    config: Path

    def again(self, *words: object, check: bool = True):
        return livecount(
            "run", self.folder, "-c", self.config, "--database", self.database, "--no-dashboard",
            "--until-idle", 1.2, *words, check=check,
        )  # fmt: skip

    def asked(self, *words: object, check: bool = True):
        return livecount(*words, "--database", self.database, check=check)

    def query(self, text: str):
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(text).fetchall()

    def analyses(self):
        rows = self.query(
            "SELECT a.channel, a.is_primary, count(*), count(DISTINCT c.frame_id) "
            "FROM counts c JOIN analyses a ON a.id = c.analysis_row_id GROUP BY a.id"
        )
        return {channel: tuple(rest) for channel, *rest in rows}


def simulate(folder: Path, *words: object) -> None:
    livecount(
        "simulate", "-o", folder, "--scheme", "imagexpress", "--wells", WELLS, "--fields", 2,
        "--time-points", 5, "--frame-interval-min", 600, "--founders", 9, "--size-px", 320,
        "--cell-diameter-px", 30, "--nuclei-every", 2, "--seed", 3, *words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("nuclei")
    simulate(folder / "frames")
    (folder / "config.toml").write_text(CONFIG)
    run = Run(folder / "frames", folder / "run.db", folder / "config.toml")
    run.again()
    return run


@pytest.fixture
def work(made: Run, tmp_path: Path) -> Run:
    """A copy of its database, to be worked on."""
    shutil.copyfile(made.database, tmp_path / "run.db")
    return Run(made.folder, tmp_path / "run.db", made.config)


def test_every_frame_is_counted_once_in_its_role(made: Run) -> None:
    assert made.analyses() == {"automatic": (1, 40, 40), "dapi": (0, 24, 24)}
    tally = json.loads(made.asked("status", "--json").stdout)["frames"]
    assert (tally["seen"], tally["counted"]) == (64, 64)
    kinds = Counter("w2" in source for (source,) in made.query(
        "SELECT CAST(f.relative_path AS TEXT) FROM counts c JOIN frames r ON r.id = c.frame_id "
        "JOIN files f ON f.id = r.file_id JOIN analyses a ON a.id = c.analysis_row_id "
        "WHERE a.channel = 'dapi'"
    ))  # fmt: skip
    assert kinds == {True: 24}
    assert made.asked("verify").returncode == 0


def test_counts_of_nuclei_stay_out_of_what_is_exported_unasked(made: Run, tmp_path: Path) -> None:
    made.asked("export", "counts", "-o", tmp_path / "counts.csv")
    rows = rows_of(tmp_path / "counts.csv")
    assert len(rows) == 40
    assert {row["model"] for row in rows} == {"deepdistance"}
    assert {row["calibrated_count"] + row["calibration"] for row in rows} == {""}
    ((nuclei,),) = made.query("SELECT analysis_id FROM analyses WHERE channel = 'dapi'")
    made.asked("export", "counts", "-o", tmp_path / "nuclei.csv", "--analysis", nuclei)
    truth = {
        (row["well"], row["field"], row["time_point"]): int(row["count"])
        for row in rows_of(made.folder / "truth" / "truth.csv")
    }
    stained = rows_of(tmp_path / "nuclei.csv")
    assert len(stained) == 24
    for row in stained:
        key = row["well"], row["field"], str(int(row["time_point"]) - 1)
        # Nuclei at the frame's edge may be seen whose cell's centre lies beyond it.
        assert abs(int(row["count"]) - truth[key]) <= 2 + 0.1 * truth[key]


def test_calibrating_keeps_it_and_exports_carry_it(work: Run, tmp_path: Path) -> None:
    work.asked("export", "growth", "-o", tmp_path / "before.csv")
    shown = work.asked("calibrate", "--dry-run", "--pairs", tmp_path / "pairs.csv")
    assert "24 pairs of frames in 4 wells" in shown.stdout
    assert "not kept" in shown.stderr
    assert work.query("SELECT count(*) FROM nuclei_calibrations") == [(0,)]
    pairs = rows_of(tmp_path / "pairs.csv")
    assert len(pairs) == 24
    assert all(row["nuclei_source"] == row["source"].replace("w1", "w2") for row in pairs)

    told = json.loads(work.asked("calibrate", "--by", "Ada", "--json").stdout)
    assert (told["n_pairs"], told["n_wells"], told["kept"]) == (24, 4, True)
    assert told["made_by"] == "Ada"
    assert told["b_low"] < told["b"] < told["b_high"]
    assert told["limit_low_percent"] < told["bias_percent"] < told["limit_high_percent"]

    work.asked("export", "counts", "-o", tmp_path / "counts.csv")
    for row in rows_of(tmp_path / "counts.csv"):
        low, value, high = (float(row[f"calibrated_count{end}"]) for end in ("_low", "", "_high"))
        assert low < value < high
        density = float(row["density_per_mm2"])
        inside = told["density_low"] <= density * 1.000001 <= told["density_high"] * 1.00001
        assert row["calibration"] == ("calibrated" if inside else "extrapolated")
    work.asked("export", "growth", "-o", tmp_path / "growth.csv")
    before, after = rows_of(tmp_path / "before.csv"), rows_of(tmp_path / "growth.csv")
    for old, new in zip(before, after, strict=True):
        assert {k: v for k, v in new.items() if not k.startswith("calibrat")} == {
            k: v for k, v in old.items() if not k.startswith("calibrat")
        }
    (group,) = [row for row in after if row["level"] == "group"]
    assert float(group["calibrated_rate_per_h"]) == pytest.approx(
        told["b"] * float(group["rate_per_h"])
    )
    width = {
        kind: float(group[f"{kind}rate_high"]) - float(group[f"{kind}rate_low"])
        for kind in ("", "calibrated_")
    }
    assert width["calibrated_"] > told["b"] * width[""]

    said = f"growth rates times {told['b']:.3f}"
    (experiment,) = json.loads(work.asked("status", "--json").stdout)["experiments"]
    assert said in experiment["calibration"]
    assert "Ada" in experiment["calibration"]
    work.asked("report", "-o", tmp_path / "report.html")
    assert said in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_another_start_counts_nothing_again(work: Run) -> None:
    for file in work.folder.rglob("*_w2.TIF"):
        file.touch()
    assert " nuclei " not in work.again().stdout
    assert work.analyses() == {"automatic": (1, 40, 40), "dapi": (0, 24, 24)}


def test_another_nucleus_diameter_is_refused_in_one_line(work: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG + "nucleus_diameter_um = 20.0\n")
    done = Run(work.folder, work.database, config).again(check=False)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "Nuclei of experiment" in line]
    assert "not 20 um" in line


def test_a_channel_named_later_is_taken_up_from_what_was_passed_over(tmp_path: Path) -> None:
    simulate(tmp_path / "frames", "--time-points", 1)
    config = tmp_path / "config.toml"
    config.write_text("[counting]\ncell_diameter_px = 30.0\n")
    run = Run(tmp_path / "frames", tmp_path / "run.db", config)
    run.again()
    assert run.analyses() == {"automatic": (1, 8, 8)}
    config.write_text(CONFIG + "nucleus_diameter_px = 11.0\n")
    assert run.again().stdout.count(" nuclei ") == 8
    assert run.analyses() == {"automatic": (1, 8, 8), "dapi": (0, 8, 8)}


def test_nuclei_are_never_what_is_shown_unasked_even_if_they_are_known_first(
    tmp_path: Path,
) -> None:
    simulate(tmp_path / "frames", "--time-points", 1)
    config = tmp_path / "config.toml"
    config.write_text('[counting]\nnuclei_channel = "DAPI"\nnucleus_diameter_px = 11.0\n')
    run = Run(tmp_path / "frames", tmp_path / "run.db", config)
    run.again()
    assert run.analyses() == {"automatic": (1, 8, 8), "DAPI": (0, 8, 8)}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--within-min", "-1"), 2, "--within-min"),
        (("--within-min", "inf"), 2, "is not a finite number"),
        (("--experiment", "nobody"), 1, "There is no experiment 'nobody'"),
        (("--nuclei-analysis", "zz"), 1, "has not one analysis 'zz'"),
    ],
)
def test_bad_usage_is_one_clear_line(made: Run, words, status, said) -> None:
    done = made.asked("calibrate", *words, check=False)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_without_nuclei_it_says_how_to_have_some(tmp_path: Path) -> None:
    livecount("simulate", "-o", tmp_path / "frames", "--time-points", 1, "--size-px", 224,
              "--founders", 7)  # fmt: skip
    livecount("run", tmp_path / "frames", "--database", tmp_path / "run.db", "--until-idle", 1.2,
              "--cell-diameter-px", 40, "--no-dashboard", env=environment())  # fmt: skip
    done = livecount("calibrate", "--database", tmp_path / "run.db", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "No stained nuclei were counted" in line
    assert "nuclei_channel" in line


def test_only_some_schemes_have_a_second_channel(tmp_path: Path) -> None:
    done = livecount("simulate", "-o", tmp_path / "frames", "--nuclei-every", 1, check=False)
    assert done.returncode == 1
    assert "generic is simulated with one channel only" in done.stderr
