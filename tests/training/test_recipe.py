"""Recipes: read as written, refused with the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest

from livecount.errors import ConfigError
from livecount.training.recipe import read_recipe

MINIMAL = """
name = "m"
version = "1"
[[images]]
root = "set"
[[heads]]
name = "inner"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_recipe_is_the_papers_network(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, MINIMAL))
    assert recipe.network.widths == (64, 128, 256, 512, 1024)
    assert recipe.network.dropout == 0.2
    assert recipe.network.norm == "none"
    assert recipe.multiple_px == 16
    assert recipe.head_names == ("inner",)


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("[network]\nwidth = [8, 16]", "widths"),
        ("[run]\nbatch_size = 3", "batch"),
        ("[optimiser]\nlearning-rate = 0.1", "learning_rate"),
        ("[normalisation]\nsigma = 9.0", "sigma_px"),
        ('[[validation]]\nroots = "a"', "root"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(
    tmp_path: Path, addition: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean '{said}'"):
        read_recipe(written(tmp_path, MINIMAL + addition))


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("[network]\nwidths = []", "widths"),
        ("[network]\nwidths = [8, 0]", "widths"),
        ("[network]\nwidths = 'many'", "widths"),
        ("[network]\nwidths = [8.5, 9]", r"widths\[0\]"),
        ("[network]\ndropout = 1.0", "dropout"),
        ('[network]\nnorm = "layer"', "norm"),
        ("[run]\ncrop_px = 250", "crop_px"),
        ("[run]\nsteps = 0", "run"),
        ("[run]\nsteps = true", "steps"),
        ("[augmentation]\ndiameter_px = [30.0, 20.0]", "diameter_px"),
        ("[augmentation]\ndiameter_px = [30.0]", "diameter_px"),
        ("[augmentation]\nview_px = 100", "view_px"),
        ('[normalisation]\nkind = "none"', "kind"),
        ("[normalisation]\nsigma_px = -1.0", "sigma_px"),
        ("[normalisation]\nfloor = 0.0", "floor"),
        ('[[heads]]\nname = "inner"', "heads"),
        ('[[heads]]\nname = "border"', "heads"),
        ('[[images]]\nsplit = "train"', "root"),
        ('[[images]]\nroot = "x"\nshare = 0', "share"),
        ("name = [", "TOML"),
    ],
)
def test_impossible_values_name_the_key(tmp_path: Path, addition: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_recipe(written(tmp_path, MINIMAL + addition))


def test_whole_numbers_stand_for_decimals(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, MINIMAL + "[scale]\nalpha = 1")).scale.alpha == 1.0


@pytest.mark.parametrize("missing", ["name", "version", "images", "heads"])
def test_missing_keys_are_named(tmp_path: Path, missing: str) -> None:
    lines = {
        "name": 'name = "m"',
        "version": 'version = "1"',
        "images": '[[images]]\nroot = "set"',
        "heads": '[[heads]]\nname = "inner"',
    }
    text = "\n".join(line for key, line in lines.items() if key != missing)
    with pytest.raises(ConfigError, match=f"'{missing}' is missing"):
        read_recipe(written(tmp_path, text))


def test_a_recipe_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path / "absent.toml")


def test_the_shipped_recipe_learns_from_free_images_only() -> None:
    path = Path(__file__).parents[2] / "engines" / "deepdistance" / "recipe.toml"
    recipe = read_recipe(path)
    assert {entry.licence for entry in recipe.images} == {"MIT"}
    assert {entry.root for entry in recipe.images} == {"usiigaci-large", "usiigaci-small", "evos"}
    assert not recipe.non_commercial


def test_the_papers_recipe_is_the_papers() -> None:
    folder = Path(__file__).parents[2] / "livecount" / "training" / "recipes"
    recipe = read_recipe(folder / "deepdistance-paper.toml")
    assert recipe.network.widths == (64, 128, 256, 512, 1024)
    assert (recipe.network.dropout, recipe.network.norm) == (0.2, "none")
    assert (recipe.optimiser.kind, recipe.run.patience) == ("adadelta", 100)
    assert recipe.normalisation.kind == "global"
