"""Faults that are put into real frames: blur, light, bubbles, haze, no cells, another place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import Frame

Pixels = npt.NDArray[Any]
Fault = Callable[[Pixels, np.random.Generator], Pixels]


def blurred(cells: float) -> Fault:
    """Defocus by a Gaussian of a share of a cell's diameter, set for each series."""
    return lambda pixels, _: ndimage.gaussian_filter(pixels.astype(np.float32), cells)


def lit(factor: float) -> Fault:
    """Change the light; what exceeds the camera's range is clipped."""
    return lambda pixels, _: np.minimum(pixels * np.float32(factor), _top(pixels))


def bubble(share: float) -> Fault:
    """Put a bubble into the field: a smooth bright disc with a dark rim, so large a share."""

    def put(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape
        radius = np.sqrt(share * height * width / np.pi)
        centre = rng.uniform(0.3, 0.7, 2) * (height, width)
        y, x = np.ogrid[:height, :width]
        distance = np.hypot(y - centre[0], x - centre[1])
        inside = np.where(distance < radius, np.float32(1.3 * pixels.mean()), pixels)
        rim = np.abs(distance - radius) < 0.06 * radius
        return np.minimum(np.where(rim, np.float32(0.4 * pixels.mean()), inside), _top(pixels))

    return put


def haze(share: float, contrast: float, light: float = 1.0) -> Fault:
    """Lay a haze with a soft edge over so large a share: less contrast, unsharp, other light."""

    def put(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape
        radius = np.sqrt(share * height * width / np.pi)
        centre = rng.uniform(0.3, 0.7, 2) * (height, width)
        y, x = np.ogrid[:height, :width]
        distance = np.hypot(y - centre[0], x - centre[1])
        covered = np.clip((radius - distance) / (0.3 * radius) + 0.5, 0, 1)
        sharp = pixels.astype(np.float32)
        ground = ndimage.gaussian_filter(sharp, 40)
        seen = ground + contrast * (ndimage.gaussian_filter(sharp, 1.0) - ground)
        return np.minimum(sharp + covered * (light * seen - sharp), _top(pixels))

    return put


def empty(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Show a field without cells: the frame's mean and its finest noise."""
    fine = pixels - ndimage.gaussian_filter(pixels.astype(np.float32), 1.0)
    noise = rng.normal(0, 1.4826 * np.median(np.abs(fine)), pixels.shape)
    return np.maximum(pixels.mean() + noise, 0)


def _top(pixels: Pixels) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else float(pixels.max())


FAULTS: dict[str, Fault] = {
    "blurred, sigma 2 px": blurred(2.0),
    "blurred, sigma 5 px": blurred(5.0),
    "light x 0.6": lit(0.6),
    "light x 1.5": lit(1.5),
    "bubble over 30 % of the field": bubble(0.3),
    "bubble over 10 % of the field": bubble(0.1),
    "bubble over 5 % of the field": bubble(0.05),
    "haze over 30 % of the field, contrast x 0.6": haze(0.3, 0.6),
    "haze over 10 % of the field, contrast x 0.4": haze(0.1, 0.4),
    "haze over 10 %, contrast x 0.6, light x 1.15": haze(0.1, 0.6, 1.15),
    "no cells": empty,
}
MOVED = {
    f"moved by {share:.0%} of the field".replace("%", " %"): share
    for share in (0.05, 0.1, 0.2, 0.4)
}
_WINDOW = 0.7


def window(frame: Frame, share: float) -> Frame:
    """Show 70 % of a frame's height and width, so large a share of that further down."""
    height, width = (int(side * _WINDOW) for side in frame.pixels.shape)
    top = int(share * height)
    part = frame.pixels[top : top + height, :width]
    return replace(frame, pixels=np.ascontiguousarray(part))


def spoil(frame: Frame, fault: Fault, rng: np.random.Generator) -> Frame:
    """Put a fault into a frame."""
    changed = fault(frame.pixels, rng)
    whole = np.rint(changed) if frame.pixels.dtype.kind == "u" else changed
    return replace(frame, pixels=np.ascontiguousarray(whole.astype(frame.pixels.dtype)))
