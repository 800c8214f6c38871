"""The networks that the paper compares, as recipes; connected parts of a cell map."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.training.components import find_components
from livecount.training.recipe import read_recipe

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "engines" / "recipes" / "paper-comparison"
COMMON, PLAN = FOLDER / "common.toml", FOLDER / "comparison.toml"
RECIPES = sorted(set(FOLDER.glob("*.toml")) - {COMMON, PLAN})
HEADS = {
    "deepdistance": [("inner", 1.0, ""), ("outer", 1.0, "")],
    "deepdistance-extended": [("inner", 1.0, ""), ("outer", 1.0, ""), ("cell", 0.1, "")],
    "single-inner": [("inner", 1.0, "")],
    "single-outer": [("outer", 1.0, "")],
    "single-classification": [("cell", 1.0, "")],
    "cascaded-classification-inner": [("cell", 1.0, ""), ("inner", 1.0, "cell")],
    "multi-classification-boundary": [("cell", 1.0, ""), ("boundary", 1.0, "")],
}


def test_the_recipes_differ_in_their_heads_alone() -> None:
    assert {path.stem for path in RECIPES} == set(HEADS)
    others = set()
    for path in RECIPES:
        recipe = read_recipe(path)
        heads = [(head.target, head.loss_weight, head.reads) for head in recipe.heads]
        assert heads == HEADS[path.stem]
        for head in recipe.heads:
            distance = head.target in ("inner", "outer")
            assert head.activation == ("relu" if distance else "sigmoid")
            assert head.loss == "mse"
        others.add(repr((recipe.network, recipe.images, recipe.augmentation, recipe.run)))
    assert len(others) == 1


def test_the_plan_names_maps_that_the_recipes_draw() -> None:
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    assert {model["recipe"] for model in plan["models"]} == {path.name for path in RECIPES}
    for model in plan["models"]:
        names = read_recipe(FOLDER / model["recipe"]).head_names
        assert model["map"] in names
        assert model.get("boundary", model["map"]) in names
        assert model["detection"] in ("peaks", "components")


@given(
    cell=hnp.arrays(np.float32, (6, 7), elements=st.sampled_from([0.0, 0.4, 0.6, 1.0])),
    edge=hnp.arrays(np.float32, (6, 7), elements=st.sampled_from([0.0, 0.3, 1.0])),
)
def test_parts_are_what_a_flood_reaches(cell: np.ndarray, edge: np.ndarray) -> None:
    left = {(int(y), int(x)) for y, x in np.argwhere(cell - edge > 0.5)}
    expected = []
    while left:
        part, coming = [], [left.pop()]
        while coming:
            y, x = coming.pop()
            part.append((y, x))
            beside = {(y + b, x + a) for b in (-1, 0, 1) for a in (-1, 0, 1)} & left
            left -= beside
            coming += beside
        expected.append((len(part), *np.mean(part, axis=0)))
    found = find_components(cell, edge)
    rows = sorted(zip(found.prominence, found.y_px, found.x_px, strict=True))
    np.testing.assert_allclose(
        np.array(rows).reshape(-1, 3), np.array(sorted(expected)).reshape(-1, 3), atol=1e-5
    )
    assert list(found.prominence) == sorted(found.prominence, reverse=True)


def test_small_parts_are_dropped_by_area() -> None:
    cell = np.zeros((20, 20), np.float32)
    cell[2:8, 2:8] = 1
    cell[12, 12] = 1
    found = find_components(cell)
    assert found.count_at(1) == 2
    assert found.count_at(2) == 1
    assert (found.y_px[0], found.x_px[0]) == pytest.approx((4.5, 4.5))


def test_a_boundary_parts_touching_cells() -> None:
    cell, boundary = np.ones((9, 21), np.float32), np.zeros((9, 21), np.float32)
    boundary[:, 10] = 1
    assert len(find_components(cell)) == 1
    assert len(find_components(cell, boundary)) == 2


PLAN_OF_TWO = """
area_shares = [0.05, 0.2]
[[models]]
name = "peaks"
recipe = "tiny.toml"
detection = "peaks"
map = "inner"
proposed = true
[[models]]
name = "parts"
recipe = "tiny.toml"
detection = "components"
map = "outer"
[[images]]
folder = "discs/val"
line = "seen"
[[images]]
folder = "disc*/clicks"
line = "unseen"
every = 2
"""


def compare(tiny_data: Path, folder: Path) -> tuple[str, str]:
    """Run the comparison as its one command; what it says and what it writes."""
    words = ["--runs", folder / "runs", "--recipes", folder, "--width", 2, "--seeds", 2]
    words += ["--steps", 2, "--threads", 1]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "paper_comparison.py", tiny_data,
         folder / "report.md", *map(str, words)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="figures name the commit they are of")
def test_the_comparison_is_one_command_that_goes_on(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    pytest.importorskip("torch", reason="needs the extra livecount[train]")
    (tmp_path / "comparison.toml").write_text(PLAN_OF_TWO, encoding="utf-8")
    said, written = compare(tiny_data, tmp_path)
    for seed in (1, 2):
        assert f"tiny-width2-steps2-seed{seed}: step 2" in said
        assert f"tiny-width2-steps2-seed{seed}, parts:" in said
    rows = [line for line in written.splitlines() if line.startswith(("| parts", "| **peaks**"))]
    assert len(rows) >= 4
    assert all("±" in row for row in rows[:4])
    assert "seen, mean" in written
    assert "unseen, mean" in written
    assert "## The runs that learnt" in written, "two steps teach nothing, and that is said"
    (tmp_path / "runs" / "tiny-width2-steps2-seed2" / "scores.json").unlink()
    said, again = compare(tiny_data, tmp_path)
    assert ": step" not in said
    assert "seed1" not in said
    assert "seed2, peaks:" in said
    assert again == written
