"""The outlines of a frame's masks as one versioned blob.

Layout: ``LCM``, one version byte, then, deflated by zlib: height, width and number of outlines;
of each outline its cell, its first pixel (row by row) less that of the one before, and its length,
as columns of little-endian int32 split into their bytes; then all turns, five to a byte. Compressed
label maps of the same masks took three times as much (ADR 0038).
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.errors import StoreError
from livecount.frame import MaskOutlines

__all__ = ["pack_masks", "unpack_masks"]

_LETTERS: Final = b"LCM"
_VERSION: Final = 1
_SIZES: Final = struct.Struct("<3I")
_STORED: Final = np.dtype("<i4")
_N_COLUMNS: Final = 3
_PLACES: Final = np.array([1, 3, 9, 27, 81], np.uint8)
"""What each of five turns (0, 1 or 2) counts for within a byte."""

_Columns = npt.NDArray[np.int32]


def pack_masks(masks: MaskOutlines) -> bytes:
    """Pack outlines without loss."""
    first = masks.top.astype(np.int64) * masks.width + masks.left
    columns = np.stack([masks.cell, np.diff(first, prepend=0), masks.n_edges]).astype(_STORED)
    content = _SIZES.pack(masks.height, masks.width, len(masks)) + _as_planes(columns)
    padded = np.pad(masks.turns, (0, -len(masks.turns) % len(_PLACES))).reshape(-1, len(_PLACES))
    turns = (padded @ _PLACES).astype(np.uint8).tobytes()
    return _LETTERS + bytes([_VERSION]) + zlib.compress(content + turns, 9)


def unpack_masks(blob: bytes) -> MaskOutlines:
    """Unpack what :func:`pack_masks` packed.

    Raises
    ------
    StoreError
        The blob is damaged or of a later version.
    """
    if blob[:3] != _LETTERS or len(blob) < len(_LETTERS) + 1:
        raise _damaged("no LCM header")
    if blob[3] != _VERSION:
        raise StoreError(
            f"The masks of a frame are stored in version {blob[3]}, known is {_VERSION}",
            hint="Use the livecount that wrote this database, or a newer one",
        )
    try:
        content = zlib.decompress(blob[4:])
        height, width, n = _SIZES.unpack_from(content)
        end = _SIZES.size + n * _N_COLUMNS * _STORED.itemsize
        cell, step, n_edges = _from_planes(content[_SIZES.size : end], n)
        packed = np.frombuffer(content, np.uint8, offset=end)
        turns = (packed[:, None] // _PLACES % 3).ravel()
    except (zlib.error, struct.error, ValueError) as error:
        raise _damaged(str(error)) from error
    n_turns = int(n_edges.sum(dtype=np.int64))
    if not n_turns <= len(turns) < n_turns + len(_PLACES) or (n_edges < 4).any():
        raise _damaged(f"{len(turns)} turns for {n_turns} edges")
    first = np.cumsum(step, dtype=np.int64)
    return MaskOutlines(
        height=height,
        width=width,
        cell=cell,
        top=(first // max(width, 1)).astype(np.int32),
        left=(first % max(width, 1)).astype(np.int32),
        n_edges=n_edges,
        turns=turns[:n_turns],
    )


def _as_planes(columns: npt.NDArray[np.int32]) -> bytes:
    """Write each column's lowest bytes first, then the next ones: bytes alike lie together."""
    octets = columns.view(np.uint8).reshape(len(columns), -1, _STORED.itemsize)
    return np.ascontiguousarray(octets.transpose(0, 2, 1)).tobytes()


def _from_planes(content: bytes, n: int) -> _Columns:
    planes = np.frombuffer(content, np.uint8).reshape(_N_COLUMNS, _STORED.itemsize, n)
    octets = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return octets.view(_STORED).reshape(_N_COLUMNS, n).astype(np.int32, copy=False)


def _damaged(how: str) -> StoreError:
    return StoreError(
        f"The masks of a frame are damaged ({how})", hint="Restore the database from a backup"
    )
