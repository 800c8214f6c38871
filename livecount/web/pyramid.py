"""A frame's pixels in ever coarser levels, cut into tiles, as one file.

The file: the length of the header (uint32), the header as JSON, then the tiles' little-endian
uint16 values, level by level, row by row. Level 0 is the frame itself; each further level holds the
means of 2 x 2 pixels of the one before, until one tile shows the whole frame.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from livecount.errors import RequestError

__all__ = [
    "FORMAT",
    "TILE_PX",
    "Picture",
    "level_shapes",
    "n_bytes_of",
    "read_picture",
    "read_tile",
    "write_picture",
]

TILE_PX: Final = 512
FORMAT: Final = 1
_LENGTH: Final = struct.Struct("<I")
_STORED: Final = np.dtype("<u2")
_SAMPLE: Final = 1_000_000
"""Percentiles are those of about so many pixels, evenly taken."""

Shape = tuple[int, int]
Stored = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a frame's pixels without reading them.

    Attributes
    ----------
    height_px, width_px
        Of level 0.
    offset, factor
        A grey value of the frame is ``offset + factor * stored``; 0 and 1 for 8 and 16 bits.
    darkest, brightest
        Extremes of the stored values.
    low, high
        Their percentiles 0.2 and 99.8, between which contrast is put by itself.
    """

    height_px: int
    width_px: int
    offset: float
    factor: float
    darkest: int
    brightest: int
    low: int
    high: int

    @property
    def levels(self) -> list[Shape]:
        """Height and width of each level."""
        return level_shapes(self.height_px, self.width_px)


def level_shapes(height_px: int, width_px: int) -> list[Shape]:
    """Give the size of each level, the finest first.

    Examples
    --------
    >>> level_shapes(3096, 4140)
    [(3096, 4140), (1548, 2070), (774, 1035), (387, 518), (194, 259)]
    """
    shapes = [(height_px, width_px)]
    while max(shapes[-1]) > TILE_PX:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def n_bytes_of(height_px: int, width_px: int) -> int:
    """Give about how large the file of a frame is."""
    pixels = sum(height * width for height, width in level_shapes(height_px, width_px))
    return pixels * _STORED.itemsize + 1024


def write_picture(pixels: npt.NDArray[np.generic], file: BinaryIO) -> None:
    """Write a frame's levels.

    Parameters
    ----------
    pixels
        Grey values, shape (y, x), of any real kind.
    """
    stored, offset, factor = _stored(pixels)
    sample = stored[:: max(1, stored.size // _SAMPLE // stored.shape[1])]
    low, high = np.percentile(sample, (0.2, 99.8))
    picture = Picture(
        height_px=stored.shape[0],
        width_px=stored.shape[1],
        offset=offset,
        factor=factor,
        darkest=int(stored.min()),
        brightest=int(stored.max()),
        low=int(low),
        high=int(np.ceil(high)),
    )
    header = json.dumps(asdict(picture)).encode()
    file.write(_LENGTH.pack(len(header)) + header)
    for number in range(len(picture.levels)):
        if number:
            stored = _halved(stored)
        for top, left, height, width in _tiles(stored.shape):
            file.write(np.ascontiguousarray(stored[top : top + height, left : left + width]).data)


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, shape[0], TILE_PX):
        for left in range(0, shape[1], TILE_PX):
            yield top, left, min(TILE_PX, shape[0] - top), min(TILE_PX, shape[1] - left)


def read_picture(path: Path) -> Picture:
    """Read the header of a file.

    Raises
    ------
    OSError
        It is not there.
    """
    with path.open("rb") as file:
        return _header(file)[0]


def read_tile(path: Path, level: int, row: int, column: int) -> bytes:
    """Read one tile.

    Returns
    -------
    bytes
        Little-endian uint16, row by row; tiles at the right and at the bottom are smaller.

    Raises
    ------
    OSError
        The file is not there.
    RequestError
        The frame has no such tile.
    """
    with path.open("rb") as file:
        picture, start = _header(file)
        if level < len(picture.levels):
            for shape in picture.levels[:level]:
                start += shape[0] * shape[1] * _STORED.itemsize
            shape = picture.levels[level]
            for top, left, height, width in _tiles(shape):
                n_bytes = height * width * _STORED.itemsize
                if (top, left) == (row * TILE_PX, column * TILE_PX):
                    file.seek(start)
                    return file.read(n_bytes)
                start += n_bytes
    raise RequestError("The frame has no such tile", hint="See `image` of the frame", status=404)


def _header(file: BinaryIO) -> tuple[Picture, int]:
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    return Picture(**json.loads(file.read(length))), _LENGTH.size + length


def _stored(pixels: npt.NDArray[np.generic]) -> tuple[Stored, float, float]:
    """Give pixels as uint16 with the offset and the factor that lead back."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= _STORED.itemsize:
        return pixels.astype(_STORED), 0.0, 1.0
    values = np.asarray(pixels, np.float64)
    finite = np.isfinite(values)
    least, most = (
        (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    )
    is_whole = pixels.dtype.kind in "iu" and most - least <= 65535
    factor = 1.0 if is_whole or most == least else (most - least) / 65535
    scaled = np.where(finite, (values - least) / factor, 0.0)
    return np.rint(np.clip(scaled, 0, 65535)).astype(_STORED), least, factor


def _halved(fine: Stored) -> Stored:
    """Average 2 x 2 pixels, in bands, so that large frames need little memory."""
    height, width = (-(-length // 2) for length in fine.shape)
    coarse = np.empty((height, width), _STORED)
    for top in range(0, height, TILE_PX):
        band = fine[2 * top : 2 * (top + TILE_PX)]
        odd = ((0, band.shape[0] % 2), (0, band.shape[1] % 2))
        wide = np.pad(band, odd, mode="edge").astype(np.uint32)
        summed = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
        coarse[top : top + TILE_PX] = (summed + 2) // 4
    return coarse
