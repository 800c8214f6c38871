"""How far an adapted model goes, and which h it gets: with the shipped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

import torch
from torch import nn

from livecount.detection import find_peaks
from livecount.frame import FloatArray
from livecount.inference import find_model
from livecount.normalisation import normalise
from livecount.training.adaptation import Adaptation, interpolate
from livecount.training.checkpoint import load_weights
from livecount.training.images import AnnotatedFrame
from livecount.training.network import DeepDistanceNet
from livecount.training.painting import paint_frame
from livecount.training.recipe import AdaptationRecipe, Recipe, read_recipe
from livecount.training.validation import Validator, draw_maps
from livecount.weighing import detection_map

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


@pytest.mark.parametrize("h", [0.2, 0.5])
def test_h_is_the_one_with_which_the_old_weights_count_as_was_clicked(
    recipe: Recipe, network: nn.Module, h: float
) -> None:
    # Between these every two have another count on the painted frame.
    wanted = replace(recipe, run=replace(recipe.run, h_choices=(0.03, 0.2, 0.5)))
    pixels = painted_pixels(wanted)
    clicked = clear_cells(wanted, network, pixels, h=h)
    known = Validator.of_frames(wanted, {"own": [frame_of(pixels, clicked)]})
    # However the new weights draw: these have learnt from the frames.
    chosen = [adapted(wanted, network, noise).choose_h(known) for noise in (0.0, 2.0)]
    assert chosen == [h, h]


def test_where_the_old_weights_find_nothing_h_is_the_lowest(
    recipe: Recipe, network: nn.Module
) -> None:
    frame = frame_of(np.ones((224, 224), np.float32), np.array([[5.0, 5.0]]))
    known = Validator.of_frames(recipe, {"own": [frame]})
    assert adapted(recipe, network, 0.0).choose_h(known) == min(H_CHOICES)


def test_where_no_cell_was_clicked_h_is_the_one_expected(
    recipe: Recipe, network: nn.Module
) -> None:
    frame = frame_of(painted_pixels(recipe), np.empty((0, 2)))
    known = Validator.of_frames(recipe, {"own": [frame]})
    assert adapted(recipe, network, 0.0).choose_h(known) == 0.08


def painted_pixels(recipe: Recipe) -> FloatArray:
    return paint_frame(224, (24, 28), recipe.painting, np.random.default_rng(5)).pixels


def clear_cells(
    recipe: Recipe, network: nn.Module, pixels: FloatArray, h: float
) -> npt.NDArray[np.float64]:
    """Find the cells whose peaks are at least so high: of these alone, that h finds each."""
    drawn = draw_maps(network, normalise(pixels, recipe.normalisation), recipe, CPU)
    found = find_peaks(detection_map(drawn, recipe.head_names, recipe.detection.weighing)).at(h)
    assert len(found.y_px) > 3
    return np.stack([found.y_px, found.x_px], axis=1).astype(np.float64)


def frame_of(pixels: FloatArray, centres: npt.NDArray[np.float64]) -> AnnotatedFrame:
    return AnnotatedFrame("own", pixels, None, centres, 26.0, 13.0, complete=True)


def test_interpolation_meets_both_ends() -> None:
    one = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(3)}
    other = {"w": torch.tensor([1.0, 4.0]), "n": torch.tensor(5)}
    assert torch.equal(interpolate(one, other, 0.0)["w"], one["w"])
    assert torch.equal(interpolate(one, other, 1.0)["w"], other["w"])
    assert torch.equal(interpolate(one, other, 0.25)["w"], torch.tensor([0.25, 2.5]))
    assert interpolate(one, other, 1.0)["n"] == 3
