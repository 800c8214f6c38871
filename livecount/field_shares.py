"""Which part of a well each of several overlapping fields speaks for, so that no area counts twice.

A place that several fields show belongs to the one whose centre is nearest, of fields equally near
to the first in order. That needs no cell to be recognised again in its neighbour field: each field
counts the cells in its own share, and all shares together are the area that the fields show, each
place once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["FieldShare", "FieldView", "share_out"]

_Reals = npt.NDArray[np.float64]
_LEVEL: Final = 1e-12


@dataclass(frozen=True, slots=True)
class FieldView:
    """The rectangle of a well that a field shows; all lengths in one unit.

    Attributes
    ----------
    centre_yx
        Where its middle lies in the well: y downward, x to the right in the picture.
    height, width
        Its edge lengths.
    """

    centre_yx: tuple[float, float]
    height: float
    width: float

    @property
    def area(self) -> float:
        """Its whole area, shared or not."""
        return self.height * self.width

    def shows(self, points_yx: _Reals) -> npt.NDArray[np.bool_]:
        """Tell which points of the well, shape (n, 2), it shows, its edge included."""
        y, x = self.centre_yx
        above = np.abs(points_yx[:, 0] - y) <= self.height / 2
        shown: npt.NDArray[np.bool_] = above & (np.abs(points_yx[:, 1] - x) <= self.width / 2)
        return shown

    def overlaps(self, other: FieldView) -> bool:
        """Tell whether it shows an area that another field shows too; a common edge is none."""
        dy, dx = (abs(a - b) for a, b in zip(self.centre_yx, other.centre_yx, strict=True))
        return 2 * dy < self.height + other.height and 2 * dx < self.width + other.width


@dataclass(frozen=True, slots=True)
class FieldShare:
    """The part of a well that one field speaks for.

    Attributes
    ----------
    view
        What the field shows.
    earlier, later
        Fields that show some of it too, before and after it in order.
    """

    view: FieldView
    earlier: tuple[FieldView, ...] = ()
    later: tuple[FieldView, ...] = ()

    def holds(self, points_yx: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which points of the well belong to the field.

        Parameters
        ----------
        points_yx
            Shape (n, 2), in the well's coordinates.
        """
        points: _Reals = np.asarray(points_yx, np.float64).reshape(-1, 2)
        held = self.view.shows(points)
        if not self.earlier and not self.later:
            return held
        own = _squared_distance(points, self.view)
        for rivals, nearer in ((self.earlier, np.less_equal), (self.later, np.less)):
            for rival in rivals:
                held &= ~(rival.shows(points) & nearer(_squared_distance(points, rival), own))
        return held

    def area(self) -> float:
        """Measure its area, exactly.

        On a line across the view, what rivals take is a union of intervals whose ends move in
        straight lines from row to row. Between two rows at which ends cross, its length changes
        evenly, so that the row halfway gives the area between them.
        """
        claims = [
            _Claim.of(self.view, rival, goes_first=goes_first)
            for rivals, goes_first in ((self.earlier, True), (self.later, False))
            for rival in rivals
            if self.view.overlaps(rival)
        ]
        if not claims:
            return self.view.area
        half_height, half_width = self.view.height / 2, self.view.width / 2
        rows = np.clip(_crossings(claims, half_width), -half_height, half_height)
        rows = np.unique([-half_height, *rows, half_height])
        taken = _lengths_taken(claims, (rows[:-1] + rows[1:]) / 2, half_width)
        return max(0.0, self.view.area - float(taken @ np.diff(rows)))


def share_out(views: Sequence[FieldView]) -> list[FieldShare]:
    """Give each field of a well its share of the area that they show.

    Parameters
    ----------
    views
        The fields of one visit to the well, in an order that is the same at every visit.

    Returns
    -------
    list of FieldShare
        In the same order; together they hold every place that a field shows, each once.

    Examples
    --------
    >>> fields = [FieldView((0, 0), 10, 10), FieldView((0, 8), 10, 10)]
    >>> [share.area() for share in share_out(fields)]
    [90.0, 90.0]
    """
    centres: _Reals = np.array([view.centre_yx for view in views], np.float64).reshape(-1, 2)
    sizes: _Reals = np.array([(view.height, view.width) for view in views]).reshape(-1, 2)
    shares = []
    for number, view in enumerate(views):
        # A common edge has no area, but a cell may lie on it.
        reach = (sizes + sizes[number]) / 2
        near = np.flatnonzero((np.abs(centres - centres[number]) <= reach).all(axis=1))
        earlier = tuple(views[other] for other in near[near < number])
        later = tuple(views[other] for other in near[near > number])
        shares.append(FieldShare(view, earlier, later))
    return shares


