"""What a frame looks like from afar: light and fine texture of 12 x 12 blocks, in 288 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray

__all__ = ["LookSums", "read_looks"]

_BLOCKS: Final = 12
_STEPS: Final = np.array([0.01, 0.03], np.float32)[:, None, None]
"""Logarithms of light and of texture are kept in steps of these."""
_MOST: Final = 127
_DARKEST: Final = 1e-6


class LookSums:
    """Light and texture of blocks, summed up as an image's rows come.

    Parameters
    ----------
    shape
        Height and width of the image.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._row_starts, self._column_starts = (
            np.linspace(0, side, _BLOCKS, endpoint=False).astype(np.intp) for side in shape
        )
        self._shape = shape
        self._sums = np.zeros((2, _BLOCKS, _BLOCKS))

    def add(self, start: int, light: npt.NDArray[Any], texture: npt.NDArray[Any]) -> None:
        """Take in rows from ``start`` on: their light, and the variance of their texture."""
        if min(self._shape) < _BLOCKS:
            return
        blocks = np.searchsorted(self._row_starts, np.arange(start, start + len(light)), "right")
        for part, rows in enumerate((light, texture)):
            across = np.add.reduceat(rows, self._column_starts, axis=1)
            np.add.at(self._sums[part], blocks - 1, across)

    def packed(self) -> bytes | None:
        """Give the look of the whole image; None where it is smaller than the blocks."""
        height, width = self._shape
        if min(self._shape) < _BLOCKS:
            return None
        area = np.outer(
            np.diff(self._row_starts, append=height), np.diff(self._column_starts, append=width)
        )
        logs = np.log(np.maximum(self._sums / area, _DARKEST))
        logs[1] /= 2
        logs -= np.median(logs, axis=(1, 2), keepdims=True)
        steps = np.clip(np.rint(logs / _STEPS), -_MOST, _MOST)
        return bytes(steps.astype(np.int8).tobytes())


def read_looks(packed: Sequence[bytes]) -> FloatArray:
    """Unpack looks.

    Returns
    -------
    ndarray
        Natural logarithms of mean light and of the texture's standard deviation, each against the
        frame's median block; shape (n, 2, y, x), float32.
    """
    steps = np.frombuffer(b"".join(packed), np.int8).reshape(-1, 2, _BLOCKS, _BLOCKS)
    return steps * _STEPS
