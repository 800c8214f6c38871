"""Excel files and side-by-side tables: as another program reads them."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecount.errors import LivecountError
from livecount.export import write_csv
from livecount.wide import wide_table
from livecount.workbook import MOST_ROWS, write_workbook
from tests.endtoend.program import rows_of


def read(path: Path, sheet: str) -> list[list[object]]:
    book = openpyxl.load_workbook(path)
    return [[cell.value for cell in row] for row in book[sheet].iter_rows()]


def test_what_is_written_is_what_excel_reads(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "well": ["A1", "=1+1", None],
            "count": [3.0, math.nan, math.inf],
            "acquired_at": pd.to_datetime(["2026-01-02T03:04:05+01:00", None, None], utc=True),
            "flag": [True, False, True],
        }
    )
    rows = write_workbook({"counts": [table.iloc[:1], table.iloc[1:]]}, tmp_path / "new" / "a.xlsx")
    assert rows == {"counts": 3}
    assert read(tmp_path / "new" / "a.xlsx", "counts") == [
        ["well", "count", "acquired_at", "flag"],
        ["A1", 3, datetime(2026, 1, 2, 2, 4, 5), True],  # noqa: DTZ001 (Excel knows no zones)
        ["'=1+1", None, None, False],
        [None, "inf", None, True],
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.xlsx"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1))
def test_no_text_becomes_a_formula_or_a_link(tmp_path: Path, text: str) -> None:
    write_workbook(
        {"s": [pd.DataFrame({"a": [text], "b": [f"http://{text}"]})]}, tmp_path / "a.xlsx"
    )
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    cells = book["s"][2]
    assert all(cell.data_type == "s" and cell.hyperlink is None for cell in cells)
    assert str(cells[0].value).removeprefix("'") == text.removeprefix("'")


def test_a_table_too_long_for_a_sheet_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("old")
    long = pd.DataFrame({"a": np.zeros(MOST_ROWS + 1)})
    with pytest.raises(LivecountError, match="ends after 1048575 rows") as raised:
        write_workbook({"cells": [long]}, path)
    assert "export cells" in raised.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LivecountError, match="cannot be written"):
        write_workbook({"a": [pd.DataFrame({"a": [1]})]}, tmp_path / "file" / "a.xlsx")


def curves(**wells: tuple[str, list[float], list[float]]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "experiment": "e", "well": well, "group": group, "elapsed_h": times,
                    "count": values, "excluded": "",
                }
            )
            for well, (group, times, values) in wells.items()
        ],
        ignore_index=True,
    )  # fmt: skip


def test_replicates_stand_side_by_side_and_visits_share_a_row(tmp_path: Path) -> None:
    counts = curves(
        A1=("drug", [0.0, 2.0, 4.0], [1, 2, 4]),
        A2=("control", [0.02, 2.02, 4.02], [10, 20, 40]),
        A3=("drug", [0.04, 4.04], [3, 9]),
        B1=("", [0.06, 2.06, 4.06], [7, 7, 7]),
    )
    table = wide_table(counts)
    assert list(table.columns) == ["elapsed_h", "drug", "drug", "control", "B1"]
    assert table["elapsed_h"].tolist() == pytest.approx([0.03, 2.0267, 4.03], abs=1e-3)
    assert table["drug"].to_numpy().tolist()[0] == [1, 3]
    assert math.isnan(table["drug"].iloc[1, 1])
    write_csv(table, tmp_path / "wide.csv")
    first, second, _ = rows_of(tmp_path / "wide.csv")
    assert first["control"] == "10"
    assert second["B1"] == "7"
    assert (tmp_path / "wide.csv").read_text().startswith("elapsed_h,drug,drug,control,B1\n")


def test_without_counts_there_is_an_empty_table(tmp_path: Path) -> None:
    empty = wide_table(pd.DataFrame({"elapsed_h": [], "count": []}))
    assert list(empty.columns) == ["elapsed_h"]
    assert empty.empty


def test_a_group_called_like_a_formula_is_guarded_in_the_header(tmp_path: Path) -> None:
    write_csv(wide_table(curves(A1=("=drug", [0.0, 1.0], [1, 2]))), tmp_path / "wide.csv")
    assert (tmp_path / "wide.csv").read_text().splitlines()[0] == "elapsed_h,'=drug"