def _squared_distance(points: _Reals, view: FieldView) -> _Reals:
    y, x = view.centre_yx
    distance: _Reals = (points[:, 0] - y) ** 2 + (points[:, 1] - x) ** 2
    return distance


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a rival takes of a view, seen from the view's centre.

    The part of its rectangle ``top`` to ``bottom``, ``left`` to ``right`` beyond the line
    ``y * dy + x * dx = offset``, on which both centres are equally near.
    """

    top: float
    bottom: float
    left: float
    right: float
    dy: float
    dx: float
    offset: float

    @classmethod
    def of(cls, view: FieldView, rival: FieldView, *, goes_first: bool) -> _Claim:
        dy, dx = np.subtract(rival.centre_yx, view.centre_yx)
        # A line that is level but for the last digits has no x of its own.
        dx = 0.0 if abs(dx) <= _LEVEL * abs(dy) else dx
        half_height, half_width = rival.height / 2, rival.width / 2
        same = not dy and not dx
        offset = (0.0 if goes_first else np.inf) if same else (dy * dy + dx * dx) / 2
        edges = (dy - half_height, dy + half_height, dx - half_width, dx + half_width)
        return cls(*edges, float(dy), float(dx), float(offset))

    def ends(self, rows: _Reals) -> tuple[_Reals, _Reals]:
        """Give first and last x that it takes of each row; the same where it takes nothing."""
        left, right = np.full_like(rows, self.left), np.full_like(rows, self.right)
        if self.dx > 0:
            left = np.clip((self.offset - rows * self.dy) / self.dx, self.left, self.right)
        elif self.dx < 0:
            right = np.clip((self.offset - rows * self.dy) / self.dx, self.left, self.right)
        untouched = (rows < self.top) | (rows > self.bottom)
        if not self.dx:
            untouched |= rows * self.dy < self.offset
        return left, np.where(untouched, left, right)

    @property
    def lines(self) -> list[tuple[float, float]]:
        """Its ends as functions of the row: (x at row 0, change of x with the row)."""
        found = [(self.left, 0.0), (self.right, 0.0)]
        return [*found, (self.offset / self.dx, -self.dy / self.dx)] if self.dx else found

    @property
    def rows(self) -> list[float]:
        """Rows at which it begins or ends."""
        found = [self.top, self.bottom]
        level = not self.dx and self.dy
        return [*found, self.offset / self.dy] if level else found


def _crossings(claims: Sequence[_Claim], half_width: float) -> _Reals:
    """Give all rows at which what is taken may change its course."""
    lines = np.array(
        [(-half_width, 0.0), (half_width, 0.0), *(line for claim in claims for line in claim.lines)]
    )
    one, other = np.triu_indices(len(lines), 1)
    at_0, slopes = (lines[one] - lines[other]).T
    with np.errstate(over="ignore"):  # lines that cross far outside the view
        rows = np.divide(-at_0, slopes, out=np.zeros_like(at_0), where=slopes != 0)
    return np.concatenate([rows, *(np.array(claim.rows) for claim in claims)])


def _lengths_taken(claims: Sequence[_Claim], rows: _Reals, half_width: float) -> _Reals:
    """Measure the union of what the claims take of each row of a view."""
    ends = np.array([claim.ends(rows) for claim in claims])
    lefts, rights = np.clip(ends, -half_width, half_width).transpose(1, 0, 2)
    order = np.argsort(lefts, axis=0, kind="stable")
    lefts, rights = (np.take_along_axis(each, order, axis=0) for each in (lefts, rights))
    reached = np.maximum.accumulate(rights, axis=0)
    before = np.vstack([np.full((1, len(rows)), -half_width), reached[:-1]])
    lengths: _Reals = np.maximum(0.0, rights - np.maximum(lefts, before)).sum(axis=0)
    return lengths
