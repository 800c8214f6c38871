"""Bring a frame to the network's scale and to a contrast that does not depend on the microscope.

Two steps that every frame takes before inference, as a whole, so that tiling cannot change the
result: :func:`livecount.resampling.resize` to the scale at which its cells have the model's
diameter, then :func:`normalise`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.resampling import resampled_rows, scaled_size
from livecount.rows import ArrayRows, DerivedRows, Rows, held, in_groups

__all__ = ["Normalisation", "NormalisationKind", "normalise", "normalised_rows"]

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
    image = normalised_rows(ArrayRows(pixels), normalisation, held_px=pixels.size)
    return image.rows(0, len(pixels))


def normalised_rows(image: Rows, normalisation: Normalisation, *, held_px: int) -> Rows:
    """Normalise as :func:`normalise` does, rows when they are asked for.

    What it takes of the whole image (its levels, its wide means, its contrast) is computed here.

    Parameters
    ----------
    image
        A frame at the model's scale; its rows may have any real dtype.
    held_px
        An image of at most so many pixels is held while it is normalised, for speed; rows of a
        larger one are computed several times.
    """
    image = held(image, held_px)
    levels = _levels(image)
    if levels is None:
        return _zeros(image.shape)
    known = None if levels.all_finite else DerivedRows(image.shape, _finite_of(image))
    centred = held(DerivedRows(image.shape, _centred_of(image, levels)), held_px)
    if normalisation.kind == "global":
        return _z_scored(centred, known)
    return _locally_normalised(centred, known, normalisation, held_px)


@dataclass(frozen=True, slots=True)
class _Levels:
    """Grey levels of a whole image that is not constant."""

    median: float
    span: float
    all_finite: bool


def _zeros(shape: tuple[int, int]) -> Rows:
    return DerivedRows(shape, lambda start, stop: np.zeros((stop - start, shape[1]), np.float32))


def _finite_of(image: Rows) -> Any:
    def compute(start: int, stop: int) -> FloatArray:
        return np.isfinite(image.rows(start, stop)).astype(np.float32)

    return compute


def _levels(image: Rows) -> _Levels | None:
    """Read the median and the 1 % to 99 % range, None where nothing differs."""
    n_finite, minimum, maximum = 0, np.inf, -np.inf
    for values in _finite_values(image):
        n_finite += values.size
        if values.size:
            minimum = min(minimum, float(values.min()))
            maximum = max(maximum, float(values.max()))
    if not n_finite:
        return None
    low, median, high = np.quantile(_sample(image, n_finite), (0.01, 0.5, 0.99))
    span = float(high - low)
    if span <= _FLAT * max(abs(low), abs(high)):
        # Fewer than 1 % of the pixels differ, for example cells on an empty, noiseless ground.
        span = maximum - minimum
        if span <= _FLAT * max(abs(minimum), abs(maximum)):
            return None
    return _Levels(float(median), span, n_finite == image.shape[0] * image.shape[1])


def _finite_values(image: Rows) -> Iterator[npt.NDArray[Any]]:
    """Give the finite pixels of an image, in raster order, a group of rows at a time."""
    for start, stop in in_groups(image.shape):
        rows = image.rows(start, stop).reshape(-1)
        if np.issubdtype(rows.dtype, np.floating):
            finite = np.isfinite(rows)
            rows = rows if finite.all() else rows[finite]
        yield rows


def _sample(image: Rows, n_finite: int) -> npt.NDArray[np.float64]:
    """Take about 100,000 evenly spread finite pixels."""
    # An odd stride does not fall into step with rows of even length.
    stride = max(1, n_finite // 100_000) | 1
    taken, passed = [], 0
    for values in _finite_values(image):
        taken.append(values[-passed % stride :: stride].astype(np.float64))
        passed += values.size
    return np.concatenate(taken)


def _centred_of(image: Rows, levels: _Levels) -> Any:
    """Shift by the median and divide by the range; what is not finite becomes the median."""
    reach = _OUTLIER_RANGES * levels.span

    def compute(start: int, stop: int) -> FloatArray:
        rows = image.rows(start, stop).astype(np.float64)
        if not levels.all_finite:
            rows[~np.isfinite(rows)] = levels.median
        np.clip(rows, levels.median - reach, levels.median + reach, out=rows)
        rows -= levels.median
        rows /= levels.span
        return rows.astype(np.float32)

    return compute


def _clipped(rows: FloatArray, start: int, stop: int, known: Rows | None) -> FloatArray:
    if known is not None:
        rows[known.rows(start, stop) == 0] = 0.0
    return np.clip(rows, -_NORMALISED_LIMIT, _NORMALISED_LIMIT, out=rows)


def _mean_over_known(image: Rows, known: Rows | None, *, squared: bool = False) -> float:
    """Average over a whole image; by rows first, so that groups do not matter."""
    total, n = 0.0, 0.0
    for start, stop in in_groups(image.shape):
        rows = image.rows(start, stop).astype(np.float64)
        if squared:
            rows = np.square(rows, out=rows)
        if known is not None:
            weight = known.rows(start, stop)
            rows *= weight
            n += float(weight.sum(dtype=np.float64))
        for total_of_row in rows.sum(axis=1).tolist():
            total += total_of_row
    return total / (n if known is not None else image.shape[0] * image.shape[1])


def _z_scored(centred: Rows, known: Rows | None) -> Rows:
    mean = _mean_over_known(centred, known)
    shifted = DerivedRows(centred.shape, lambda a, b: centred.rows(a, b) - np.float32(mean))
    deviation = float(np.sqrt(_mean_over_known(shifted, known, squared=True)))
    if deviation <= _FLAT:
        return _zeros(centred.shape)

    def compute(start: int, stop: int) -> FloatArray:
        rows = ((centred.rows(start, stop) - mean) / deviation).astype(np.float32)
        return _clipped(rows, start, stop, known)

    return DerivedRows(centred.shape, compute)


def _locally_normalised(
    centred: Rows, known: Rows | None, normalisation: Normalisation, held_px: int
) -> Rows:
    mean = _WideMean(centred, known, normalisation.sigma_px)
    residual = held(
        DerivedRows(centred.shape, lambda a, b: centred.rows(a, b) - mean.rows(a, b)), held_px
    )
    squares = DerivedRows(centred.shape, lambda a, b: np.square(residual.rows(a, b)))
    variance = _WideMean(squares, known, normalisation.sigma_px)
    floor = normalisation.floor**2 * _mean_over_known(squares, known)
    if floor <= _FLAT**2:
        return _zeros(centred.shape)

    def compute(start: int, stop: int) -> FloatArray:
        # The sum, not the maximum: the gain then changes smoothly across the frame.
        gain = np.sqrt(np.maximum(variance.rows(start, stop), 0.0) + floor)
        rows = (residual.rows(start, stop) / gain).astype(np.float32, copy=False)
        return _clipped(rows, start, stop, known)

    return DerivedRows(centred.shape, compute)


class _WideMean:
    """An image averaged over a Gaussian window, counting only what is known.

    It is kept on a grid of a few samples per sigma, mirrored at the frame.
    """

    def __init__(self, image: Rows, known: Rows | None, sigma_px: float) -> None:
        self._shape = image.shape
        self._covered: FloatArray | None = None
        if known is not None:
            self._covered = _wide_gaussian(known, sigma_px)
            image = DerivedRows(image.shape, _product_of(image, known))
        self._smooth = _wide_gaussian(image, sigma_px)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Give some rows of it at the image's own scale."""
        mean = resampled_rows(self._smooth, self._shape, "linear", start, stop)
        if self._covered is None:
            return mean
        covered = resampled_rows(self._covered, self._shape, "linear", start, stop)
        return (mean / np.maximum(covered, 1e-6)).astype(np.float32, copy=False)


def _product_of(image: Rows, known: Rows) -> Any:
    return lambda start, stop: image.rows(start, stop) * known.rows(start, stop)


def _wide_gaussian(image: Rows, sigma_px: float) -> FloatArray:
    """Smooth with a wide Gaussian, on a coarse grid."""
    step = max(1.0, sigma_px / _SAMPLES_PER_SIGMA)
    shape = (scaled_size(image.shape[0], 1 / step), scaled_size(image.shape[1], 1 / step))
    coarse = np.empty(shape, np.float32)
    for start, stop in in_groups((shape[0], round(image.shape[1] * step))):
        coarse[start:stop] = resampled_rows(image, shape, "linear", start, stop)
    sigmas = [sigma_px * small / full for small, full in zip(shape, image.shape, strict=True)]
    from scipy import ndimage  # the monitor names normalisations and computes none

    smooth: FloatArray = ndimage.gaussian_filter(coarse, sigmas, mode="reflect", truncate=3.0)
    return smooth
