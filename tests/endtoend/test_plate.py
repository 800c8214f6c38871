"""A plate map on its way: from the user's table to named curves with intervals."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import openpyxl
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
    again = livecount("plate", "show", *database, "-o", counted / "back.csv", check=False)
    assert again.returncode == 1
    assert "exists already" in again.stderr
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


def test_excluded_counts_leave_the_curve_and_come_back(counted: Path) -> None:
    database = ("--database", counted / "run.db")
    options = ("--well", "a01", "--from-h", 16, "--reason", "bubble", "--by", "Ada")
    added = json.loads(livecount("exclude", "add", *options, *database, "--json").stdout)
    assert added["frames"] == 4
    livecount("export", "exclusions", "-o", counted / "x.csv", *database)
    listed = rows_of(counted / "x.csv")
    assert [row["elapsed_h"] for row in listed] == ["16", "20", "24", "28"]
    assert {(row["excluded"], row["excluded_by"]) for row in listed} == {("bubble", "Ada")}
    points = [points_of(counted, "A1")]
    livecount("exclude", "withdraw", added["exclusions"][0], *database)
    assert [*points, points_of(counted, "A1")] == ["4", "8"]
    shown = json.loads(livecount("exclude", "list", *database, "--json").stdout)["exclusions"]
    assert [one["what"] for one in shown] == ["well A1, from 16 h on"]
    assert shown[0]["withdrawn_at"]


def points_of(work: Path, well: str) -> str:
    livecount("export", "growth", "-o", work / "g.csv", "--database", work / "run.db")
    rows = [row for row in rows_of(work / "g.csv") if row["level"] == "well"]
    return next(row["n_points"] for row in rows if row["well"] == well)


def test_one_file_is_excluded_by_its_name(counted: Path) -> None:
    database = ("--database", counted / "run.db")
    livecount("export", "counts", "-o", counted / "c.csv", *database)
    source = rows_of(counted / "c.csv")[3]["source"]
    added = livecount(
        *("exclude", "add", "--frame", source, "--reason", "blurred", *database, "--json")
    )
    livecount("export", "counts", "-o", counted / "c.csv", *database)
    assert [row["source"] for row in rows_of(counted / "c.csv") if row["excluded"]] == [source]
    livecount("exclude", "withdraw", json.loads(added.stdout)["exclusions"][0], *database)


def test_windows_start_at_an_event_and_figures_show_it(counted: Path) -> None:
    database = ("--database", counted / "run.db")
    livecount("event", "add", "drug added", "--at-h", 12, "--wells", "B1,b02", *database)
    livecount(
        *("export", "growth", "-o", counted / "g.csv", "--from-event", "Drug added", *database)
    )
    assert {row["start_h"] for row in rows_of(counted / "g.csv")} == {"12"}
    livecount("plot", "-o", counted / "growth.svg", *database)
    drawn = (counted / "growth.svg").read_text(encoding="utf-8")
    assert "1: drug added, 12 h (B1, B2)" in drawn
    livecount("event", "withdraw", 1, *database)
    (noted,) = json.loads(livecount("event", "list", *database, "--json").stdout)["events"]
    assert (noted["at_h"], noted["wells"], bool(noted["withdrawn_by"])) == (12, ["B1", "B2"], True)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("exclude", "add", "--reason", "x"), 2, "Say what"),
        (("exclude", "add", "--reason", " ", "--well", "A1"), 2, "is empty"),
        (("exclude", "add", "--reason", "x", "--frame", "a.tif", "--well", "A1"), 2, "one file"),
        (("exclude", "add", "--reason", "x", "--frame", "no.tif"), 1, "no counted frame no.tif"),
        (("exclude", "add", "--reason", "x", "--from-h", "nan"), 2, "not a finite number"),
        (("exclude", "withdraw", 4711), 1, "no exclusion number 4711"),
        (("event", "withdraw", 4711), 1, "no event number 4711"),
        (("event", "add", " ", "--at-h", 1), 2, "no name"),
        (("event", "add", "now"), 1, "carry no dates"),
        (("export", "growth", "-o", "g.csv", "--from-event", "nix"), 1, "no event 'nix'"),
        (("export", "growth", "-o", "g.csv", "--from-h", 5, "--to-h", 5), 2, "not before"),
    ],
)
def test_what_cannot_be_is_one_line(
    counted: Path, words: tuple[object, ...], status: int, said: str
) -> None:
    done = livecount(*words, "--database", counted / "run.db", check=False, cwd=counted)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert said in " ".join(done.stderr.split())


def test_the_report_is_one_page_that_fetches_nothing(counted: Path) -> None:
    page = counted / "report.html"
    livecount("plate", "set", counted / "plate.csv", "--database", counted / "run.db")
    livecount("report", "-o", page, "--database", counted / "run.db")
    text = page.read_text(encoding="utf-8")
    assert "T98G, DMSO 0.1 %" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", text)
    assert "<script" not in text
    svg = base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", text)[1])
    assert svg.startswith(b"<?xml")


def test_an_excel_file_has_every_table(counted: Path) -> None:
    database = ("--database", counted / "run.db")
    livecount("export", "all", "-o", counted / "run.xlsx", *database)
    book = openpyxl.load_workbook(counted / "run.xlsx", read_only=True)
    names = ["counts", "growth", "groups", "doses", "wide", "exclusions", "incidents", "cells"]
    assert book.sheetnames == names
    livecount("export", "groups", "-o", counted / "groups.csv", *database)
    in_excel = [row[4] for row in book["groups"].iter_rows(min_row=2, values_only=True)]
    assert in_excel == [row["group"] for row in rows_of(counted / "groups.csv")]
    refused = livecount("export", "all", "-o", counted / "run.csv", *database, check=False)
    assert refused.returncode == 2
    assert ".xlsx" in refused.stderr
