"""An order of numbers that tells nothing of what they stand for, the same every time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["scattered"]

_MIXING: Final = np.uint64(0x9E3779B97F4A7C15)
"""Multiplied, the golden ratio's bits scatter neighbours (Knuth, TAOCP 3, 6.4)."""


def scattered(numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Give keys that sort neighbours far apart; different numbers have different keys.

    Parameters
    ----------
    numbers
        Integers not below zero, shape (n,).

    Examples
    --------
    >>> np.argsort(scattered(np.array([1, 2, 3, 4]))).tolist()
    [1, 3, 0, 2]
    """
    return numbers.astype(np.uint64) * _MIXING
