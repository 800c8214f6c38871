"""What a phase-contrast camera sees of the cells.

Cells are drawn as a map of optical phase: how much each point of the dish delays the light. The
image then follows from how Zernike's microscope treats that phase, so that bright halos, shade-off
and the reversal of thick, rounded cells to bright appear by themselves, as in the real thing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.simulation.bodies import BodyPainter
from livecount.simulation.population import Cells
from livecount.simulation.textures import Textures

__all__ = ["FieldCamera", "Microscope", "OpticsSettings"]

_RING_AMPLITUDE = 0.46
_BACKGROUND_LEVEL = 0.38
_BACKGROUND_ELECTRONS = 9000.0
_READ_NOISE = 20.0
# the phase ring has a width, so light scattered by less than that is treated as direct light:
# narrow part and wide part of this leak, in cell diameters, and their shares
_LEAK_SIGMA = (0.10, 0.6)
_LEAK_SHARE = (0.58, 0.42)


@dataclass(frozen=True, slots=True)
class OpticsSettings:
    """The microscope and camera.

    Attributes
    ----------
    height_px, width_px
        The field.
    cell_diameter_px
        Mean equivalent diameter of a spread cell.
    bit_depth
        8 or 16 (of which a 16-bit camera uses the whole range).
    debris
        Specks and floating matter; 1 is an ordinary culture, 0 none.
    noise
        Shot and read noise; 1 is an ordinary camera, 0 none.
    uneven_light
        Relative fall of the light towards the corners.
    """

    height_px: int
    width_px: int
    cell_diameter_px: float
    bit_depth: int = 16
    debris: float = 1.0
    noise: float = 1.0
    uneven_light: float = 0.15


class Microscope:
    """What all fields of a run share: optics, light, dust, camera.

    Parameters
    ----------
    settings
        The microscope and camera.
    seed
        Chooses its light and dust, and the textures of cells.
    """

    def __init__(self, settings: OpticsSettings, seed: np.random.SeedSequence) -> None:
        d = settings.cell_diameter_px
        self.settings = settings
        self.margin = max(8, round(d))
        self._grid = grid = 4 if _LEAK_SIGMA[0] * d > 3 else 2
        height = _multiple(settings.height_px + 2 * self.margin, grid)
        width = _multiple(settings.width_px + 2 * self.margin, grid)
        self.shape = (height, width)
        self._leak_y = [_blurring(height // grid, sigma * d / grid) for sigma in _LEAK_SIGMA]
        self._leak_x = [_blurring(width // grid, sigma * d / grid) for sigma in _LEAK_SIGMA]
        self._enlarge_y, self._enlarge_x = _enlarging(height, grid), _enlarging(width, grid)
        rng = np.random.default_rng(seed)
        self.textures = Textures.for_diameter(d, rng)
        self._light = _light(settings, rng)

    def image(self, phase: FloatArray, blur_px: float) -> FloatArray:
        """Turn optical phase into light on the camera.

        Positive phase contrast: the phase ring dims the direct light to amplitude ``a`` and
        advances it by a quarter wave, while the light scattered by the object passes beside it:
        ``I = |psi - L psi - i a L psi|**2`` with ``psi = exp(i phase)`` and ``L`` the light that
        passes the ring (after Zernike 1942; ``L`` as a low pass after Yin, Kanade et al. 2012).

        Parameters
        ----------
        phase
            Shape ``self.shape`` = (y, x), radians; the field with a margin round it.
        blur_px
            Standard deviation of the point spread, in pixels.

        Returns
        -------
        ndarray
            Shape (height, width) = (y, x), float32, relative to the empty dish.
        """
        real, imaginary = np.cos(phase), np.sin(phase)
        direct_real, direct_imaginary = self._direct(real), self._direct(imaginary)
        a = np.float32(_RING_AMPLITUDE)
        real -= direct_real - a * direct_imaginary
        imaginary -= direct_imaginary + a * direct_real
        sharp = (real * real + imaginary * imaginary) / np.float32(a * a)
        top, settings = self.margin, self.settings
        inner = _gaussian(sharp, blur_px)[
            top : top + settings.height_px, top : top + settings.width_px
        ]
        return inner * self._light

    def expose(self, image: FloatArray, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Turn light into grey values: shot noise, read noise, gain, clipping.

        Parameters
        ----------
        image
            Shape (y, x), relative to the empty dish.
        rng
            Source of the noise.

        Returns
        -------
        ndarray
            Shape (y, x), uint8 or uint16.
        """
        full = 2**self.settings.bit_depth - 1
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= np.sqrt(image * np.float32(_BACKGROUND_ELECTRONS) + np.float32(_READ_NOISE**2))
        noise *= np.float32(self.settings.noise / _BACKGROUND_ELECTRONS)
        grey = (image + noise) * np.float32(_BACKGROUND_LEVEL * full)
        np.clip(np.rint(grey), 0, full, out=grey)
        return grey.astype(np.uint8 if self.settings.bit_depth == 8 else np.uint16)

    def _direct(self, wave: FloatArray) -> FloatArray:
        (height, width), grid = self.shape, self._grid
        coarse = wave.reshape(height // grid, grid, width // grid, grid).mean(axis=(1, 3))
        leaked = np.zeros_like(coarse)
        for share, by_y, by_x in zip(_LEAK_SHARE, self._leak_y, self._leak_x, strict=True):
            leaked += np.float32(share) * (by_y @ coarse @ by_x.T)
        enlarged: FloatArray = self._enlarge_y @ leaked @ self._enlarge_x.T
        return enlarged


class FieldCamera:
    """Draws the frames of one field.

    Parameters
    ----------
    microscope
        What the field shares with others.
    seed
        What belongs to the field: its debris, how its cells look, its noise.
    """

    def __init__(self, microscope: Microscope, seed: np.random.SeedSequence) -> None:
        self._microscope = microscope
        self._state = seed.generate_state(2)
        settings = microscope.settings
        self._painter = BodyPainter(settings.cell_diameter_px, microscope.textures, seed)
        # half precision is plenty for a dirty dish, and a plate has many
        self._dish = self._draw_dish(np.random.default_rng(seed)).astype(np.float16)

    def frame(self, cells: Cells, time_point: int, elapsed_h: float) -> npt.NDArray[Any]:
        """Draw one frame.

        Parameters
        ----------
        cells
            The bodies on the dish.
        time_point
            Index of the frame; chooses its noise.
        elapsed_h
            Hours since the start; drives slow changes of cell shapes and of the focus.

        Returns
        -------
        ndarray
            Shape (height, width) = (y, x), uint8 or uint16.
        """
        rng = np.random.default_rng([*self._state, time_point])
        phase = np.zeros(self._microscope.shape, np.float32)
        self._painter.paint(phase, cells, elapsed_h, origin_px=self._microscope.margin)
        phase += self._dish
        blur_px = 0.75 + 0.35 * abs(self._focus(elapsed_h))
        flicker = np.float32(1 + 0.004 * rng.standard_normal())
        return self._microscope.expose(self._microscope.image(phase, blur_px) * flicker, rng)

    def masks(self, cells: Cells, elapsed_h: float) -> npt.NDArray[np.uint16]:
        """Say which pixels each live cell of a frame covers.

        Parameters
        ----------
        cells, elapsed_h
            As for ``frame``.

        Returns
        -------
        ndarray
            Shape (height, width) = (y, x), 0 = background, numbered from 1; cells whose centre lies
            outside the field included where they reach into it.
        """
        settings, margin = self._microscope.settings, self._microscope.margin
        masks = np.zeros(self._microscope.shape, np.int32)
        self._painter.mark(masks, cells, elapsed_h, origin_px=margin)
        field = masks[margin : margin + settings.height_px, margin : margin + settings.width_px]
        return field.astype(np.uint16)

    def _focus(self, elapsed_h: float) -> float:
        """Drift of the focus, -1 to 1, slow and different for each field."""
        a, b = self._state / 2**32 * 2 * math.pi
        return 0.6 * math.sin(elapsed_h / 5.3 + a) + 0.4 * math.sin(elapsed_h / 1.7 + b)

    def _draw_dish(self, rng: np.random.Generator) -> FloatArray:
        """Phase of the empty dish: texture of its coating, specks that stick to it."""
        settings, shape = self._microscope.settings, self._microscope.shape
        texture = _gaussian(rng.standard_normal(shape).astype(np.float32), 1.2)
        phase: FloatArray = texture * np.float32(0.012 / texture.std())
        wide = rng.standard_normal([n // 8 + 2 for n in shape]).astype(np.float32)
        wide = np.kron(_gaussian(wide, 1.5), np.ones((8, 8), np.float32))
        wide = _gaussian(wide[: shape[0], : shape[1]], 6.0)
        phase += wide * np.float32(0.008 / wide.std())
        area = shape[0] * shape[1] / settings.cell_diameter_px**2
        n_specks = rng.poisson(settings.debris * 0.18 * area)
        for _ in range(n_specks):
            self._painter.paint_speck(phase, rng)
        return phase


def _multiple(n: int, of: int) -> int:
    return -(-n // of) * of


def _blurring(n: int, sigma: float) -> FloatArray:
    """Gaussian blur along an axis as a matrix of shape (n, n)."""
    at = np.arange(n)
    weights = np.exp(-0.5 * ((at[:, None] - at[None, :]) / max(sigma, 0.5)) ** 2)
    matrix: FloatArray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def _enlarging(n: int, grid: int) -> FloatArray:
    """Linear interpolation along an axis from every ``grid`` pixels, shape (n, n / grid)."""
    coarse = np.arange(n // grid) * grid + (grid - 1) / 2
    at = np.clip(np.arange(n), coarse[0], coarse[-1])
    weights = np.clip(1 - np.abs(at[:, None] - coarse[None, :]) / grid, 0, 1)
    return weights.astype(np.float32)


def _gaussian(image: npt.NDArray[np.float32], sigma: float) -> FloatArray:
    from scipy.ndimage import gaussian_filter

    blurred: FloatArray = gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    return blurred


def _light(settings: OpticsSettings, rng: np.random.Generator) -> FloatArray:
    """Uneven light and out-of-focus dust in the optical path, 1 on average."""
    height, width = settings.height_px, settings.width_px
    y = (np.arange(height, dtype=np.float32) / max(height, width))[:, None]
    x = (np.arange(width, dtype=np.float32) / max(height, width))[None, :]
    centre_y, centre_x = rng.uniform(0.35, 0.65, 2) * (y[-1, 0], x[0, -1])
    tilt_y, tilt_x = rng.normal(0, 0.25, 2)
    fall = (y - centre_y) ** 2 + (x - centre_x) ** 2 + tilt_y * y * 0.5 + tilt_x * x * 0.5
    light: FloatArray = 1 - np.float32(2 * settings.uneven_light) * (fall - fall.mean())
    scale = math.sqrt(height * width)
    for _ in range(rng.poisson(6 * settings.debris)):
        radius = rng.uniform(0.008, 0.03) * scale
        at_y, at_x = rng.uniform(0, height), rng.uniform(0, width)
        strength = rng.uniform(0.02, 0.07)
        _add_ring(light, at_y, at_x, radius, strength)
    return light


def _add_ring(image: FloatArray, at_y: float, at_x: float, radius: float, strength: float) -> None:
    """Multiply the defocused shadow of a grain: a dim disc with rings, in place."""
    reach = 3 * radius
    top, left = max(0, int(at_y - reach)), max(0, int(at_x - reach))
    patch = image[top : int(at_y + reach) + 1, left : int(at_x + reach) + 1]
    if patch.size == 0:
        return
    y = np.arange(top, top + patch.shape[0], dtype=np.float32)[:, None] - np.float32(at_y)
    x = np.arange(left, left + patch.shape[1], dtype=np.float32)[None, :] - np.float32(at_x)
    s = (y * y + x * x) / np.float32(radius * radius)
    patch *= 1 - np.float32(strength) * np.exp(-0.7 * s) * np.cos(np.float32(3.0) * s)
