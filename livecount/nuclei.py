"""Counting stained nuclei in a fluorescence frame, as a referee for the counts of living cells.

Classical steps, on the frame scaled so that a nucleus is at most 20 pixels across. The ground is a
surface of second order and a morphological opening wider than any nucleus ("top-hat"). A pixel is
nuclear where it stands above half of Otsu's threshold (1979) on square roots, which make shot noise
even, above six standard deviations of the ground's noise, and above half of what is brightest
within a nucleus' reach, so that bright neighbours neither swallow dim ones nor grow. Touching
nuclei are parted where their distance map has separate maxima of a given dynamics (h-maxima, as in
:mod:`livecount.detection`). No part of it is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount import __version__
from livecount.errors import RefusedFrameError
from livecount.frame import Candidates, FloatArray, Frame, FrameCount, Provenance

__all__ = [
    "DETECTION_RULE",
    "MIN_PROMINENCE",
    "SPLIT_H",
    "UNUSABLE",
    "NucleiRule",
    "count_nuclei",
    "estimate_nucleus_diameter",
]

DETECTION_RULE: Final = "stained nuclei, opening, Otsu, local half maximum, distance h-maxima; 1"
"""Part of an analysis' identity: another number where the same frame may get another count."""

SPLIT_H: Final = 0.1
"""Dynamics, in radii of a nucleus, from which two maxima of the distance map are two nuclei."""

MIN_PROMINENCE: Final = 0.02

UNUSABLE: Final = frozenset({"no_nuclei", "nuclei_saturated", "nuclei_crowded", "nuclei_size"})
"""Flags of frames whose count of nuclei judges no other count."""

_WORKING_PX: Final = 20.0
_OPENING: Final = 3.0
_NOISE_SD: Final = 6.0
_SMALLEST: Final = 0.2
_LARGEST_HOLE: Final = 0.1
"""Areas of debris and of holes filled, in areas of a nucleus; the opening in its diameters."""
_CROWDED: Final = 0.6
_SATURATED: Final = 0.5
_SIZES: Final = (0.5, 1.7)
_ESTIMATED_ON_PX: Final = 2048
_SINGLE_NUCLEI: Final = 5
_CONVEX: Final = 0.9
_MAD_TO_SD: Final = 1.4826

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NucleiRule:
    """How large a typical nucleus is across; one of the two is given."""

    diameter_um: float | None = None
    diameter_px: float | None = None

    def __post_init__(self) -> None:
        if (self.diameter_um is None) == (self.diameter_px is None):
            raise ValueError("give the nucleus diameter either in um or in px")

    def px(self, frame: Frame) -> float:
        """Give the diameter in pixels of this frame.

        Raises
        ------
        RefusedFrameError
            It is in micrometres and the frame's pixel size is not known.
        """
        if self.diameter_px is not None:
            return self.diameter_px
        assert self.diameter_um is not None
        if frame.attributes.pixel_size_um is None:
            raise RefusedFrameError(
                f"{frame.key.display_path}: the nucleus diameter is set in um, "
                "but this frame's pixel size is not known",
                hint="Give --pixel-size-um, or `nucleus_diameter_px` in [counting]",
            )
        return self.diameter_um / frame.attributes.pixel_size_um


def count_nuclei(frame: Frame, rule: NucleiRule, *, analysis_id: str = "") -> FrameCount:
    """Count the stained nuclei of a fluorescence frame.

    The candidates are the maxima of the distance map, their prominence in radii of a nucleus.
    Flags: ``no_nuclei`` where nothing as large as a nucleus stands out (the count is then 0),
    ``nuclei_saturated`` where most of what stands out is as bright as the camera can say,
    ``nuclei_crowded`` where it covers more than 60 % of the frame, ``nuclei_size`` where it is not
    of the size given.

    Raises
    ------
    RefusedFrameError
        The rule needs a pixel size that the frame does not have, or nuclei are under 4 pixels.
    """
    from livecount.padding import shown_fraction
    from livecount.quality import assess

    diameter_px = rule.px(frame)
    if diameter_px < 4:
        raise RefusedFrameError(
            f"{frame.key.display_path}: a nucleus would be {diameter_px:.1f} pixels across",
            hint="Nuclei are counted from 4 pixels on: check the pixel size and the diameter",
        )
    found = _find(frame.pixels, diameter_px)
    height, width = frame.pixels.shape
    quality = assess(frame)
    size_um = frame.attributes.pixel_size_um
    shown = shown_fraction(frame.pixels)
    padded = ("padding",) if shown < 1 else ()
    saturated = quality.saturated_fraction > _SATURATED * found.foreground > 0
    flags = (*found.flags, "nuclei_saturated") if saturated else found.flags
    return FrameCount(
        key=frame.key,
        attributes=frame.attributes,
        analysis_id=analysis_id,
        count=found.peaks.count_at(SPLIT_H),
        candidates=found.peaks.scaled(height / found.shape[0], width / found.shape[1]),
        quality=quality,
        height_px=height,
        width_px=width,
        area_mm2=None if size_um is None else height * width * shown * (size_um / 1000) ** 2,
        flags=(*frame.flags, *padded, *flags),
        provenance=Provenance("classical", "float32", __version__),
    )


