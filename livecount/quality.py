"""What a frame looks like before anything is counted, and what makes its count doubtful."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray, Frame, FrameQuality
from livecount.looks import LookSums
from livecount.rows import in_groups

__all__ = ["assess", "find_flags"]

_SAMPLED_PX: Final = 10_000_000
_DARK_GROUND: Final = 0.2
"""Below this the ground is nearly the darkest there is. Phase contrast and brightfield, where cells
are darker and brighter than the ground, lay between 0.32 and 0.82 on eleven sets of frames of five
microscopes, fluorescence below 0.13."""


def find_flags(pixels: npt.NDArray[Any]) -> tuple[str, ...]:
    """Name what makes a frame's count doubtful.

    ``looks_like_fluorescence``: bright on a dark ground, of which the network has never learnt.

    Parameters
    ----------
    pixels
        Shape (y, x), as decoded.
    """
    return ("looks_like_fluorescence",) if _ground_level(pixels) < _DARK_GROUND else ()


def _ground_level(pixels: npt.NDArray[Any]) -> float:
    """Place the median between darkest (0) and brightest (1) pixels; 0.5 if all are equal."""
    step = max(3, math.isqrt(pixels.size // _SAMPLED_PX))
    sampled = np.asarray(pixels[::step, ::step], np.float64)
    known = sampled[np.isfinite(sampled)]
    if not known.size:
        return 0.5
    darkest, median, brightest = np.quantile(known, (0.001, 0.5, 0.999))
    return float((median - darkest) / (brightest - darkest)) if brightest > darkest else 0.5


def assess(frame: Frame) -> FrameQuality:
    """Measure focus, light and saturation of a frame as acquired.

    Focus is the variance of the Laplacian over the squared mean grey value (normalised variance,
    Pech-Pacheco et al. 2000), on the frame averaged 2 x 2 so that shot noise counts less.
    """
    pixels, level = frame.pixels, frame.saturation_level
    total, n_saturated = 0.0, 0
    for start, stop in in_groups((pixels.shape[0], pixels.shape[1])):
        total += float(_finite(pixels[start:stop]).sum(dtype=np.float64))
        n_saturated += int(np.count_nonzero(pixels[start:stop] >= level)) if level else 0
    mean = total / pixels.size
    sharpness, look = _sharpness(pixels)
    return FrameQuality(
        focus=sharpness / (mean * mean) if mean else 0.0,
        mean_intensity=mean / level if level else mean,
        saturated_fraction=n_saturated / pixels.size,
        look=look,
    )


def _finite(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put 0 in the place of what is no number; whole numbers are all finite, and not copied."""
    if pixels.dtype.kind != "f":
        return pixels
    return np.nan_to_num(np.asarray(pixels, np.float32), posinf=0.0, neginf=0.0)


def _halved(pixels: npt.NDArray[Any]) -> FloatArray:
    """Average 2 x 2 pixels; an even number of rows and columns."""
    even = _finite(pixels)
    rows = np.add(even[::2], even[1::2], dtype=np.float32)
    halved: FloatArray = (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
    return halved


def _laplacian(image: FloatArray) -> FloatArray:
    """Sum what the four neighbours of each pixel exceed it by; beyond the edge lies its own row."""
    edges = -4 * image
    edges[1:] += image[:-1]
    edges[:-1] += image[1:]
    edges[0] += image[0]
    edges[-1] += image[-1]
    edges[:, 1:] += image[:, :-1]
    edges[:, :-1] += image[:, 1:]
    edges[:, 0] += image[:, 0]
    edges[:, -1] += image[:, -1]
    return edges


def _sharpness(pixels: npt.NDArray[Any]) -> tuple[float, bytes | None]:
    """Give the variance of the Laplacian of a frame averaged 2 x 2, 0 where it is too small.

    And the frame's look, of which that Laplacian is the texture.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    if not height or not width:
        return 0.0, None
    total, squares = 0.0, 0.0
    look = LookSums((height, width))
    for start, stop in in_groups((height, width)):
        # A row more on both sides, as the Laplacian sees its neighbours.
        above, below = max(0, start - 1), min(height, stop + 1)
        halved = _halved(pixels[2 * above : 2 * below, : 2 * width])
        edges = _laplacian(halved)[start - above : stop - above].astype(np.float64)
        total += float(edges.sum())
        squares += float(np.vdot(edges, edges))
        look.add(start, halved[start - above : stop - above], edges * edges)
    variance: float = squares / (height * width) - (total / (height * width)) ** 2
    return max(0.0, variance), look.packed()
