"""Centres as three programs write them, told apart by their headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livecount.centres import FIJI, LIVECOUNT, NAPARI, read_centres, read_numbered_centres
from livecount.errors import AnnotationError

FORMS = (LIVECOUNT, FIJI, NAPARI)


@pytest.mark.parametrize(
    "content",
    [
        "y_px,x_px\n10,20.5\n3,4\n",
        "\ufeffx_px,score,y_px\r\n20.5,0.9,10\r\n4,0.1,3\r\n",
        " ,Area,Mean,X,Y,Slice\n1,0,127,21,10.5,1\n2,0,90,4.5,3.5,1\n",
        "X,Y\n21,10.5\n\n4.5,3.5\n",
        "index,axis-0,axis-1\n0.0,10.0,20.5\n1.0,3.0,4.0\n",
    ],
)
def test_the_same_cells_from_each_program(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    assert read_centres(tmp_path / "a.csv", FORMS).tolist() == [[10, 20.5], [3, 4]]


@pytest.mark.parametrize("header", ["y_px,x_px", " ,X,Y", "index,axis-0,axis-1"])
def test_a_header_alone_is_a_frame_without_cells(header: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(header + "\n", encoding="utf-8")
    lines, centres = read_numbered_centres(tmp_path / "a.csv", FORMS)
    assert lines == []
    assert np.shape(centres) == (0, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", r"line 1: no columns x_px,y_px or X,Y or axis-1,axis-0 among .*\(a, b\)"),
        ("10 20\n30 40\n", "line 1: no columns"),
        ("X;Y\n1,5;2,5\n", "line 1: no columns .* as CSV with commas"),
        ("index,axis-0,axis-1,axis-2\n0,0,5,5\n", "points with three axes"),
        ("y_px,x_px\n3,many\n", "line 2: x_px is 'many', not a number"),
        (" ,X,Y\n1,3\n", "line 2: Y is missing"),
        ("y_px,x_px\n3,1,5\n", "line 2: 3 values, but 2 columns"),
        ("y_px,x_px\n3,1\n\n3,2\n3.0,1\n", "a.csv, lines 2 and 5: the same centre twice. Keep"),
        (
            " ,X,Y\n1,21,10.5\n2,4.5,3.5\n3,21,10.5\n4,4.5,3.5\n",
            "lines 2 and 4: the same centre twice, and 1 more are there twice",
        ),
        ("X,Y\nnan,3\n", "line 2: X is 'nan', not a number"),
    ],
)
def test_anything_else_is_one_clear_line(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(AnnotationError, match=said) as caught:
        read_centres(tmp_path / "a.csv", FORMS)
    assert "\n" not in str(caught.value)


def test_only_the_forms_asked_for_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("X,Y\n1,2\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="no column y_px and x_px"):
        read_centres(tmp_path / "a.csv")
