"""The crops that a run learns from, by step.

A crop is a pure function of the recipe, the step and its place in the batch, so that a run that was
killed goes on with exactly the crops that it would have seen.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.normalisation import normalise
from livecount.training.images import AnnotatedFrame, load_frames
from livecount.training.recipe import Recipe
from livecount.training.views import View, draw_view, paint_view

__all__ = ["Batch", "CropSource"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step learns from.

    Attributes
    ----------
    images
        Shape (n, 1, y, x).
    targets, known
        Shape (n, heads, y, x).
    painted
        Shape (n,), 1 where the crop is of a frame that nobody took.
    clean
        The images without the noise that was added to the crops.
    """

    images: FloatArray
    targets: FloatArray
    known: FloatArray
    painted: FloatArray
    clean: FloatArray


class CropSource:
    """Every training crop of a run, by step.

    Parameters
    ----------
    recipe
        What to train on and how to vary it.
    data_root
        What the recipe's folders are relative to.
    """

    def __init__(self, recipe: Recipe, data_root: Path) -> None:
        self._recipe = recipe
        self._frames: list[AnnotatedFrame] = []
        self._counts: list[int] = []
        self._hashes: list[list[str]] = []
        shares: list[float] = []
        for entry in recipe.images:
            loaded = load_frames(entry, data_root)
            self._frames += loaded
            self._counts.append(len(loaded))
            self._hashes.append([one for frame in loaded for one in frame.content_hashes])
            shares += [entry.share / len(loaded)] * len(loaded)
        painting = recipe.painting
        if painting.share:
            shares += [painting.share / painting.frames] * painting.frames
        self._shares = np.array(shares) / np.sum(shares)
        self._views: OrderedDict[tuple[int, int], View] = OrderedDict()

    @property
    def frame_counts(self) -> list[int]:
        """Number of images of each of the recipe's ``images``."""
        return self._counts

    @property
    def content_hashes(self) -> list[list[str]]:
        """Hashes of the images of each of the recipe's ``images``."""
        return self._hashes

    def batch(self, step: int) -> Batch:
        """Cut the crops of one step, from 0."""
        crops = [self._crop(step, place) for place in range(self._recipe.run.batch)]
        images, clean, targets, known, painted = map(np.stack, zip(*crops, strict=True))
        return Batch(images[:, None], targets, known, painted, clean[:, None])

    def _crop(self, step: int, place: int) -> tuple[FloatArray | np.float32, ...]:
        rng = np.random.default_rng([self._recipe.run.seed, 1, step, place])
        index = int(rng.choice(len(self._shares), p=self._shares))
        view = self._view(index, self._view_number(index, step))
        painted = np.float32(index >= len(self._frames))
        return *_varied_crop(view, self._recipe, step, rng), painted

    def _view_number(self, index: int, step: int) -> int:
        """Which view of a frame a step uses, so that each serves a set number of crops on average.

        Frames change their views at different steps, which spreads the work.
        """
        run, augmentation = self._recipe.run, self._recipe.augmentation
        steps_per_view = augmentation.crops_per_view / (run.batch * self._shares[index])
        return int((step + index * steps_per_view / len(self._shares)) // steps_per_view)

    def _view(self, index: int, number: int) -> View:
        key = (index, number)
        if key not in self._views:
            rng = np.random.default_rng([self._recipe.run.seed, 2, index, number])
            painted = index >= len(self._frames)
            self._views[key] = (
                paint_view(self._recipe, rng)
                if painted
                else draw_view(self._frames[index], self._recipe, rng)
            )
            while len(self._views) > 2 * len(self._shares):
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]


def _varied_crop(
    view: View, recipe: Recipe, step: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Cut one crop from a view, turn and flip it, and vary its contrast and noise.

    Given are the image, the same without added noise, the targets, and where they are known.
    """
    augmentation, size = recipe.augmentation, recipe.run.crop_px
    if rng.random() < augmentation.blank:
        return _blank_crop(recipe, rng)
    image, values, known = _cut(view, size, rng)
    if augmentation.flips:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        image, values, known = (_turned(part, turns, flip) for part in (image, values, known))
    gain = np.exp(rng.uniform(*np.log(augmentation.contrast)))
    before, after = augmentation.polarity_inversion
    if rng.random() < (before if step < augmentation.polarity_change_step else after):
        gain = -gain
    noise = rng.uniform(0, augmentation.noise) * rng.standard_normal(image.shape, np.float32)
    shift = rng.uniform(-1, 1) * augmentation.brightness
    varied = (image * gain + noise + shift).astype(np.float32)
    clean = (image * gain + shift).astype(np.float32)
    return varied, clean, np.ascontiguousarray(values), np.ascontiguousarray(known)


def _turned(part: FloatArray, turns: int, flip: bool) -> FloatArray:
    turned = np.rot90(part, turns, axes=(-2, -1))
    return turned[..., ::-1] if flip else turned


def _cut(
    view: View, size: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cut a square window; small views are mirrored outward, where nothing is known."""
    height, width = view.image.shape
    missing = [(0, max(0, size - height)), (0, max(0, size - width))]
    image, values, known = view.image, view.maps.values, view.maps.known
    if any(after for _, after in missing):
        image = np.pad(image, missing, mode="symmetric")
        values = np.pad(values, [(0, 0), *missing])
        known = np.pad(known, [(0, 0), *missing])
    y = int(rng.integers(0, image.shape[0] - size + 1))
    x = int(rng.integers(0, image.shape[1] - size + 1))
    window = (slice(y, y + size), slice(x, x + size))
    return image[window], values[:, *window], known[:, *window]


def _blank_crop(
    recipe: Recipe, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Noise of some grain size, normalised like a frame: there is no cell in it."""
    size, heads = recipe.run.crop_px, len(recipe.heads)
    grain = ndimage.gaussian_filter(
        rng.standard_normal((size, size), np.float32), rng.uniform(0.0, 2.0)
    )
    image = normalise(grain, recipe.normalisation)
    image *= np.float32(rng.uniform(0.2, 1.0))
    nothing = np.zeros((heads, size, size), np.float32)
    return image, image, nothing, np.ones_like(nothing)
