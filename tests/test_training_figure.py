"""The figure of a training run: it draws what the history says and is never half written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from livecount.errors import LivecountError
from livecount.plots import plot_losses


def history(rows: int, **more: float) -> list[dict[str, float]]:
    return [
        {"step": 10 * row, "train_loss": 1 / row, "train_inner": 0.6 / row, "train_outer": 0.0}
        | more
        for row in range(1, rows + 1)
    ]


def texts(path: Path) -> set[str]:
    return {
        "".join(node.itertext()).strip() for node in ET.parse(path).iter() if "text" in node.tag
    }


@pytest.mark.parametrize("rows", [1, 5])
def test_losses_and_f_score_are_drawn(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "run" / "losses.svg"
    plot_losses(history(rows, loss=0.5, f_score=81.25), path)
    written = texts(path)
    assert {"training", "validation", "training, inner", "training, outer", "step"} <= written
    assert "f-score, %" in written
    assert any(text.startswith("best 81.2 % at step 10") for text in written)
    assert [item.name for item in path.parent.iterdir()] == ["losses.svg"]


def test_a_run_without_validation_has_losses_only(tmp_path: Path) -> None:
    path = tmp_path / "losses.svg"
    plot_losses(history(3), path)
    assert "training" in texts(path)
    assert not texts(path) & {"validation", "f-score, %"}


def test_equal_histories_give_equal_files(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        plot_losses(history(3, loss=0.5), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_figure_being_looked_at_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "losses.svg"
    plot_losses(history(2), path)
    with path.open("rb") as looking:
        plot_losses(history(4), path)
        ET.parse(looking)
    assert ET.parse(path)


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(LivecountError, match="no losses yet"):
        plot_losses([], tmp_path / "losses.svg")
    with pytest.raises(LivecountError, match="cannot be written"):
        plot_losses(history(1), tmp_path / "losses.tiff")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(LivecountError, match="cannot be written"):
        plot_losses(history(1), tmp_path / "folder.svg")
