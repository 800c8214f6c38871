"""Painted frames: repeatable, true to their masks, as various as asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree

from livecount.errors import ConfigError
from livecount.training.bodies import place_bodies
from livecount.training.crops import CropSource
from livecount.training.painting import paint_frame
from livecount.training.recipe import PaintingRecipe, read_recipe
from livecount.training.views import paint_view

SIZE = 256
DIAMETER = (20.0, 34.0)


def painted(seed: int, **changes: object):
    recipe = dataclasses.replace(PaintingRecipe(), **changes)
    return paint_frame(SIZE, DIAMETER, recipe, np.random.default_rng(seed))


def test_equal_seeds_paint_equal_frames() -> None:
    one, again, other = painted(3), painted(3), painted(4)
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(one.masks, again.masks)
    assert not np.array_equal(one.pixels, other.pixels)


def test_frames_are_finite_and_of_the_asked_size() -> None:
    for seed in range(40):
        frame = painted(seed)
        assert frame.pixels.shape == frame.masks.shape == (SIZE, SIZE)
        assert frame.pixels.dtype == np.float32
        assert np.isfinite(frame.pixels).all()
        assert frame.pixels.std() > 0


def test_cells_have_the_asked_diameter() -> None:
    areas = [
        np.bincount(painted(seed, empty=0.0, coverage=(0.1, 0.3)).masks.ravel())[1:]
        for seed in range(40)
    ]
    diameters = [np.median(np.sqrt(4 / np.pi * part[part > 0])) for part in areas if part.any()]
    assert min(diameters) > 18
    assert max(diameters) < 37
    assert max(diameters) - min(diameters) > 5


def test_crowding_and_emptiness_follow_the_recipe() -> None:
    empty = [painted(seed, empty=1.0) for seed in range(5)]
    sparse = [painted(seed, empty=0.0, coverage=(0.05, 0.06)) for seed in range(10)]
    crowded = [painted(seed, empty=0.0, coverage=(0.9, 1.0)) for seed in range(10)]
    assert all(not frame.masks.any() for frame in empty)
    assert all(0 < (frame.masks > 0).mean() < 0.15 for frame in sparse)
    assert np.mean([(frame.masks > 0).mean() for frame in crowded]) > 0.4


def test_cells_are_seen_in_every_style() -> None:
    clean = {"noise": (0.01, 0.02), "coating": 0.0, "specks": 0.0, "lines": 0.0}
    for seed in range(30):
        frame = painted(seed, empty=0.0, coverage=(0.2, 0.3), **clean)
        cells = frame.masks > 0
        if not cells.any():
            continue
        step = np.hypot(*np.gradient(frame.pixels))
        assert step[cells].mean() > 1.5 * step[~cells].mean()


@pytest.mark.parametrize("dirt", ["webs", "debris"])
def test_dirt_changes_what_is_seen_and_nothing_that_is_true(dirt: str) -> None:
    for seed in range(5):
        clean, dirty = painted(seed), painted(seed, **{dirt: 1.0})
        np.testing.assert_array_equal(clean.masks, dirty.masks)
        assert np.isfinite(dirty.pixels).all()
        assert np.abs(dirty.pixels - clean.pixels).max() > 0.1


def test_arms_leave_every_cell_where_it_is() -> None:
    grown = 0
    for seed in range(12):
        plain, armed = painted(seed), painted(seed, arms=1.0)
        cells = plain.masks > 0
        np.testing.assert_array_equal(armed.masks[cells], plain.masks[cells])
        assert set(np.unique(armed.masks)) <= {0, *np.unique(plain.masks)} or not cells.any()
        assert np.isfinite(armed.pixels).all()
        grown += int((armed.masks > 0).sum() > cells.sum())
    assert grown > 5


def neighbour_distances_px(masks: np.ndarray) -> np.ndarray:
    labels = np.unique(masks)[1:]
    centres = np.array(ndimage.center_of_mass(masks > 0, masks, labels))
    return KDTree(centres).query(centres, k=2)[0][:, 1] if len(centres) > 1 else np.empty(0)


def test_cells_of_a_colony_lie_side_by_side() -> None:
    sparse = {"empty": 0.0, "coverage": (0.1, 0.15)}
    apart = np.concatenate([neighbour_distances_px(painted(s, **sparse).masks) for s in range(12)])
    together = np.concatenate(
        [neighbour_distances_px(painted(s, colonies=1.0, **sparse).masks) for s in range(12)]
    )
    assert np.median(together) < 0.8 * np.median(apart)


def test_confluent_colonies_leave_no_gap_between_cells() -> None:
    def gaps(masks: np.ndarray) -> float:
        islands = ndimage.binary_closing(masks > 0, iterations=8)
        return float((islands & (masks == 0)).sum() / max(islands.sum(), 1))

    crowded = {"empty": 0.0, "coverage": (0.3, 0.4), "colonies": 1.0}
    loose = np.mean([gaps(painted(seed, **crowded).masks) for seed in range(10)])
    tight = np.mean([gaps(painted(seed, confluent=1.0, **crowded).masks) for seed in range(10)])
    assert tight < 0.6 * loose


def test_sharp_outlines_reach_further_for_their_area() -> None:
    def reach(masks: np.ndarray) -> list[float]:
        """Longest distance from each cell's centre, over the radius of a disc of its area."""
        found = []
        for cell in np.unique(masks)[1:]:
            y, x = np.nonzero(masks == cell)
            if min(y.min(), x.min()) > 0 and max(y.max(), x.max()) < SIZE - 1:
                away = np.hypot(y - y.mean(), x - x.mean()).max()
                found.append(away / np.sqrt(len(y) / np.pi))
        return found

    sparse = {"empty": 0.0, "coverage": (0.1, 0.2), "longest_aspect": 1.0}
    plain = [r for seed in range(20) for r in reach(painted(seed, **sparse).masks)]
    sharp = [r for seed in range(20) for r in reach(painted(seed, sharpest=3.0, **sparse).masks)]
    assert np.quantile(sharp, 0.9) > 1.1 * np.quantile(plain, 0.9)


