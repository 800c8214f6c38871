"""Loops over pixels, compiled on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile on first use, and keep the code for later starts where there is a place to write."""
    try:
        return cast(_Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # a service's account may have no folder of its own
        return cast(_Function, numba.njit(nogil=True)(function))
