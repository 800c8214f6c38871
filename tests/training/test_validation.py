"""How validation chooses h and scores maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra livecount[train]")

from livecount.inference.tiling import EDGE_MULTIPLES  # noqa: E402
from livecount.training.images import load_frames  # noqa: E402
from livecount.training.network import DeepDistanceNet  # noqa: E402
from livecount.training.recipe import read_recipe  # noqa: E402
from livecount.training.validation import Measured, Validator, draw_maps  # noqa: E402
from livecount.training.views import whole_view  # noqa: E402


class Oracle(torch.nn.Module):
    """Draws the maps that were asked for, whatever it is shown, scaled by a factor."""

    def __init__(self, maps: list[np.ndarray], multiple_px: int) -> None:
        super().__init__()
        self.maps, self.multiple_px = maps, multiple_px
        self.drawn = 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.maps[self.drawn % len(self.maps)]
        self.drawn += 1
        # It is shown the frame mirrored outward by an edge, and further below and to the right.
        edge = EDGE_MULTIPLES * self.multiple_px
        beyond = [
            (edge, full - part - edge)
            for full, part in zip(image.shape[2:], maps.shape[1:], strict=True)
        ]
        return torch.from_numpy(np.pad(maps, [(0, 0), *beyond]))[None]


def test_perfect_maps_score_100_and_no_loss(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    frames = load_frames(recipe.validation[0], tiny_data)
    perfect = Oracle(
        [whole_view(frame, recipe).maps.values for frame in frames], recipe.multiple_px
    )
    measured = Validator(recipe, recipe.validation, tiny_data).measure(perfect, torch.device("cpu"))
    assert measured.loss == pytest.approx(0, abs=1e-9)
    assert measured.f_score == 100
    assert measured.as_numbers().keys() == {"loss", "f_score", "h"}


def test_empty_maps_score_0(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    frame = load_frames(recipe.validation[0], tiny_data)[0]
    empty = Oracle([np.zeros_like(whole_view(frame, recipe).maps.values)], recipe.multiple_px)
    measured = Validator(recipe, recipe.validation, tiny_data).measure(empty, torch.device("cpu"))
    assert measured.f_score == 0
    assert measured.loss > 0


def test_frames_without_a_cell_choose_no_h(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    frame = load_frames(recipe.validation[0], tiny_data)[0]
    # Doubtful cells: at some of the h to try they are found, at others nothing is.
    doubtful = 0.22 * whole_view(frame, recipe).maps.values
    bare = replace(frame, centres=np.empty((0, 2)))
    validator = Validator.of_frames(recipe, {"bare": [bare]})
    network = Oracle([doubtful], recipe.multiple_px)
    measured = validator.measure(network, torch.device("cpu"))
    assert not measured.f_scores
    assert measured.h is None
    both = Validator.of_frames(recipe, {"bare": [bare], "cells": [frame]})
    assert list(both.measure(network, torch.device("cpu")).f_scores) == ["cells"]


def test_sets_are_named_by_folder_and_never_by_path(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    frame = load_frames(recipe.validation[0], tiny_data)[0]
    network = Oracle([whole_view(frame, recipe).maps.values], recipe.multiple_px)
    roots = (str(tiny_data / "one" / "clicked"), str(tiny_data / "other" / "clicked"), "ctc/hela")
    validator = Validator.of_frames(recipe, {root: [frame] for root in roots})
    measured = validator.measure(network, torch.device("cpu"))
    assert list(measured.f_scores) == ["clicked", "clicked (2)", "ctc/hela"]


def test_large_frames_are_drawn_in_tiles_with_the_same_maps(tiny_recipe: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    torch.manual_seed(0)
    network = DeepDistanceNet(recipe.network, recipe.heads)
    shapes: list[tuple[int, ...]] = []
    network.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
    image = np.random.default_rng(0).standard_normal((201, 243)).astype(np.float32)
    whole, tiled = (
        draw_maps(network, image, recipe, torch.device("cpu"), memory_limit_mb=limit)
        for limit in (500, 3)
    )
    assert len(shapes) > 2
    assert all(150 * np.prod(shape) <= 3e6 for shape in shapes[1:])
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_clicks_choose_h_where_there_is_nothing_else(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    frame = load_frames(recipe.images[1], tiny_data)[0]
    network = Oracle([whole_view(frame, recipe).maps.values], recipe.multiple_px)
    measured = Validator(recipe, recipe.images[1:], tiny_data).measure(network, torch.device("cpu"))
    assert list(measured.f_scores) == [recipe.images[1].root]
    assert measured.as_numbers().keys() == {"loss", "f_score", "h"}


def test_beside_complete_frames_clicks_do_not_choose_h(tiny_recipe: Path, tiny_data: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    masks, clicks = (load_frames(entry, tiny_data) for entry in recipe.images)
    perfect = [whole_view(frame, recipe).maps.values for frame in masks]
    # Nothing is found in the frames with clicks.
    empty = [np.zeros_like(whole_view(frame, recipe).maps.values) for frame in clicks]
    network = Oracle([*perfect, *empty], recipe.multiple_px)
    measured = Validator(recipe, recipe.images, tiny_data).measure(network, torch.device("cpu"))
    assert measured.f_score == 100


def test_h_is_the_best_of_the_mean_and_the_middle_of_a_tie() -> None:
    scores = {"a": np.array([50.0, 80.0, 80.0, 80.0]), "b": np.array([70.0, 60.0, 60.0, 60.0])}
    measured = Measured(0.1, scores, (0.1, 0.2, 0.3, 0.4))
    assert measured.h == 0.3
    assert measured.f_score == 70


def test_a_tolerance_takes_the_lowest_h_that_is_nearly_as_good() -> None:
    scores = {"a": np.array([80.0, 88.0, 90.0, 89.0])}
    heights = (0.1, 0.2, 0.3, 0.4)
    chosen = [Measured(0.1, scores, heights, points).h for points in (0.0, 0.5, 2.0, 50.0)]
    assert chosen == [0.3, 0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ({"a": [2.0, 1.5, 1.1]}, 0.3),
        ({"a": [1.6, 0.9, 0.5]}, 0.2),
        ({"a": [0.8, 0.7, 0.6]}, 0.1),
        ({"a": [0.0, 0.0, 0.0]}, 0.1),
        ({"a": [2.0, 1.4, 1.0], "b": [1.0, 0.6, 0.1]}, 0.2),
        ({}, None),
    ],
)
def test_an_unbiased_h_counts_as_many_cells_as_are_marked(
    ratios: dict[str, list[float]], expected: float | None
) -> None:
    counted = {name: np.array(values) for name, values in ratios.items()}
    measured = Measured(0.1, {}, (0.1, 0.2, 0.3), count_ratios=counted)
    assert measured.unbiased_h == expected


def test_frames_of_any_size_are_padded_and_cut_back(tiny_recipe: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    image = np.random.default_rng(0).standard_normal((13, 21)).astype(np.float32)
    drawn = draw_maps(torch.nn.Conv2d(1, 2, 1), image, recipe, torch.device("cpu"))
    assert drawn.shape == (2, 13, 21)