def test_outlines_are_lengths_however_they_bulge() -> None:
    recipe = dataclasses.replace(PaintingRecipe(), empty=0.0, coverage=(1.0, 2.0), sharpest=3.0)
    for seed in range(30):
        bodies = place_bodies(SIZE, 20.0, recipe, np.random.default_rng(seed))
        assert np.isfinite(bodies.radius).all()
        assert (bodies.radius > 0).all()


def test_phase_contrast_changes_what_is_seen_and_nothing_that_is_true() -> None:
    for seed in range(12):
        mixed, photographed = painted(seed), painted(seed, phase_contrast=1.0)
        np.testing.assert_array_equal(mixed.masks, photographed.masks)
        assert np.isfinite(photographed.pixels).all()
        assert not np.array_equal(mixed.pixels, photographed.pixels)


def test_a_flattened_view_keeps_detail_and_loses_what_is_wide(tiny_recipe: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    recipe = dataclasses.replace(
        recipe, painting=dataclasses.replace(recipe.painting, empty=0.0, coverage=(0.2, 0.3))
    )
    flat = dataclasses.replace(recipe.augmentation, flattened=1.0, flattening_px=(3.0, 3.0))
    wide = {}
    for name, augmentation in (("plain", recipe.augmentation), ("flat", flat)):
        varied = dataclasses.replace(recipe, augmentation=augmentation)
        views = [paint_view(varied, np.random.default_rng(seed)) for seed in range(12)]
        assert all(np.isfinite(view.image).all() for view in views)
        wide[name] = [ndimage.gaussian_filter(v.image, 5).std() / v.image.std() for v in views]
    assert np.mean(wide["flat"]) < 0.6 * np.mean(wide["plain"])


def test_a_recorded_view_differs_by_no_more_than_its_grey_levels(tiny_recipe: Path) -> None:
    recipe = read_recipe(tiny_recipe)
    changes = {}
    for levels in (30.0, 250.0):
        recorded = dataclasses.replace(
            recipe.augmentation, recorded=1.0, grey_levels=(levels, levels)
        )
        varied = dataclasses.replace(recipe, augmentation=recorded)
        pairs = [
            (
                paint_view(recipe, np.random.default_rng(s)),
                paint_view(varied, np.random.default_rng(s)),
            )
            for s in range(12)
        ]
        changes[levels] = np.mean([np.abs(a.image - b.image).mean() for a, b in pairs])
        for plain, coarse in pairs:
            np.testing.assert_array_equal(plain.maps.values, coarse.maps.values)
            assert np.isfinite(coarse.image).all()
    assert 0 < changes[250.0] < changes[30.0] < 1


def test_a_run_learns_from_painted_frames_in_the_asked_share(
    tiny_recipe: Path, tiny_data: Path
) -> None:
    recipe = read_recipe(tiny_recipe)
    only = dataclasses.replace(recipe.painting, share=1e6, frames=3)
    source = CropSource(dataclasses.replace(recipe, painting=only), tiny_data)
    real = CropSource(recipe, tiny_data)
    assert source.frame_counts == real.frame_counts
    batch, again = source.batch(5), source.batch(5)
    np.testing.assert_array_equal(batch.images, again.images)
    assert batch.known.min() == 1.0
    assert not np.array_equal(batch.images, real.batch(5).images)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("coverage = [0.5, 0.1]", "painting.coverage"),
        ("noise = [0.0, 0.1]", "painting.noise"),
        ("share = -1.0", "painting.share"),
        ("frames = 0", "painting.frames"),
        ("size_spread = [0.3, 0.2]", "painting.size_spread"),
        ("webs = 1.5", "painting.webs"),
        ("debris = -0.1", "painting.debris"),
        ("arms = 2", "painting.arms"),
        ("colonies = -1", "painting.colonies"),
        ("confluent = 1.2", "painting.confluent"),
        ("sharpest = 0.5", "painting.sharpest"),
        ("phase_contrast = 2", "painting.phase_contrast"),
        ("longest_aspect = 0.5", "painting.longest_aspect"),
    ],
)
def test_impossible_painting_is_refused(
    line: str, says: str, tiny_recipe: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"{tiny_recipe.read_text()}\n[painting]\n{line}\n")
    with pytest.raises(ConfigError, match=says):
        read_recipe(path)
