"""Figures of accuracy: what they draw is what was scored."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from livecount.errors import LivecountError
from livecount.evaluation import FrameScore
from livecount.plots import plot_agreement, plot_sweep
from livecount.plots.accuracy import _marker
from livecount.plots.style import COLOURS


def scores(f_score: float | None) -> dict[str, float | int | None]:
    return {
        "f_score_assignment": f_score,
        "precision_assignment": f_score,
        "recall_assignment": f_score,
    }


def frame(annotated: int, detected: int) -> FrameScore:
    return FrameScore("a.tif", 1e6, annotated, detected, 0, 0, 0)


def texts(path: Path) -> set[str]:
    return {
        "".join(node.itertext()).strip() for node in ET.parse(path).iter() if "text" in node.tag
    }


@pytest.mark.parametrize("n_sets", [1, 4, 11])
def test_a_sweep_has_a_panel_for_each_set(n_sets: int, tmp_path: Path) -> None:
    sweeps = {
        f"<set {number}> $x$": {0.1: scores(50.0), 0.2: scores(None), 0.3: scores(70.0)}
        for number in range(n_sets)
    }
    plot_sweep(sweeps, 0.15, tmp_path / "sweep.svg")
    written = texts(tmp_path / "sweep.svg")
    assert set(sweeps) <= written
    assert {"f-score", "precision", "recall", "the model's h, 0.15"} <= written


def test_agreement_names_sets_and_what_it_leaves_out(tmp_path: Path) -> None:
    sets = {
        "one": [frame(100, 110), frame(0, 3), frame(50, 0), frame(0, 0)],
        "two": [frame(10, 9), frame(30, 31)],
    }
    plot_agreement(sets, tmp_path / "agreement.svg")
    written = texts(tmp_path / "agreement.svg")
    assert {"one", "two", "mean of these frames", "95 % limits of agreement"} <= written
    assert any("2 frames with no cells in one of the two" in text for text in written)
    assert any("1 frames with no cells in either" in text for text in written)


def test_agreement_of_like_frames_has_plain_numbers_on_both_axes(tmp_path: Path) -> None:
    alike = [frame(45, 40), frame(46, 46), frame(48, 44), frame(42, 40)]
    plot_agreement({"one": alike}, tmp_path / "agreement.svg")
    written = texts(tmp_path / "agreement.svg")
    assert not any("$" in text for text in written)
    numbers = {float(text) for text in written if text.replace(".", "", 1).isdigit()}
    assert sum(0.8 < number < 1.3 for number in numbers) > 1
    assert sum(40 <= number <= 48 for number in numbers) > 1


def test_no_two_sets_look_alike() -> None:
    looks = {(_marker(number), COLOURS[number % len(COLOURS)]) for number in range(64)}
    assert len(looks) == 64


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(LivecountError, match="no data set"):
        plot_sweep({}, 0.1, tmp_path / "sweep.svg")
    with pytest.raises(LivecountError, match="nothing to compare"):
        plot_agreement({"one": [frame(0, 0)]}, tmp_path / "agreement.svg")
    with pytest.raises(LivecountError, match="cannot be written"):
        plot_sweep({"a": {0.1: scores(1.0)}}, 0.1, tmp_path / "sweep.tiff")
