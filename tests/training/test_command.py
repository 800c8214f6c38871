"""``livecount train`` as a user calls it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

from typer.testing import CliRunner

from livecount.cli import app
from tests.endtoend.program import livecount

pytestmark = pytest.mark.whole


def test_a_run_leaves_a_model_and_a_figure_of_its_losses(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    run = tmp_path / "run"
    done = livecount("train", tiny_recipe, "-o", run, "--data", tiny_data, "--json")
    result = json.loads(done.stdout)
    assert Path(result["model"]) == run / "model" / "model.toml"
    assert Path(result["losses"]) == run / "losses.svg"
    drawn = "".join(ET.parse(run / "losses.svg").getroot().itertext())
    assert "training, outer" in drawn
    assert "validation" in drawn


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cell-diameter-px", "0"),
        ("--cell-diameter-px", "-24"),
        ("--cell-diameter-px", "nan"),
        ("--cell-diameter-px", "inf"),
        ("--seed", "-1"),
        ("--seed", "4294967296"),
        ("--minutes", "nan"),
        ("--minutes", "inf"),
        ("--minutes", "0"),
    ],
)
def test_impossible_numbers_are_wrong_usage(tmp_path: Path, option: str, value: str) -> None:
    words = ["finetune", "--frames", str(tmp_path), "-o", str(tmp_path / "run"), option, value]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert option in done.output
    assert not (tmp_path / "run").exists()


def test_folds_are_scored_on_what_they_were_not_shown(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    words = ("train", tiny_recipe, "-o", tmp_path / "run", "--data", tiny_data, "--folds", 2)
    result = json.loads(livecount(*words, "--json").stdout)
    assert [fold["fold"] for fold in result["folds"]] == [1, 2]
    assert result == {"run": str(tmp_path / "run")} | json.loads(
        (tmp_path / "run" / "folds.json").read_text(encoding="utf-8")
    )
    assert (tmp_path / "run" / "fold-2" / "losses.svg").is_file()
    again = livecount(*words, "--resume").stdout
    assert "discs" in again
    assert f"{result['mean']:.1f} ±" in again
    refused = livecount(*words, check=False)
    assert refused.returncode == 1
    assert "--resume" in refused.stderr