def estimate_nucleus_diameter(frame: Frame) -> float:
    """Read the typical diameter of a nucleus off a frame, in pixels.

    The median equivalent diameter, weighted by area, of what stands out and is convex: clumps are
    not, debris weighs little. Measured twice, the second time with the first result as the scale.

    Raises
    ------
    RefusedFrameError
        Fewer than five nuclei stand alone.
    """
    from livecount.resampling import resize

    factor = min(1.0, _ESTIMATED_ON_PX / max(frame.pixels.shape))
    image = resize(_finite(frame.pixels), factor)
    reach_px = max(min(image.shape) / 8, 9.0)
    diameter_px = _typical_diameter(_stands_out(_Signal.of(image, reach_px, 1.0)))
    if diameter_px is not None:
        signal = _Signal.of(image, _OPENING * diameter_px, diameter_px / 16)
        diameter_px = _typical_diameter(_nuclear(signal, diameter_px)) or diameter_px
    if diameter_px is None:
        raise RefusedFrameError(
            f"{frame.key.display_path}: fewer than {_SINGLE_NUCLEI} nuclei stand alone, so their "
            "size cannot be told",
            hint="Set `nucleus_diameter_um` (or `nucleus_diameter_px`) in [counting]",
        )
    return float(diameter_px / factor)


@dataclass(frozen=True, slots=True)
class _Found:
    """Peaks in pixels of the scaled frame, its shape, the nuclei's share of it, what is odd."""

    peaks: Candidates
    shape: tuple[int, int]
    foreground: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Signal:
    """A frame without its ground, shape (y, x), and the standard deviation of its noise."""

    values: FloatArray
    noise: float

    @classmethod
    def of(cls, image: FloatArray, reach_px: float, blur_px: float) -> _Signal:
        """Subtract the opening by a square wider than any nucleus, then the noise's own level."""
        from scipy import ndimage

        smooth = ndimage.gaussian_filter(image, max(blur_px, 0.5), mode="nearest")
        side = 2 * max(1, round(reach_px / 2)) + 1
        # The slope of uneven light first: an opening stops short of it at the frame's edge.
        level_lit = smooth - _quadratic(_opened(smooth, side))
        ground = ndimage.gaussian_filter(_opened(level_lit, side), side / 3, mode="nearest")
        values = level_lit - ground
        level, noise = _level_and_noise(values)
        return cls(values - np.float32(level), noise)


def _opened(image: FloatArray, side: int) -> FloatArray:
    from scipy import ndimage

    opened: FloatArray = ndimage.maximum_filter(ndimage.minimum_filter(image, side), side)
    return opened


