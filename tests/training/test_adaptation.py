"""How far an adapted model goes, and which h it gets: with the shipped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

import torch
from torch import nn

from livecount.inference import find_model
from livecount.training.adaptation import Adaptation, interpolate
from livecount.training.checkpoint import load_weights
from livecount.training.images import AnnotatedFrame
from livecount.training.network import DeepDistanceNet
from livecount.training.painting import paint_frame
from livecount.training.recipe import AdaptationRecipe, Recipe, read_recipe
from livecount.training.targets import cell_centroids
from livecount.training.validation import Validator

CPU = torch.device("cpu")
H_CHOICES = (0.03, 0.08, 0.2, 0.5)


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The shipped model's, adapting; a few painted frames are enough here."""
    monkeypatch.setattr("livecount.training.adaptation._FRAMES", 3)
    monkeypatch.setattr("livecount.training.adaptation._FRAME_PX", 192)
    shipped = read_recipe(find_model("deepdistance").folder / "recipe.toml")
    adaptation = AdaptationRecipe(start_h=0.08, most_forgotten=0.2)
    return replace(shipped, adaptation=adaptation, run=replace(shipped.run, h_choices=H_CHOICES))


@pytest.fixture
def network(recipe: Recipe) -> nn.Module:
    loaded = DeepDistanceNet(recipe.network, recipe.heads)
    load_weights(loaded, find_model("deepdistance").folder / "weights.safetensors")
    return loaded.eval()


def adapted(recipe: Recipe, network: nn.Module, noise: float) -> Adaptation:
    """End a training that changed every filter by so much of its own size."""
    torch.manual_seed(1)
    trained = {
        name: value * (1 + noise * torch.randn_like(value)) if value.ndim == 4 else value
        for name, value in network.state_dict().items()
    }
    return Adaptation.at_the_end(recipe, network, trained, CPU)


def test_nothing_forgotten_is_the_whole_way(recipe: Recipe, network: nn.Module) -> None:
    assert adapted(recipe, network, 0.0).choose_share() == 1
    half = replace(recipe, adaptation=replace(recipe.adaptation, interpolation=0.5))
    assert adapted(half, network, 0.0).choose_share() == 0.5


def test_much_forgotten_is_less_of_the_way(recipe: Recipe, network: nn.Module) -> None:
    found = adapted(recipe, network, 2.0)
    share = found.choose_share()
    assert share < 1
    assert found.painted is not None
    before, after = (
        found.painted.measure(one, CPU).f_score for one in (network, found.network(share))
    )
    assert before is not None
    assert after is not None
    assert after >= before - 0.2 or share == pytest.approx(0.15)


def test_without_a_limit_the_way_is_not_shortened(recipe: Recipe, network: nn.Module) -> None:
    unlimited = replace(recipe, adaptation=AdaptationRecipe(interpolation=0.6, start_h=0.08))
    assert adapted(unlimited, network, 0.15).choose_share() == 0.6


def test_h_follows_what_the_old_weights_find_and_what_the_new_find_painted(
    recipe: Recipe, network: nn.Module
) -> None:
    def chosen(wrong: bool, limited: bool) -> float:
        painted = paint_frame(224, (24, 28), recipe.painting, np.random.default_rng(5))
        centres = cell_centroids(painted.masks).astype(np.float64)
        if wrong:  # clicks where no cell is: only cells that nobody finds would be none too many
            centres = np.array([[5.0, 5.0]])
        frame = AnnotatedFrame("own", painted.pixels, None, centres, 26.0, 13.0, complete=True)
        known = Validator.of_frames(recipe, {"own": [frame]})
        given = recipe
        if not limited:
            given = replace(recipe, adaptation=AdaptationRecipe(start_h=0.08))
        return adapted(given, network, 0.0).choose_h(known, 1.0)

    assert chosen(wrong=False, limited=False) in (0.03, 0.08, 0.2)
    assert chosen(wrong=True, limited=True) in (0.03, 0.08, 0.2)


def test_interpolation_meets_both_ends() -> None:
    one = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(3)}
    other = {"w": torch.tensor([1.0, 4.0]), "n": torch.tensor(5)}
    assert torch.equal(interpolate(one, other, 0.0)["w"], one["w"])
    assert torch.equal(interpolate(one, other, 1.0)["w"], other["w"])
    assert torch.equal(interpolate(one, other, 0.25)["w"], torch.tensor([0.25, 2.5]))
    assert interpolate(one, other, 1.0)["n"] == 3
