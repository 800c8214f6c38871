"""Recipes: read as written, refused with the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest

from livecount.errors import ConfigError
from livecount.training.recipe import read_recipe
from livecount.training.recipe_reading import complete_text

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
        ("[run]\nseed = -1", "seed"),
        ("[run]\nseed = 4294967296", "seed"),
        ("[scale]\ncell_diameter_px = inf", "cell_diameter_px"),
        ("[optimiser]\nlearning_rate = nan", "learning_rate"),
        ('[[validation]]\nroot = "a"\ncell_diameter_px = 0.0', "cell_diameter_px"),
        ('[[validation]]\nroot = "a"\ncell_diameter_px = -24', "cell_diameter_px"),
        ('[[validation]]\nroot = "a"\ncell_diameter_px = nan', "cell_diameter_px"),
        ("[run]\nsteps = 0", "run"),
        ("[run]\nsteps = true", "steps"),
        ("[augmentation]\ndiameter_px = [30.0, 20.0]", "diameter_px"),
        ("[augmentation]\ndiameter_px = [30.0]", "diameter_px"),
        ("[augmentation]\nview_px = 100", "view_px"),
        ("[run]\nh_tolerance = -1", "h_tolerance"),
        ("[detection]\nouter_full_at = 1.5", "outer_full_at"),
        ("[detection]\nouter_full_at = 0.5", "head 'outer'"),
        ("[detection]\nouter_sigma_px = -1.0", "outer_sigma_px"),
        ('[normalisation]\nkind = "none"', "kind"),
        ("[normalisation]\nsigma_px = -1.0", "sigma_px"),
        ("[normalisation]\nfloor = 0.0", "floor"),
        ('[[heads]]\nname = "inner"', "heads"),
        ('[[heads]]\nname = "border"', "heads"),
        ('[[heads]]\nname = "a"\ntarget = "edge"', "target.*boundary"),
        ('[[heads]]\nname = "outer"\ntarget = "cell"', "it draws 'cell'"),
        ('[[heads]]\nname = "a b"\ntarget = "cell"', "heads.name"),
        ('[[heads]]\nname = "cell"\nreads = "cell"', "stands above 'cell' .'inner'."),
        ('[[heads]]\nname = "cell"\nloss = "bce"', "sigmoid"),
        ('[[heads]]\nname = "cell"\nloss = "hinge"', "dice"),
        (
            '[[heads]]\nname = "cell"\nactivation = "sigmoid"\nloss = "dice"\nemphasis = 1',
            "emphasis",
        ),
        ('[[heads]]\nname = "cell"\nfocal_alpha = 1.0', "focal_alpha"),
        ('[[heads]]\nname = "cell"\nbegins_at = 0.0', "begins_at"),
        ('[[heads]]\nname = "cell"\nloss_weight = -1.0', "loss_weight"),
        ('[network]\nblock = "dense"', "residual"),
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


def test_a_head_draws_what_it_is_named_after_unless_it_says_so(tmp_path: Path) -> None:
    more = '[[heads]]\nname = "edges"\ntarget = "boundary"'
    recipe = read_recipe(written(tmp_path, MINIMAL + more))
    assert recipe.head_names == ("inner", "edges")
    assert recipe.targets == ("inner", "boundary")


def test_the_counted_map_is_found_by_its_name(tmp_path: Path) -> None:
    text = MINIMAL.replace('name = "inner"', 'name = "distance"\ntarget = "inner"')
    with pytest.raises(ConfigError, match="Name the head 'inner'"):
        read_recipe(written(tmp_path, text))


def test_clicks_alone_teach_no_other_map(tmp_path: Path) -> None:
    text = MINIMAL.replace('"set"', '"set"\nannotation = "centres"').replace("inner", "outer")
    with pytest.raises(ConfigError, match="masks"):
        read_recipe(written(tmp_path, text))


def test_a_recipe_says_only_what_differs_from_another(tmp_path: Path) -> None:
    common = (
        MINIMAL + '[[heads]]\nname = "outer"\n[run]\nsteps = 7\nseed = 2\n[network]\ndropout = 0'
    )
    (tmp_path / "common.toml").write_text(common, encoding="utf-8")
    (tmp_path / "below").mkdir()
    middle = tmp_path / "below" / "middle.toml"
    middle.write_text('extends = "../common.toml"\n[run]\nseed = 3', encoding="utf-8")
    text = 'extends = "below/middle.toml"\nname = "single"\n[[heads]]\nname = "cell"'
    recipe = read_recipe(written(tmp_path, text))
    assert (recipe.name, recipe.version, recipe.head_names) == ("single", "1", ("cell",))
    assert (recipe.run.steps, recipe.run.seed, recipe.network.dropout) == (7, 3, 0.0)


def test_a_recipe_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('extends = "recipe.toml"', encoding="utf-8")
    with pytest.raises(ConfigError, match="extends"):
        read_recipe(written(tmp_path, 'extends = "other.toml"' + MINIMAL))
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_recipe(written(tmp_path, 'extends = "absent.toml"' + MINIMAL))


def test_a_recipe_is_kept_whole(tmp_path: Path) -> None:
    assert complete_text(written(tmp_path, "# mine" + MINIMAL)) == "# mine" + MINIMAL
    (tmp_path / "common.toml").write_text(MINIMAL, encoding="utf-8")
    short = tmp_path / "short.toml"
    short.write_text('extends = "common.toml"\n[run]\nseed = 5', encoding="utf-8")
    whole = written(tmp_path, complete_text(short))
    assert "extends" not in whole.read_text(encoding="utf-8")
    assert read_recipe(whole) == read_recipe(short)