def _quadratic(image: FloatArray) -> FloatArray:
    """Fit a surface of second order to an image, by least squares on a grid of its pixels."""
    height, width = image.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    step = max(1, min(height, width) // 64)
    at_y, at_x = (grid.ravel() for grid in np.broadcast_arrays(y[::step], x[:, ::step]))
    terms = [np.ones_like(at_y), at_y, at_x, at_y * at_y, at_y * at_x, at_x * at_x]
    sampled = image[::step, ::step].ravel()
    weights = np.linalg.lstsq(np.column_stack(terms), sampled, rcond=None)[0].astype(np.float32)
    level, down, right, bowl_y, twist, bowl_x = weights
    surface: FloatArray = (
        (level + down * y + bowl_y * y * y) + (right * x + bowl_x * x * x) + twist * y * x
    )
    return surface


def _find(pixels: npt.NDArray[Any], diameter_px: float) -> _Found:
    from scipy import ndimage

    from livecount.detection import find_peaks
    from livecount.resampling import resize

    factor = min(1.0, _WORKING_PX / diameter_px)
    image, working_px = resize(_finite(pixels), factor), diameter_px * factor
    signal = _Signal.of(image, _OPENING * working_px, working_px / 16)
    mask = _nuclear(signal, working_px)
    shape = (image.shape[0], image.shape[1])
    if not mask.any():
        none = np.empty(0, np.float32)
        return _Found(Candidates(none, none, none), shape, 0.0, ("no_nuclei",))
    away = _distance(mask) / (working_px / 2)
    away = ndimage.gaussian_filter(away, working_px / 20, mode="nearest")
    peaks = find_peaks(away.astype(np.float32), h=SPLIT_H, min_prominence=MIN_PROMINENCE)
    foreground = float(mask.mean())
    flags = ("nuclei_crowded",) if foreground > _CROWDED else ()
    at = np.rint([peaks.at(SPLIT_H).y_px, peaks.at(SPLIT_H).x_px]).astype(int)
    typical = float(np.median(away[at[0], at[1]])) if at.size else 1.0
    if not _SIZES[0] <= typical <= _SIZES[1]:
        flags = (*flags, "nuclei_size")
    return _Found(peaks, shape, foreground, flags)


def _stands_out(signal: _Signal) -> _Mask:
    """Tell what is brighter than half of Otsu's threshold on square roots, and than the noise."""
    from skimage.filters import threshold_otsu

    lowest = max(_NOISE_SD * signal.noise, 1e-6 * float(np.ptp(signal.values)))
    if not float(signal.values.max()) > lowest:
        return np.zeros(signal.values.shape, bool)
    roots = np.sqrt(np.maximum(signal.values, 0))
    threshold = 0.5 * float(threshold_otsu(roots)) ** 2  # type: ignore[no-untyped-call]
    above: _Mask = signal.values > max(threshold, lowest)
    return above


def _nuclear(signal: _Signal, diameter_px: float) -> _Mask:
    """Tell which pixels belong to nuclei, without debris, their own holes filled."""
    from scipy import ndimage

    brightest = ndimage.maximum_filter(signal.values, max(3, round(diameter_px)))
    mask = _stands_out(signal) & (signal.values > 0.5 * brightest)
    area = np.pi / 4 * diameter_px**2
    return _without_small(~_without_small(~mask, _LARGEST_HOLE * area), _SMALLEST * area)


def _without_small(mask: _Mask, smallest_px: float) -> _Mask:
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= smallest_px
    large[0] = False
    kept: _Mask = large[labels]
    return kept


def _distance(mask: _Mask) -> npt.NDArray[np.float64]:
    """Measure how far each nuclear pixel is from the ground; the frame's edge is no ground."""
    from scipy import ndimage

    if mask.all():
        return np.full(mask.shape, float(min(mask.shape)))
    away: npt.NDArray[np.float64] = ndimage.distance_transform_edt(mask)
    return away


def _typical_diameter(mask: _Mask) -> float | None:
    """Give the median equivalent diameter of single nuclei, weighted by area."""
    from scipy import ndimage
    from skimage.measure import regionprops

    labels, _ = ndimage.label(mask)
    height, width = mask.shape
    single = [
        float(region.area)
        for region in regionprops(labels)  # type: ignore[no-untyped-call]
        if region.area >= 12
        and min(region.bbox[:2]) > 0
        and region.bbox[2] < height
        and region.bbox[3] < width
        and region.solidity >= _CONVEX
    ]
    if len(single) < _SINGLE_NUCLEI:
        return None
    areas = np.sort(single)
    middle = np.searchsorted(np.cumsum(areas), areas.sum() / 2)
    return float(np.sqrt(4 * areas[middle] / np.pi))


def _level_and_noise(values: FloatArray) -> tuple[float, float]:
    """Give median and standard deviation (by the median deviation) of the ground, nuclei clipped.

    Taken from what lies below the median, which nuclei cannot raise, and clipped above it.
    """
    kept = values.ravel()
    level, noise = float(np.median(kept)), 0.0
    for _ in range(5):
        below = kept[kept <= level]
        noise = _MAD_TO_SD * float(np.median(level - below)) if below.size else 0.0
        kept = kept[kept <= level + 3 * noise]
        if not kept.size:
            break
        level = float(np.median(kept))
    return level, noise


def _finite(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.dtype.kind != "f":
        return pixels
    return np.nan_to_num(np.asarray(pixels, np.float32), posinf=0.0, neginf=0.0)
