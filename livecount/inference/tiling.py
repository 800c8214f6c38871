"""Whole-frame inference, or halo tiles where the frame is too large for the memory allowed.

The network is fully convolutional with a finite receptive field, so a tile that carries a halo of
that radius gives, inside, exactly what the whole frame gives: the tiling cannot change a count.

All tiles of a frame have one size: a runtime that prepares itself for each size of image does so
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.rows import ArrayRows, Rows

if TYPE_CHECKING:
    from livecount.inference import Engine, Model

__all__ = ["MEMORY_LIMIT_MB", "Tile", "TileLimits", "infer_in_bands", "infer_tiled", "plan_tiles"]

_MEGABYTE: Final = 1_000_000
MEMORY_LIMIT_MB: Final = 500
"""The processes of a run then stay within a gigabyte on frames of 2048 x 2048 pixels."""
EDGE_MULTIPLES = 2
"""How far a frame is mirrored outward, in multiples of the network's: 32 px for the shipped one."""


@dataclass(frozen=True, slots=True)
class TileLimits:
    """What bounds a tile, all lengths in pixels at the model's scale.

    Attributes
    ----------
    max_px
        Largest number of pixels given to the network at once.
    halo_px
        Radius of the network's receptive field, a multiple of ``multiple_px``.
    multiple_px
        What both sides of an image must be multiples of.
    max_side_px
        Longest side; None: any.
    """

    max_px: int
    halo_px: int
    multiple_px: int
    max_side_px: int | None = None

    @classmethod
    def of(
        cls, model: Model, engine: Engine, memory_limit_mb: float = MEMORY_LIMIT_MB
    ) -> TileLimits:
        """Let the network take so much working memory."""
        bytes_per_px = model.memory_bytes_per_px * engine.memory_share
        return cls(
            int(memory_limit_mb * _MEGABYTE / bytes_per_px),
            model.halo_px,
            model.multiple_px,
            engine.max_side_px,
        )


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


