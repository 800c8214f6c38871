"""Candidates as one versioned blob: what the database holds of a frame's cell centres.

Layout: ``LCC`` and one version byte, then little-endian float32 columns y, x, prominence, one
after the other. As rows, 300 million centres took 15.1 GB instead of 4.1 GB.
"""

from __future__ import annotations

import numpy as np

from livecount.errors import StoreError
from livecount.frame import Candidates, FloatArray

__all__ = ["pack_candidates", "unpack_candidates"]

_MAGIC = b"LCC"
_VERSION = 1
_HEADER = _MAGIC + bytes([_VERSION])
_STORED = np.dtype("<f4")
_N_COLUMNS = 3


def pack_candidates(candidates: Candidates) -> bytes:
    r"""Pack candidates, bit for bit.

    >>> empty = np.zeros(0, np.float32)
    >>> pack_candidates(Candidates(empty, empty, empty))
    b'LCC\x01'
    """
    columns = (candidates.y_px, candidates.x_px, candidates.prominence)
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        raise ValueError("y_px, x_px and prominence must be one-dimensional and equally long")
    return _HEADER + b"".join(column.astype(_STORED, copy=False).tobytes() for column in columns)


def unpack_candidates(blob: bytes) -> Candidates:
    """Unpack what :func:`pack_candidates` packed; the arrays are read-only.

    Raises
    ------
    StoreError
        The blob is damaged or of a later version.
    """
    if blob[:3] != _MAGIC or len(blob) < len(_HEADER):
        raise StoreError(
            "The cell centres of a frame are damaged (no LCC header)",
            hint="Restore the database from a backup",
        )
    if blob[3] != _VERSION:
        raise StoreError(
            f"The cell centres of a frame are stored in version {blob[3]}, known is {_VERSION}",
            hint="Use the livecount that wrote this database, or a newer one",
        )
    n_values, remainder = divmod(len(blob) - len(_HEADER), _STORED.itemsize)
    if remainder or n_values % _N_COLUMNS:
        raise StoreError(
            f"The cell centres of a frame are damaged (a blob of {len(blob)} bytes)",
            hint="Restore the database from a backup",
        )
    columns = np.frombuffer(blob, _STORED, offset=len(_HEADER)).reshape(_N_COLUMNS, -1)
    y_px, x_px, prominence = (_native(column) for column in columns)
    return Candidates(y_px, x_px, prominence)


def _native(column: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> FloatArray:
    return column.astype(np.float32, copy=False)
