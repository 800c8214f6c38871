"""Tables on disk."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import LivecountError
from livecount.export import guard_text, write_csv, write_csv_chunks, write_text_atomically


def test_absent_is_empty_times_are_utc_and_numbers_stay_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "time_point": [1, None],
            "acquired_at": pd.to_datetime(["2026-03-01T12:00:00+02:00", None], utc=True),
            "elapsed_h": [-0.5, np.nan],
            "count": [0, 3],
            "well": ["A1", None],
            "source": ["=HYPERLINK(1)", '-b,\n"c".tif'],
        }
    )
    write_csv(table, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "time_point": "1", "acquired_at": "2026-03-01T10:00:00Z", "elapsed_h": "-0.5",
        "count": "0", "well": "A1", "source": "'=HYPERLINK(1)",
    }  # fmt: skip
    assert second == {
        "time_point": "", "acquired_at": "", "elapsed_h": "", "count": "3", "well": "",
        "source": "'-b,\n\"c\".tif",
    }  # fmt: skip


@given(st.text())
def test_no_text_can_become_a_formula(text: str) -> None:
    assert not guard_text(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert guard_text(text).endswith(text)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(LivecountError, match="cannot be written"):
        write_text_atomically("text", target)
    assert list(tmp_path.iterdir()) == [target]
    write_text_atomically("lone \udce9 surrogate", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"lone \\udce9 surrogate"


def test_chunks_give_the_file_that_the_whole_table_gives(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "time_point": [1, None, 3, 4, None],
            "acquired_at": pd.to_datetime(["2026-03-01T12:00:00.5Z", *[None] * 4], utc=True),
            "well": ["A1", None, "+A2", "A3", None],
            "score": np.array([0.5, 0.25, 1, 0.1, 0.2], np.float32),
        }
    )
    write_csv(table, tmp_path / "whole.csv")
    parts = [table.iloc[:2], table.iloc[2:2], table.iloc[2:]]
    assert write_csv_chunks(iter(parts), tmp_path / "parts.csv") == 5
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert write_csv_chunks([table.iloc[:0]], tmp_path / "none.csv") == 0
    assert (tmp_path / "none.csv").read_text() == "time_point,acquired_at,well,score\n"


def test_chunks_that_fail_leave_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    def chunks():
        yield pd.DataFrame({"a": [1]})
        raise ValueError("no more")

    (tmp_path / "t.csv").write_text("former")
    with pytest.raises(ValueError, match="no more"):
        write_csv_chunks(chunks(), tmp_path / "t.csv")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]