@dataclass(frozen=True, slots=True)
class _Axis:
    """Tiles along one axis of a padded frame."""

    length: int
    halo_px: int
    multiple_px: int

    def side_px(self, n_tiles: int) -> int:
        """Give the side of so many equal tiles that overlap by two halos."""
        if n_tiles == 1:
            return self.length
        halos = 2 * self.halo_px * (n_tiles - 1)
        return -(-(self.length + halos) // (n_tiles * self.multiple_px)) * self.multiple_px

    @property
    def most_tiles(self) -> int:
        """As many as have a core no smaller than a halo: below, halos cost more than cores."""
        core = max(self.halo_px, self.multiple_px)
        return max(1, (self.length - 2 * self.halo_px) // core)

    def fewest_tiles(self, most_side_px: int) -> int | None:
        """Give the smallest number of tiles no longer than that; None where halos leave no core."""
        if self.length <= most_side_px:
            return 1
        core = most_side_px // self.multiple_px * self.multiple_px - 2 * self.halo_px
        return -(-(self.length - 2 * self.halo_px) // core) if core > 0 else None

    def intervals(self, n_tiles: int) -> Iterator[tuple[slice, slice]]:
        """Give the window and the core of each tile."""
        side = self.side_px(n_tiles)
        starts = [
            (self.length - side) * number // max(1, n_tiles - 1) // self.multiple_px
            * self.multiple_px
            for number in range(n_tiles)
        ]  # fmt: skip
        edges = [0, *(start + self.halo_px for start in starts[1:]), self.length]
        for number, start in enumerate(starts):
            yield slice(start, start + side), slice(edges[number], edges[number + 1])


def plan_tiles(height: int, width: int, limits: TileLimits) -> list[Tile]:
    """Cover a padded frame with equal tiles in raster order; each pixel is in exactly one core.

    Of the ways to do so within the limits, the one in which the network has the fewest pixels to
    compute. Cores are never smaller than a halo for the sake of ``max_px``.

    Parameters
    ----------
    height, width
        Size of the padded frame, multiples of the network's own multiple.
    """
    down = _Axis(height, limits.halo_px, limits.multiple_px)
    across = _Axis(width, limits.halo_px, limits.multiple_px)
    n_down, n_across = _numbers(down, across, limits)
    return [
        Tile((window_y, window_x), (core_y, core_x))
        for window_y, core_y in down.intervals(n_down)
        for window_x, core_x in across.intervals(n_across)
    ]


def _numbers(down: _Axis, across: _Axis, limits: TileLimits) -> tuple[int, int]:
    """Choose how many tiles there are along each axis."""
    longest = limits.max_side_px or max(down.length, across.length)
    best: tuple[int, int, int] | None = None
    for n_down in range(1, down.most_tiles + 1):
        side = down.side_px(n_down)
        n_across = across.fewest_tiles(min(longest, limits.max_px // side))
        if side > longest or n_across is None or n_across > across.most_tiles:
            continue
        cost = n_down * n_across * side * across.side_px(n_across)
        best = min(best or (cost, n_down, n_across), (cost, n_down, n_across))
    if best is not None:
        return best[1:]
    fewest = down.fewest_tiles(longest), across.fewest_tiles(longest)
    if fewest[0] is None or fewest[1] is None:
        raise ValueError(f"tiles of {longest} px leave nothing between halos of {down.halo_px} px")
    return max(fewest[0], down.most_tiles), max(fewest[1], across.most_tiles)


class _Mirrored:
    """A frame mirrored outward by the edge on all sides, and on to the next multiple."""

    def __init__(self, image: Rows, multiple_px: int) -> None:
        self._image = image
        self.edge_px = EDGE_MULTIPLES * multiple_px
        height, width = (2 * self.edge_px + -(-side // multiple_px) * multiple_px
                         for side in image.shape)  # fmt: skip
        self.shape: tuple[int, int] = (height, width)
        self._y = _mirrored_index(image.shape[0], self.edge_px, height)
        self._x = _mirrored_index(image.shape[1], self.edge_px, width)

    def rows(self, start: int, stop: int) -> FloatArray:
        wanted = self._y[start:stop]
        first = int(wanted.min())
        found = self._image.rows(first, int(wanted.max()) + 1)
        return found[(wanted - first)[:, np.newaxis], self._x]


def _mirrored_index(length: int, before: int, total: int) -> npt.NDArray[np.int64]:
    """Name the pixel that each place along a mirrored axis shows."""
    place = (np.arange(total) - before) % (2 * length)
    return np.where(place < length, place, 2 * length - 1 - place)


def infer_in_bands(
    infer: Callable[[FloatArray], FloatArray], image: Rows, limits: TileLimits
) -> Iterator[tuple[int, FloatArray]]:
    """Run a fully convolutional network over a frame, a band of tiles after the other.

    Parameters
    ----------
    infer
        Maps a normalised image (y, x), sizes multiples of ``limits.multiple_px``, to maps
        (head, y, x).
    image
        Normalised frame, any size.

    Yields
    ------
    int, FloatArray
        Number of the first row, and the maps (head, y, x) of as many rows as the band has, of the
        frame's own width. Together they cover the frame.

    Notes
    -----
    The network pads with zeros, which look like bare ground beside a frame's last pixels: cells
    were seen there that are none. So the frame is mirrored outward first.
    """
    padded = _Mirrored(image, limits.multiple_px)
    edge, (height, width) = padded.edge_px, image.shape
    bands: dict[int, list[Tile]] = {}
    for tile in plan_tiles(*padded.shape, limits):
        bands.setdefault(tile.core[0].start, []).append(tile)
    for tiles in bands.values():
        maps = _band(infer, padded, tiles)
        first = tiles[0].core[0].start
        inside = slice(max(0, edge - first), max(0, min(edge + height - first, maps.shape[1])))
        if inside.start < inside.stop:
            yield max(0, first - edge), maps[:, inside, edge : edge + width]


def _band(
    infer: Callable[[FloatArray], FloatArray], padded: _Mirrored, tiles: list[Tile]
) -> FloatArray:
    """Compute tiles that lie beside each other; gives maps (head, y, x) of their cores."""
    window_y = tiles[0].window[0]
    rows = padded.rows(window_y.start, window_y.stop)
    if len(tiles) == 1:
        return infer(np.ascontiguousarray(rows))[:, tiles[0].core_in_window[0]]
    maps: FloatArray | None = None
    for tile in tiles:
        result = infer(np.ascontiguousarray(rows[:, tile.window[1]]))
        kept = result[(slice(None), *tile.core_in_window)]
        if maps is None:
            maps = np.empty((*kept.shape[:2], padded.shape[1]), np.float32)
        maps[:, :, tile.core[1]] = kept
    assert maps is not None
    return maps


def infer_tiled(
    infer: Callable[[FloatArray], FloatArray], image: FloatArray, limits: TileLimits
) -> FloatArray:
    """Run a fully convolutional network over a frame that is held whole.

    Parameters
    ----------
    infer, limits
        As for :func:`infer_in_bands`.
    image
        Normalised frame (y, x), float32, any size.

    Returns
    -------
    FloatArray
        Maps (head, y, x) of the frame's own size.
    """
    maps: FloatArray | None = None
    for first, band in infer_in_bands(infer, ArrayRows(image), limits):
        if maps is None:
            if band.shape[1:] == image.shape:
                return band
            maps = np.empty((len(band), *image.shape), np.float32)
        maps[:, first : first + band.shape[1]] = band
    assert maps is not None
    return maps
