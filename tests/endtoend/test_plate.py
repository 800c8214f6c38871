"""A plate map on its way: from the user's table to named curves with intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.endtoend.program import livecount, rows_of

WELLS = ("A1", "A2", "B1", "B2", "C1")
MAP = """well,role,cell_line,treatment,concentration,concentration_unit
A1,control,T98G,DMSO,0.1,%
A2,control,T98G,DMSO,0.1,%
B1,,T98G,=drug,500,nM
B2,,T98G,=drug,0.5,uM
H12,,T98G,=drug,5,uM
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five wells whose settings name a plate map."""
    work = tmp_path_factory.mktemp("plate")
    livecount(
        *("simulate", "-o", work / "scans", "--wells", ",".join(WELLS), "--time-points", 8),
        *("--frame-interval-min", 240, "--size-px", 320, "--founders", 8, "--scheme", "incucyte"),
    )
    (work / "plate.csv").write_text(MAP, encoding="utf-8")
    (work / "config.toml").write_text(
        f'[experiment]\nplate_map = "{work / "plate.csv"}"\n', encoding="utf-8"
    )
    done = livecount(
        *("run", work / "scans", "-c", work / "config.toml", "--database", work / "run.db"),
        *("--cell-diameter-px", 40, "--no-dashboard", "--until-idle", 2),
    )
    assert "1 well with frames but no line in the map: C1" in done.stderr
    return work


def test_wells_of_the_same_contents_get_one_rate_with_an_interval(counted: Path) -> None:
    livecount("export", "growth", "-o", counted / "g.csv", "--database", counted / "run.db")
    groups = {row["group"]: row for row in rows_of(counted / "g.csv") if row["level"] == "group"}
    assert set(groups) == {"T98G, DMSO 0.1 %", "T98G, =drug 500 nM"}
    assert all(row["n_wells"] == "2" and row["rate_low"] for row in groups.values())


def test_every_count_says_what_its_well_holds(counted: Path) -> None:
    livecount("export", "counts", "-o", counted / "c.csv", "--database", counted / "run.db")
    told = {
        row["well"]: (
            row["role"],
            row["treatment"],
            row["concentration"],
            row["concentration_unit"],
        )
        for row in rows_of(counted / "c.csv")
    }
    assert told["B2"] == ("sample", "'=drug", "500", "nM")
    assert told["A1"] == ("control", "DMSO", "0.1", "%")
    assert told["C1"] == ("", "", "", "")


def test_a_map_is_changed_while_its_history_stays(counted: Path) -> None:
    database = ("--database", counted / "run.db")
    shown = json.loads(livecount("plate", "show", *database, "--json").stdout)
    assert shown["problems"] == [
        "1 well with frames but no line in the map: C1 on plate SIM",
        "1 well of the map without a frame yet: H12",
    ]
    (counted / "new.csv").write_text(MAP.replace("H12", "C1"), encoding="utf-8")
    livecount("plate", "set", counted / "new.csv", *database, "--by", "Ada")
    livecount("plate", "set", counted / "new.csv", *database, "--by", "Bob")
    shown = json.loads(livecount("plate", "show", *database, "--json").stdout)
    assert shown["problems"] == []
    assert [one["made_by"] for one in shown["history"]] == ["Ada", "config"]
    written = livecount("plate", "show", *database, "-o", counted / "back.csv", "--history")
    assert "config: 5 wells from plate.csv" in written.stderr
    assert "C1" in written.stdout
    livecount("plate", "set", counted / "back.csv", *database)
    assert len(json.loads(livecount("plate", "show", *database, "--json").stdout)["history"]) == 2


def test_the_figure_draws_the_groups(counted: Path) -> None:
    livecount("plot", "-o", counted / "growth.svg", "--database", counted / "run.db")
    drawn = (counted / "growth.svg").read_text(encoding="utf-8")
    assert "T98G, DMSO 0.1 %" in drawn


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plate", "set", "none.csv"), "cannot be read"),
        (("plate", "show"), "has no plate map"),
        (("plate", "template", "-o", "there.csv"), "exists already"),
    ],
)
def test_a_refusal_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "there.csv").touch()
    (tmp_path / "scans").mkdir()
    options: tuple[object, ...] = ()
    if words[1] == "show":
        livecount("run", "scans", "--database", "run.db", "--until-idle", 0.5, cwd=tmp_path)
    if words[1] != "template":
        options = ("--database", "run.db")
    done = livecount(*words, *options, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_map_that_cannot_be_read_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    config = tmp_path / "config.toml"
    config.write_text('[experiment]\nplate_map = "none.csv"\n', encoding="utf-8")
    done = livecount(
        *("run", "scans", "-c", config, "--database", "run.db"), cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "none.csv cannot be read" in done.stderr


def test_the_template_is_filled_in_and_taken(counted: Path) -> None:
    sheet = counted / "template.csv"
    livecount("plate", "template", "--wells", 6, "-o", sheet)
    filled = sheet.read_text(encoding="utf-8").replace(",A1,,", ",A1,,HeLa")
    sheet.write_text(filled, encoding="utf-8")
    done = livecount("plate", "set", sheet, "--database", counted / "run.db", "--json")
    assert json.loads(done.stdout)["groups"] == {"HeLa": ["A1"]}
