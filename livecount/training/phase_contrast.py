"""Painted cells as Zernike's microscope shows them: from how much each point delays the light.

Halos, shade-off, fringes and the reversal of thick, rounded cells to bright are not painted; they
follow from the optics, as they do in the real thing (`livecount.simulation.optics` is the same
formula for the virtual microscope's one look; here every frame has its own phase ring and focus).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from livecount.frame import FloatArray
from livecount.training.dish import grain
from livecount.training.painted_cells import PaintedCells, contact_lines, nuclei

__all__ = ["cell_phase", "photograph"]

_MARGIN = 0.125
"""The field is mirrored outward by this share before it is transformed, which wraps round."""


def cell_phase(cells: PaintedCells, diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Draw by how much each cell delays the light: body, nucleus, organelles, rounded cells.

    Parameters
    ----------
    cells
        Which cell every pixel belongs to.
    diameter_px
        Of the frame's typical cell.
    rng
        Everything random comes from here.

    Returns
    -------
    FloatArray
        Shape (y, x), radians, 0 beside cells.
    """
    depth = cells.depth
    inside = (depth > 0).astype(np.float32)
    height = cells.drawn(rng, 1.0, 0.2) * np.float32(np.exp(rng.uniform(np.log(0.25), np.log(3))))
    body = _body(depth, rng)
    # Organelles lie where the cell is thick, and leave a thin seam free.
    organelles = rng.uniform(0, 0.8) * grain(depth.shape, rng.uniform(0.5, 1.5), rng)
    coarse_px = diameter_px * rng.uniform(0.05, 0.15)
    organelles += rng.uniform(0, 0.6) * grain(depth.shape, coarse_px, rng)
    granules = grain(depth.shape, rng.uniform(0.5, 1.2), rng) > rng.uniform(1.8, 3.5)
    body = body * (1 + np.float32(rng.uniform(0, 0.8)) * organelles)
    body += np.float32(rng.uniform(0, 1.5)) * granules * np.minimum(2 * depth, 1)
    body += np.float32(rng.uniform(-0.3, 0.8)) * nuclei(cells, rng) * inside
    ridge = np.exp(-np.square((depth - rng.uniform(0.02, 0.12)) / rng.uniform(0.03, 0.1))) * inside
    body += np.float32(rng.uniform(-0.2, 0.8)) * ridge
    body += np.float32(rng.normal(0, 0.4)) * contact_lines(cells.drawn_as, rng)
    round_share = rng.choice((0.0, 0.03, 0.15, 0.7), p=(0.35, 0.3, 0.2, 0.15))
    rounded = cells.of_each(rng.random(cells.n) < round_share)
    ball = np.sqrt(np.maximum(0, 1 - np.square((1 - depth) / 0.8))) * rounded
    phase: FloatArray = (height * body * (1 - rounded)).astype(np.float32)
    phase += np.float32(rng.uniform(2, 9)) * ball * (1 + 0.2 * organelles)
    return phase


def _body(depth: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Mix a flat sheet with a dome."""
    sheet = np.minimum(depth * np.float32(rng.uniform(2, 14)), 1)
    dome = np.sqrt(np.maximum(0, 1 - np.square(1 - depth))) * (depth > 0)
    share = np.float32(rng.uniform(0, 1))
    mixed: FloatArray = (share * sheet + (1 - share) * dome).astype(np.float32)
    return mixed


def photograph(phase: FloatArray, diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Turn optical phase into light, with a phase ring and a focus of this frame's own.

    ``I = |psi - L psi -+ i a L psi|**2`` with ``psi = exp(i phase)``: the ring dims the direct
    light to amplitude ``a`` and shifts it by a quarter wave, to either side, while the light that
    the object scatters passes beside it (Zernike 1942). ``L`` is what the ring's width lets
    through (a low pass, after Yin, Kanade et al. 2012). The whole wave then is a little out of
    focus: a phase that grows with the square of the spatial frequency (Fresnel).

    Parameters
    ----------
    phase
        Shape (y, x), radians.
    diameter_px
        Of the frame's typical cell.
    rng
        Everything random comes from here.

    Returns
    -------
    FloatArray
        Shape (y, x), relative to the light of an empty dish, minus 1.
    """
    amplitude = rng.uniform(0.3, 0.9)
    quarter = -1j if rng.random() < 0.85 else 1j
    narrow, wide = diameter_px * np.exp(rng.uniform(np.log((0.04, 0.2)), np.log((0.2, 1.5))))
    share = rng.uniform(0.3, 1.0)
    defocus_px2 = rng.normal(0, 1.0) * (rng.random() < 0.7)
    sharp_px = rng.uniform(0.3, 0.9)
    margin = [(round(_MARGIN * side),) * 2 for side in phase.shape]
    field = np.pad(phase, margin, mode="reflect")
    squared = np.add.outer(
        np.square(2 * np.pi * fft.fftfreq(field.shape[0])),
        np.square(2 * np.pi * fft.fftfreq(field.shape[1])),
    ).astype(np.float32)
    direct = share * np.exp(-squared * np.float32(narrow**2 / 2))
    direct += (1 - share) * np.exp(-squared * np.float32(wide**2 / 2))
    transfer = (1 - direct) + quarter * amplitude * direct
    transfer *= np.exp(-squared * np.complex64(sharp_px**2 / 2 + 1j * defocus_px2))
    wave = fft.ifft2(fft.fft2(np.exp(1j * field)) * transfer.astype(np.complex64))
    light = np.square(np.abs(wave)) / amplitude**2 - 1
    window = tuple(slice(before, -after) for before, after in margin)
    seen: FloatArray = light[window].astype(np.float32)
    return seen
