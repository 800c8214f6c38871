"""Thin arms of painted cells: the processes of neurons, the tails of cells that crawl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray

__all__ = ["Arms", "draw_arms"]

_MASKED_FROM_PX = 1.0
"""People mask an arm as part of its cell only while it is wider than a hair (half its width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Every pixel that an arm covers, each once.

    Attributes
    ----------
    y, x
        Shape (n,), pixels.
    cell
        Shape (n,), index of the cell that the arm belongs to, from 0.
    depth
        Shape (n,), 0 at the arm's edge to 1 on its axis.
    masked
        Shape (n,), whether a person would mask the pixel as part of the cell.
    """

    y: npt.NDArray[np.int64]
    x: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]
    depth: FloatArray
    masked: npt.NDArray[np.bool_]


def draw_arms(
    size_px: int,
    centres: npt.NDArray[np.float64],
    heading: npt.NDArray[np.float64],
    diameter_px: float,
    rng: np.random.Generator,
) -> Arms:
    """Draw arms that leave their cells' middles, wander and taper.

    Parameters
    ----------
    size_px
        Side of the square frame.
    centres
        Shape (n, 2) as (y, x), pixels.
    heading
        Shape (n,), the cells' long axes, radians.
    diameter_px
        Of the frame's typical cell.
    rng
        Everything random comes from here.
    """
    bipolar = rng.random() < 0.4
    mean_arms, longest = rng.uniform(1, 4), diameter_px * np.exp(rng.uniform(0, np.log(6)))
    thickest = diameter_px * np.exp(rng.uniform(np.log(0.03), np.log(0.17)))
    parts: list[npt.NDArray[np.float64]] = []
    for cell in range(len(centres)):
        for arm in range(2 if bipolar else int(rng.poisson(mean_arms))):
            start = heading[cell] + np.pi * arm + rng.normal(0, 0.3)
            angle = start if bipolar else rng.uniform(0, 2 * np.pi)
            path = _walked(centres[cell], angle, longest * rng.beta(1.5, 2), rng)
            width = thickest * rng.lognormal(0, 0.25) * np.linspace(1.3, 0.4, len(path))
            parts.append(_stamped(path, np.maximum(width, 0.6), cell))
    return _nearest(size_px, np.concatenate(parts) if parts else np.empty((0, 5)))


def _walked(
    start: npt.NDArray[np.float64], angle: float, length_px: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Walk a pixel a step, turning a little at each; shape (n, 2)."""
    steps = max(2, int(length_px))
    turns = angle + np.cumsum(rng.normal(0, rng.uniform(0.01, 0.08), steps))
    path: npt.NDArray[np.float64] = start + np.cumsum(
        np.stack([np.sin(turns), np.cos(turns)], axis=1), axis=0
    )
    return path


def _stamped(
    path: npt.NDArray[np.float64], half_width: npt.NDArray[np.float64], cell: int
) -> npt.NDArray[np.float64]:
    """Stamp a disc at each step; rows of y, x, cell, distance over half the width, half width."""
    reach = int(np.ceil(half_width.max()))
    dy, dx = (side.ravel() for side in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    y = np.rint(path[:, 0])[:, None] + dy
    x = np.rint(path[:, 1])[:, None] + dx
    away = np.hypot(y - path[:, :1], x - path[:, 1:]) / half_width[:, None]
    wide = np.broadcast_to(half_width[:, None], away.shape)
    inside = away < 1
    rows: npt.NDArray[np.float64] = np.stack(
        [y[inside], x[inside], np.full(int(inside.sum()), cell), away[inside], wide[inside]], axis=1
    )
    return rows


def _nearest(size_px: int, rows: npt.NDArray[Any]) -> Arms:
    """Keep, of all stamps on a pixel, the one whose axis is relatively nearest."""
    rows = rows[((rows[:, :2] >= 0) & (rows[:, :2] < size_px)).all(axis=1)]
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    _, first = np.unique(rows[:, 0] * size_px + rows[:, 1], return_index=True)
    rows = rows[first]
    return Arms(
        y=rows[:, 0].astype(np.int64),
        x=rows[:, 1].astype(np.int64),
        cell=rows[:, 2].astype(np.int64),
        depth=(1 - rows[:, 3]).astype(np.float32),
        masked=rows[:, 4] >= _MASKED_FROM_PX,
    )
