"""Decoded samples -> one grey plane, what is suspicious about it, and its content hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DecodedPlane", "content_hash", "grey_from_palette", "luma", "suspicions"]

Pixels = npt.NDArray[Any]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPlane:
    """One plane as it leaves a format's reader.

    Attributes
    ----------
    pixels
        Shape (y, x), native byte order, C-contiguous.
    flags
        What is suspicious, see :func:`suspicions`; ``colour`` where colours became grey.
    saturation_level
        Value at which the file type clips; None for floating images.
    """

    pixels: Pixels
    flags: tuple[str, ...]
    saturation_level: float | None


def content_hash(pixels: Pixels) -> str:
    """Hash decoded pixels: BLAKE2b-128 over dtype, shape and C-ordered bytes, little-endian.

    Parameters
    ----------
    pixels
        Shape (y, x), any byte order; the same values give the same hash whatever it is.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    little = pixels.dtype.newbyteorder("<")
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{little.str}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels, dtype=little).data)
    return digest.hexdigest()


def suspicions(raw: Pixels, segment_shape: tuple[int, int] | None = None) -> tuple[str, ...]:
    """Say what makes a plane look unwritten or unusable.

    Parameters
    ----------
    raw
        Samples before any conversion, shape (y, x) or (y, x, sample).
    segment_shape
        Shape (y, x) of the tile that is written last, where the file is tiled.

    Returns
    -------
    tuple of str
        ``all_zero``; ``zero_tail`` when the last row, or the last tile, is exactly zero while the
        rest is not (a file of full length whose end is not written yet reads like that);
        ``not_finite`` when NaN or infinity occurs.
    """
    flags = []
    tails = [raw[-1]]
    if segment_shape is not None:
        rows, columns = (
            (n - 1) % step + 1 for n, step in zip(raw.shape, segment_shape, strict=False)
        )
        tails.append(raw[-rows:, -columns:])
    if any(not tail.any() for tail in tails):
        flags.append("zero_tail" if raw.any() else "all_zero")
    if raw.dtype.kind == "f" and not all(
        np.isfinite(raw[y : y + _ROWS_AT_ONCE]).all() for y in range(0, len(raw), _ROWS_AT_ONCE)
    ):
        flags.append("not_finite")
    return tuple(flags)


def luma(colour: Pixels) -> Pixels:
    """Turn RGB into grey by the ITU-R BT.601 weights, in the samples' own dtype.

    Parameters
    ----------
    colour
        Shape (y, x, sample) with at least three samples; further ones (alpha) are left out.

    Returns
    -------
    NDArray
        Shape (y, x).
    """
    grey = np.empty(colour.shape[:2], dtype=colour.dtype)
    wide = colour.dtype.itemsize > 2
    weights: Pixels = _LUMA.astype(np.float64) if wide else _LUMA
    for y in range(0, len(colour), _ROWS_AT_ONCE):
        block = np.dot(colour[y : y + _ROWS_AT_ONCE, :, :3].astype(weights.dtype), weights)
        grey[y : y + _ROWS_AT_ONCE] = block if colour.dtype.kind == "f" else np.rint(block)
    return grey


def grey_from_palette(indices: Pixels, palette: Pixels) -> tuple[Pixels, bool]:
    """Turn palette indices into grey.

    Microscope programs store intensities with a display look-up table as "palette" images; there
    the indices are the measurement. Only where brightness does not follow the index is the image
    taken as one of colours.

    Parameters
    ----------
    indices
        Shape (y, x), unsigned integers.
    palette
        Shape (entry, 3), colours of each index.

    Returns
    -------
    pixels
        Shape (y, x).
    is_colour
        Whether colours were turned to grey.
    """
    brightness = palette.astype(np.float64) @ _LUMA.astype(np.float64)
    steps = np.diff(brightness)
    if np.all(steps >= -0.5) and brightness[-1] > brightness[0]:
        return indices, False
    if palette.max() > 255:
        brightness = brightness / 257.0
    table = np.rint(brightness).astype(np.uint8)
    return table[np.minimum(indices, len(table) - 1)], True
