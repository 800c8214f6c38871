"""Bring a frame to the network's scale and to a contrast that does not depend on the microscope.

Two steps that every frame takes before inference, as a whole, so that tiling cannot change the
result: :func:`resize` to the scale at which its cells have the model's diameter, then
:func:`normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from livecount.frame import FloatArray

__all__ = ["Normalisation", "NormalisationKind", "normalise", "resize"]

NormalisationKind = Literal["local", "global"]

_NORMALISED_LIMIT: Final = 8.0
"""Normalised values are clipped here, so that one hot pixel cannot reach far into the network."""
_OUTLIER_RANGES: Final = 5.0
"""Raw values further than this many 1-99 % ranges from the median are clipped to it."""
_FLAT: Final = 1e-6
"""A frame whose range is below this fraction of its values is constant."""
_SAMPLES_PER_SIGMA: Final = 4.0
"""Wide Gaussians are computed on a grid with this many samples in one sigma."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How grey values are brought to a common contrast.

    Attributes
    ----------
    kind
        ``local``: minus a wide Gaussian mean, divided by the wide local deviation; ``global``: the
        whole frame to mean 0 and deviation 1, as the DeepDistance paper does.
    sigma_px
        Standard deviation of the wide Gaussian in pixels at the model's scale; unused by
        ``global``.
    floor
        How much the deviation of the whole frame counts beside the local one; unused by
        ``global``. Towards 0 the noise of bare ground is raised to the contrast of cells, far
        above 1 dim cells stay dim.
    """

    kind: NormalisationKind = "local"
    sigma_px: float = 26.0
    floor: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("local", "global"):
            raise ValueError(f"normalisation kind {self.kind!r} is neither 'local' nor 'global'")
        if not self.sigma_px > 0:
            raise ValueError(f"sigma_px is {self.sigma_px}, but must be above 0")
        if not 0 < self.floor < float("inf"):
            raise ValueError(f"floor is {self.floor}, but must be above 0 and finite")


def normalise(pixels: npt.NDArray[Any], normalisation: Normalisation) -> FloatArray:
    """Bring a frame's grey values to zero mean and about unit contrast.

    Parameters
    ----------
    pixels
        Shape (y, x), any real dtype; pixels that are not finite are taken as local mean.
    normalisation
        Which normalisation, and how wide at the scale of ``pixels``.

    Returns
    -------
    FloatArray
        Shape (y, x), finite, within -8 and 8; zeros where the frame is constant.

    Examples
    --------
    >>> import numpy as np
    >>> float(np.abs(normalise(np.full((4, 4), 65535, np.uint16), Normalisation())).max())
    0.0
    """
    if pixels.ndim != 2:
        raise ValueError(f"a frame has shape (y, x), not {pixels.shape}")
    centred, valid = _centred(pixels)
    if centred is None:
        return np.zeros(pixels.shape, np.float32)
    if normalisation.kind == "global":
        normalised = _z_scored(centred, valid)
    else:
        normalised = _locally_normalised(centred, valid, normalisation)
    if valid is not None:
        normalised[~valid] = 0.0
    return np.clip(normalised, -_NORMALISED_LIMIT, _NORMALISED_LIMIT, out=normalised)


def _centred(
    pixels: npt.NDArray[Any],
) -> tuple[FloatArray | None, npt.NDArray[np.bool_] | None]:
    """Shift by the median and divide by the range (None: constant); the mask of finite pixels."""
    valid: npt.NDArray[np.bool_] | None = None
    values = pixels
    if np.issubdtype(pixels.dtype, np.floating):
        finite = np.isfinite(pixels)
        if not finite.all():
            valid = finite
            values = pixels[finite]
    if values.size == 0:
        return None, valid
    low, median, high = _quantiles(values)
    span = high - low
    if span <= _FLAT * max(abs(low), abs(high)):
        # Fewer than 1 % of the pixels differ, for example cells on an empty, noiseless ground.
        minimum, maximum = float(values.min()), float(values.max())
        span = maximum - minimum
        if span <= _FLAT * max(abs(minimum), abs(maximum)):
            return None, valid
    reach = _OUTLIER_RANGES * span
    with np.errstate(invalid="ignore", over="ignore"):
        filled = pixels if valid is None else np.where(valid, pixels, median)
        clipped = np.clip(filled.astype(np.float64, copy=False), median - reach, median + reach)
    return ((clipped - median) / span).astype(np.float32), valid


def _quantiles(values: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Estimate the 1 %, 50 % and 99 % quantiles from at most about 100,000 evenly spread pixels."""
    flat = values.reshape(-1)
    # An odd stride does not fall into step with rows of even length.
    stride = max(1, flat.size // 100_000) | 1
    low, median, high = np.quantile(flat[::stride].astype(np.float64), (0.01, 0.5, 0.99))
    return float(low), float(median), float(high)


def _z_scored(centred: FloatArray, valid: npt.NDArray[np.bool_] | None) -> FloatArray:
    known = centred if valid is None else centred[valid]
    mean, deviation = float(known.mean(dtype=np.float64)), float(known.std(dtype=np.float64))
    if deviation <= _FLAT:
        return np.zeros_like(centred)
    result: FloatArray = ((centred - mean) / deviation).astype(np.float32)
    return result


def _locally_normalised(
    centred: FloatArray, valid: npt.NDArray[np.bool_] | None, normalisation: Normalisation
) -> FloatArray:
    sigma_px = normalisation.sigma_px
    weight = None if valid is None else valid.astype(np.float32)
    residual = centred - _wide_mean(centred, weight, sigma_px)
    squares = np.square(residual)
    variance = _wide_mean(squares, weight, sigma_px)
    known = squares if valid is None else squares[valid]
    floor = normalisation.floor**2 * float(known.mean(dtype=np.float64))
    if floor <= _FLAT**2:
        return np.zeros_like(centred)
    # The sum, not the maximum: the gain then changes smoothly across the frame.
    residual /= np.sqrt(np.maximum(variance, 0.0) + floor)
    return residual


def _wide_mean(values: FloatArray, weight: FloatArray | None, sigma_px: float) -> FloatArray:
    """Average over a Gaussian window, counting only what has weight."""
    if weight is None:
        return _wide_gaussian(values, sigma_px)
    covered = np.maximum(_wide_gaussian(weight, sigma_px), 1e-6)
    mean = _wide_gaussian(values * weight, sigma_px) / covered
    return mean.astype(np.float32, copy=False)


def _wide_gaussian(values: FloatArray, sigma_px: float) -> FloatArray:
    """Smooth with a wide Gaussian on a grid of a few samples per sigma, mirrored at the frame."""
    step = max(1.0, sigma_px / _SAMPLES_PER_SIGMA)
    coarse_shape = (
        _scaled_size(values.shape[0], 1 / step),
        _scaled_size(values.shape[1], 1 / step),
    )
    coarse = _resampled(values, coarse_shape, "linear")
    sigmas = [
        sigma_px * small / full for small, full in zip(coarse_shape, values.shape, strict=True)
    ]
    smooth = ndimage.gaussian_filter(coarse, sigmas, mode="reflect", truncate=3.0)
    return _resampled(smooth, values.shape, "linear")


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
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ValueError(f"a frame has shape (y, x) and at least one pixel, not {pixels.shape}")
    if not 0 < factor < float("inf"):
        raise ValueError(f"the scale factor is {factor}, but must be above 0 and finite")
    values = pixels.astype(np.float32, copy=False)
    shape = (_scaled_size(pixels.shape[0], factor), _scaled_size(pixels.shape[1], factor))
    if shape == pixels.shape:
        return values.copy() if values is pixels else values
    return _resampled(values, shape, "cubic")


def _scaled_size(size: int, factor: float) -> int:
    return max(1, round(size * factor))


def _resampled(
    values: FloatArray, shape: tuple[int, ...], kernel: Literal["linear", "cubic"]
) -> FloatArray:
    rows = _resampling_matrix(values.shape[0], shape[0], kernel) @ values
    columns = _resampling_matrix(values.shape[1], shape[1], kernel) @ np.ascontiguousarray(rows.T)
    return np.ascontiguousarray(columns.T)


@lru_cache(maxsize=64)
def _resampling_matrix(
    n_in: int, n_out: int, kernel: Literal["linear", "cubic"]
) -> sparse.csr_array:
    """Weights of every input pixel in every output pixel, shape (n_out, n_in); rows sum to 1."""
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
