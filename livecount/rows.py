"""Images of which any rows can be had, so that one too large to be held is never held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from livecount.frame import FloatArray

__all__ = ["ArrayRows", "DerivedRows", "Rows", "held", "in_groups"]

_GROUP_PX = 2_000_000
"""Rows are computed in groups of about so many pixels: what is made on the way stays small."""


class Rows(Protocol):
    """An image (y, x), float32, of which rows are computed when they are asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""

    def rows(self, start: int, stop: int) -> FloatArray:
        """Give rows ``start`` to ``stop``, the same values whatever else is asked for."""


class ArrayRows:
    """Rows of an array."""

    def __init__(self, array: FloatArray) -> None:
        self._array = array
        self.shape: tuple[int, int] = (array.shape[0], array.shape[1])

    def rows(self, start: int, stop: int) -> FloatArray:
        """Give them, not copied."""
        return self._array[start:stop]


class DerivedRows:
    """Rows that a function computes, which must give each row the same in whatever company."""

    def __init__(self, shape: tuple[int, int], compute: Callable[[int, int], FloatArray]) -> None:
        self.shape = shape
        self._compute = compute

    def rows(self, start: int, stop: int) -> FloatArray:
        """Compute them in groups."""
        found = np.empty((stop - start, self.shape[1]), np.float32)
        for first, last in in_groups(self.shape, start, stop):
            found[first - start : last - start] = self._compute(first, last)
        return found


def held(image: Rows, most_px: int) -> Rows:
    """Compute an image once and hold it, if it is not larger than that."""
    height, width = image.shape
    return ArrayRows(image.rows(0, height)) if height * width <= most_px else image


def in_groups(
    shape: tuple[int, int], start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, int]]:
    """Cut rows into groups of about two million pixels."""
    stop = shape[0] if stop is None else stop
    step = max(1, _GROUP_PX // max(1, shape[1]))
    for first in range(start, stop, step):
        yield first, min(first + step, stop)
