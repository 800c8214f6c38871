"""Whole-frame inference, or halo tiles where the frame is too large for the memory allowed.

The network is fully convolutional with a finite receptive field, so a tile that carries a halo of
that radius gives, inside, exactly what the whole frame gives: the tiling cannot change a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from livecount.frame import FloatArray

__all__ = ["Tile", "infer_tiled", "plan_tiles", "tile_core_px"]


EDGE_MULTIPLES = 2
"""How far a frame is mirrored outward, in multiples of the network's: 32 px for the shipped one."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: the window read and, inside it, the core whose result is kept (y, x, half-open)."""

    window: tuple[slice, slice]
    core: tuple[slice, slice]

    @property
    def core_in_window(self) -> tuple[slice, slice]:
        """The core in the window's own coordinates."""
        return (
            _shifted(self.core[0], -self.window[0].start),
            _shifted(self.core[1], -self.window[1].start),
        )


def _shifted(interval: slice, by: int) -> slice:
    return slice(interval.start + by, interval.stop + by)


def _intervals(length: int, core: int, halo: int) -> Iterator[tuple[slice, slice]]:
    for start in range(0, length, core):
        stop = min(start + core, length)
        yield slice(max(0, start - halo), min(length, stop + halo)), slice(start, stop)


def plan_tiles(height: int, width: int, core_px: int, halo_px: int) -> list[Tile]:
    """Cover a padded frame with tiles in raster order; each pixel is in exactly one core.

    Parameters
    ----------
    height, width
        Size of the padded frame, multiples of the network's own multiple.
    core_px
        Edge of a core, a multiple of the network's multiple, so that pooling grids coincide.
    halo_px
        Receptive-field radius, likewise a multiple.
    """
    return [
        Tile((window_y, window_x), (core_y, core_x))
        for window_y, core_y in _intervals(height, core_px, halo_px)
        for window_x, core_x in _intervals(width, core_px, halo_px)
    ]


def tile_core_px(max_px: int, halo_px: int, multiple_px: int) -> int:
    """Choose the largest core whose tile, halo included, stays within ``max_px`` pixels.

    Never smaller than one halo: below that the halos would cost more than the cores.
    """
    edge = int(np.sqrt(max_px)) - 2 * halo_px
    return max(multiple_px, halo_px, edge // multiple_px * multiple_px)


def _padded(image: FloatArray, multiple_px: int) -> FloatArray:
    """Mirror a frame outward by the edge on all sides, and on to the next multiple."""
    edge = EDGE_MULTIPLES * multiple_px
    below = edge + -image.shape[0] % multiple_px
    right = edge + -image.shape[1] % multiple_px
    return np.pad(image, ((edge, below), (edge, right)), mode="symmetric")


def infer_tiled(
    infer: Callable[[FloatArray], FloatArray],
    image: FloatArray,
    *,
    max_px: int,
    halo_px: int,
    multiple_px: int,
    max_side_px: int | None = None,
) -> FloatArray:
    """Run a fully convolutional network over a frame of any size within bounded memory.

    Parameters
    ----------
    infer
        Maps a normalised image (y, x), sizes multiples of ``multiple_px``, to maps (head, y, x).
    image
        Normalised frame (y, x), float32, any size.
    max_px
        Largest number of pixels given to ``infer`` at once.
    max_side_px
        Longest side given to ``infer``; None: any.

    Returns
    -------
    FloatArray
        Maps (head, y, x) of the frame's own size.

    Notes
    -----
    The network pads with zeros, which look like bare ground beside a frame's last pixels: cells
    were seen there that are none. So the frame is mirrored outward first.
    """
    edge = EDGE_MULTIPLES * multiple_px
    inside = (slice(None), slice(edge, edge + image.shape[0]), slice(edge, edge + image.shape[1]))
    padded = _padded(image, multiple_px)
    if max_side_px is not None:
        max_px = min(max_px, max_side_px**2)
    if padded.size <= max_px and max(padded.shape) <= (max_side_px or max(padded.shape)):
        return infer(padded)[inside]
    core = tile_core_px(max_px, halo_px, multiple_px)
    maps: FloatArray | None = None
    for tile in plan_tiles(padded.shape[0], padded.shape[1], core, halo_px):
        result = infer(np.ascontiguousarray(padded[tile.window]))
        if maps is None:
            maps = np.empty((len(result), *padded.shape), np.float32)
        maps[(slice(None), *tile.core)] = result[(slice(None), *tile.core_in_window)]
    assert maps is not None
    return maps[inside]
