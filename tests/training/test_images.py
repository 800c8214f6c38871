"""Crops for training: aligned with their targets, repeatable, masked where nothing is known."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from livecount.errors import AnnotationError, TrainingError
from livecount.training.crops import CropSource
from livecount.training.images import AnnotatedFrame, load_frames
from livecount.training.recipe import ImagesRecipe, Recipe, read_recipe
from livecount.training.views import draw_view, whole_view


@pytest.fixture
def recipe(tiny_recipe: Path) -> Recipe:
    return read_recipe(tiny_recipe)


def test_crops_follow_from_the_step_alone(recipe: Recipe, tiny_data: Path) -> None:
    forward, backward = CropSource(recipe, tiny_data), CropSource(recipe, tiny_data)
    there = [forward.batch(step) for step in range(12)]
    back = [backward.batch(step) for step in reversed(range(12))][::-1]
    for one, other in zip(there, back, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.known, other.known)
    assert not np.array_equal(there[0].images, there[1].images)


def test_batches_have_the_recipes_shape(recipe: Recipe, tiny_data: Path) -> None:
    batch = CropSource(recipe, tiny_data).batch(0)
    assert batch.images.shape == (2, 1, 64, 64)
    assert batch.targets.shape == batch.known.shape == (2, 2, 64, 64)
    assert batch.images.dtype == batch.targets.dtype == batch.known.dtype == np.float32


def test_targets_stay_on_the_cells_however_a_view_is_varied(
    recipe: Recipe, tiny_data: Path
) -> None:
    plain = dataclasses.replace(
        recipe.augmentation, rotation_deg=90.0, aspect=1.3, gamma=(1.0, 1.0), illumination=0.0
    )
    varied = dataclasses.replace(recipe, augmentation=plain)
    frame = load_frames(recipe.images[0], tiny_data)[0]
    for seed in range(10):
        view = draw_view(frame, varied, np.random.default_rng(seed))
        cells = (view.maps.values[1] > 0) & (view.maps.known[1] > 0)
        ground = (view.maps.values[1] == 0) & (view.maps.known[1] > 0)
        # The discs are bright, so a shifted target would mix the two.
        assert np.median(view.image[cells]) > np.median(view.image[ground]) + 1
        assert (view.image[cells] > 0).mean() > 0.9


def with_margin(data: Path, copy: Path, margin_px: int) -> Path:
    shutil.copytree(data, copy)
    card = copy / "discs" / "dataset.toml"
    text = card.read_text(encoding="utf-8")
    card.write_text(f"{text}\nedge_margin_px = {margin_px}\n", encoding="utf-8")
    return copy


def test_what_lies_within_the_edge_margin_is_cut_off(
    recipe: Recipe, tiny_data: Path, tmp_path: Path
) -> None:
    whole = load_frames(recipe.images[0], tiny_data)[0]
    inner = load_frames(recipe.images[0], with_margin(tiny_data, tmp_path / "data", 15))[0]
    np.testing.assert_array_equal(inner.pixels, whole.pixels[15:-15, 15:-15])
    assert inner.masks is not None
    assert whole.masks is not None
    np.testing.assert_array_equal(inner.masks, whole.masks[15:-15, 15:-15])
    height, width = inner.pixels.shape
    kept = whole.centres - 15
    kept = kept[((kept >= -0.5) & (kept < (height - 0.5, width - 0.5))).all(axis=1)]
    np.testing.assert_array_equal(inner.centres, kept)
    assert 0 < len(kept) < len(whole.centres)


def test_a_frame_that_is_all_margin_is_refused(
    recipe: Recipe, tiny_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="edge margin"):
        load_frames(recipe.images[0], with_margin(tiny_data, tmp_path / "data", 900))


def test_clicks_and_masks_put_peaks_at_the_same_places(recipe: Recipe, tiny_data: Path) -> None:
    frame = load_frames(recipe.images[0], tiny_data)[0]
    clicked = dataclasses.replace(frame, masks=None)
    for seed in range(5):
        from_masks = draw_view(frame, recipe, np.random.default_rng(seed)).maps
        from_clicks = draw_view(clicked, recipe, np.random.default_rng(seed)).maps
        for y, x in np.argwhere(from_clicks.values[0] * from_clicks.known[0] == 1):
            near = from_masks.values[0][max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            assert near.max() > 0.8
        assert not from_clicks.known[1].any()


def test_a_whole_view_has_the_models_scale(recipe: Recipe, tiny_data: Path) -> None:
    frame = load_frames(recipe.images[0], tiny_data)[0]
    view = whole_view(frame, recipe)
    assert view.image.shape == tuple(round(side * 16 / 17) for side in frame.pixels.shape)
    assert view.maps.values.shape == (2, *view.image.shape)
    assert int((view.maps.values[0] == 1).sum()) == 12


def test_blank_crops_hold_no_cell(recipe: Recipe, tiny_data: Path) -> None:
    blank = dataclasses.replace(recipe.augmentation, blank=1.0)
    batch = CropSource(dataclasses.replace(recipe, augmentation=blank), tiny_data).batch(0)
    assert not batch.targets.any()
    assert batch.known.all()
    assert np.isfinite(batch.images).all()
    assert batch.images.std() > 0.1


def test_crops_larger_than_the_image_are_unknown_outside(recipe: Recipe, tiny_data: Path) -> None:
    run = dataclasses.replace(recipe.run, crop_px=160)
    augmentation = dataclasses.replace(recipe.augmentation, view_px=160, blank=0.0)
    wide = dataclasses.replace(recipe, run=run, augmentation=augmentation)
    batch = CropSource(wide, tiny_data).batch(0)
    assert batch.images.shape[-2:] == (160, 160)
    assert batch.known.mean() < 0.8
    assert not (batch.targets * (1 - batch.known)).any()


def test_a_diameter_in_the_recipe_goes_before_the_data_sets_own(tiny_data: Path) -> None:
    entry = ImagesRecipe("discs", cell_diameter_px=40.0)
    assert {frame.cell_diameter_px for frame in load_frames(entry, tiny_data)} == {40.0}


def test_masks_of_another_size_are_refused(tmp_path: Path, tiny_data: Path) -> None:
    folder = tmp_path / "discs" / "train"
    folder.mkdir(parents=True)
    for path in (tiny_data / "discs" / "train").glob("frame0*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "discs" / "dataset.toml").write_bytes(
        (tiny_data / "discs" / "dataset.toml").read_bytes()
    )
    import imagecodecs

    small = imagecodecs.png_encode(np.ones((5, 7), np.uint16))
    (folder / "frame0.cells.png").write_bytes(small)
    with pytest.raises(AnnotationError, match="5 x 7"):
        load_frames(ImagesRecipe("discs"), tmp_path)


def test_a_file_of_several_images_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    import tifffile

    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    path = data / "discs" / "train" / "frame1.tif"
    pixels = tifffile.imread(path)
    tifffile.imwrite(path, np.stack([pixels, pixels]), photometric="minisblack")
    with pytest.raises(AnnotationError, match=r"frame1\.tif holds 2 pages"):
        load_frames(ImagesRecipe("discs"), data)


def test_pixels_that_are_no_number_spoil_only_themselves(recipe: Recipe, tiny_data: Path) -> None:
    whole = load_frames(recipe.images[0], tiny_data)[0]
    pixels = whole.pixels.astype(np.float32)
    pixels[40:46, 50:56] = (np.nan, np.inf, -np.inf, np.nan, np.nan, np.inf)
    holed = dataclasses.replace(whole, pixels=pixels)
    augmentation = dataclasses.replace(recipe.augmentation, recorded=1.0, flattened=0.5)
    varied = dataclasses.replace(recipe, augmentation=augmentation)
    for seed in range(4):
        rngs = np.random.default_rng(seed), np.random.default_rng(seed)
        one, other = (
            draw_view(frame, varied, rng).image
            for frame, rng in zip((holed, whole), rngs, strict=True)
        )
        assert np.isfinite(one).all()
        alike = np.abs(one - other) < 0.5
        assert alike.mean() > 0.9
    nothing = dataclasses.replace(whole, pixels=np.full_like(pixels, np.nan))
    assert not draw_view(nothing, varied, np.random.default_rng(0)).image.any()


def test_a_split_without_masks_is_said(tiny_data: Path) -> None:
    with pytest.raises(TrainingError, match="No image with masks"):
        load_frames(ImagesRecipe("discs", split="clicks"), tiny_data)


@pytest.mark.parametrize(
    ("annotation", "said"), [("centres", "clicks"), ("either", "clicks or masks")]
)
def test_a_folder_without_clicks_is_said(
    tmp_path: Path, annotation: Literal["centres", "either"], said: str
) -> None:
    with pytest.raises(TrainingError, match=f"No image with {said} was found"):
        load_frames(
            ImagesRecipe("", split="", annotation=annotation, cell_diameter_px=20), tmp_path
        )


def test_real_frames_give_usable_crops(real_images: Path, recipe: Recipe) -> None:
    entry = ImagesRecipe("usiigaci-large", split="val")
    real = dataclasses.replace(recipe, images=(entry,))
    source = CropSource(real, real_images)
    batch = source.batch(0)
    assert source.frame_counts == [3]
    assert np.isfinite(batch.images).all()
    assert batch.targets[:, 0].max() > 0.5


def test_polarity_is_inverted_as_often_as_the_recipe_says(recipe: Recipe, tiny_data: Path) -> None:
    augmentation = dataclasses.replace(
        recipe.augmentation, polarity_inversion=(0.0, 1.0), polarity_change_step=6, blank=0.0
    )
    source = CropSource(dataclasses.replace(recipe, augmentation=augmentation), tiny_data)
    for step in range(12):
        batch = source.batch(step)
        for image, targets in zip(batch.images[:, 0], batch.targets[:, 0], strict=True):
            brighter = image[targets > 0.5].mean() > image[targets == 0].mean()
            assert brighter == (step < 6)


def odd_frame(kind: str) -> AnnotatedFrame:
    """A frame as labs have them: nothing in it, one cell, all one grey, smaller than a crop."""
    pixels = np.random.default_rng(0).normal(100, 3, (90, 110)).astype(np.float32)
    masks = np.zeros(pixels.shape, np.uint16)
    if kind == "one cell":
        masks[40:52, 30:44] = 7
    elif kind == "all one grey":
        pixels[:] = 500
        masks[40:52, 30:44] = 1
    elif kind == "small":
        pixels, masks = pixels[:9, :7], masks[:9, :7]
    found = np.argwhere(masks > 0)
    centres = found.mean(axis=0, keepdims=True) if len(found) else np.empty((0, 2))
    return AnnotatedFrame(kind, pixels, masks, centres, 17.0, 8.0)


@pytest.mark.parametrize("kind", ["no cell", "one cell", "all one grey", "small"])
@pytest.mark.parametrize("clicked", [False, True])
def test_odd_frames_give_finite_views(recipe: Recipe, kind: str, clicked: bool) -> None:
    frame = odd_frame(kind)
    if clicked:
        frame = dataclasses.replace(frame, masks=None, complete=True)
    flat = dataclasses.replace(recipe.augmentation, flattened=0.5)
    varied = dataclasses.replace(recipe, augmentation=flat)
    for seed in range(4):
        view = draw_view(frame, varied, np.random.default_rng(seed))
        for part in (view.image, view.maps.values, view.maps.known):
            assert np.isfinite(part).all()
        assert view.maps.known.any()
        assert view.maps.values.any() == (len(frame.centres) > 0)
