"""Scaling frames, whole or some rows of them, free of aliasing when they shrink."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.rows import DerivedRows, Rows

__all__ = ["resampled", "resampled_rows", "resize", "scaled_size", "scaled_to"]

if TYPE_CHECKING:
    from scipy import sparse

_Kernel = Literal["linear", "cubic"]


def resize(pixels: npt.NDArray[Any], factor: float) -> FloatArray:
    """Scale a frame, free of aliasing when it shrinks.

    A pixel centre at ``y`` comes to lie at ``(y + 0.5) * n_out / n_in - 0.5``, the convention of
    :meth:`livecount.frame.Candidates.scaled`, with ``n_out = max(1, round(n_in * factor))`` for
    each axis. Separable cubic convolution (Keys 1981, a = -0.5), stretched by the factor when
    shrinking.

    Parameters
    ----------
    pixels
        Shape (y, x), any real dtype.
    factor
        Output pixels per input pixel, above 0.

    Returns
    -------
    FloatArray
        Shape (round(y * factor), round(x * factor)).

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.ones((6, 9), np.uint8), 1 / 3).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    image = scaled_to(pixels, factor)
    return image.rows(0, image.shape[0])


def scaled_to(pixels: npt.NDArray[Any], factor: float) -> Rows:
    """Scale a frame as :func:`resize` does, its rows when they are asked for."""
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ValueError(f"a frame has shape (y, x) and at least one pixel, not {pixels.shape}")
    if not 0 < factor < float("inf"):
        raise ValueError(f"the scale factor is {factor}, but must be above 0 and finite")
    shape = (scaled_size(pixels.shape[0], factor), scaled_size(pixels.shape[1], factor))

    def compute(start: int, stop: int) -> FloatArray:
        if shape == pixels.shape:
            return pixels[start:stop].astype(np.float32)
        return resampled_rows(pixels, shape, "cubic", start, stop)

    return DerivedRows(shape, compute)


def scaled_size(size: int, factor: float) -> int:
    """Give the number of output pixels along an axis."""
    return max(1, round(size * factor))


def resampled(values: FloatArray, shape: tuple[int, int], kernel: _Kernel) -> FloatArray:
    """Resample to a shape."""
    return resampled_rows(values, shape, kernel, 0, shape[0])


def resampled_rows(
    values: npt.NDArray[Any] | Rows, shape: tuple[int, int], kernel: _Kernel, start: int, stop: int
) -> FloatArray:
    """Resample to a shape, of which only some rows are computed, from the rows they need.

    Each row is the same, to the last bit, whichever others are asked for.
    """
    weights = _resampling_matrix(values.shape[0], shape[0], kernel)[start:stop]
    first, last = int(weights.indices.min()), int(weights.indices.max()) + 1
    needed = (
        values[first:last].astype(np.float32, copy=False)
        if isinstance(values, np.ndarray)
        else values.rows(first, last)
    )
    rows = weights[:, first:last] @ needed
    across = _resampling_matrix(values.shape[1], shape[1], kernel)
    return np.ascontiguousarray((across @ np.ascontiguousarray(rows.T)).T)


@lru_cache(maxsize=64)
def _resampling_matrix(n_in: int, n_out: int, kernel: _Kernel) -> sparse.csr_array:
    """Weights of every input pixel in every output pixel, shape (n_out, n_in); rows sum to 1."""
    from scipy import sparse

    stretch = max(1.0, n_in / n_out)
    reach = stretch * (1 if kernel == "linear" else 2)
    centre = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    first = np.ceil(centre - reach).astype(np.int64)
    column = first[:, None] + np.arange(int(np.floor(2 * reach)) + 1)[None, :]
    distance = np.abs(column - centre[:, None]) / stretch
    weight = np.maximum(0.0, 1 - distance) if kernel == "linear" else _keys_cubic(distance)
    weight[(column < 0) | (column >= n_in)] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(n_out)[:, None], column.shape)
    used = weight != 0
    entries = (weight[used].astype(np.float32), (row[used], column[used]))
    return sparse.csr_array(entries, shape=(n_out, n_in))


def _keys_cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cubic convolution kernel at a distance in pixels, a = -0.5 (Keys 1981, eqn 15)."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
