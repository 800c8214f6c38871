"""Frames that show another place than those before them, or of which a part is hidden.

Judged from the look that is stored with each count: mean light and fine texture of 12 x 12 blocks
of the frame (:func:`livecount.quality.assess`). From frame to frame few cells change their block,
so that the pattern of textures stays. Where all of it changes, the field moved; where light or
texture changes in one coherent part of the frame, something lies over that part.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["find_hidden", "find_places", "moved_frames", "moved_with_their_plate"]

_Reals = npt.NDArray[np.float32]
_Flags = npt.NDArray[np.bool_]

_FEWEST: Final = 5
_ALIKE: Final = 0.75
_UNLIKE: Final = 0.55
_LIGHT: Final = 0.05
_TEXTURE_LOST: Final = 0.35
_DEVIATIONS: Final = 6.0
_PART: Final = 0.08
_RESTLESS: Final = 0.04
_MOST: Final = 0.7
_BEFORE: Final = 3
_LONGEST: Final = 12
_STEP: Final = -0.2
_FEWEST_FIELDS: Final = 3
_MOST_FIELDS: Final = 0.8
_ROUND: Final = np.ones((3, 3), bool)


def find_places(looks: _Reals) -> npt.NDArray[np.intp]:
    """Give each place that a field shows a number: 0, and the next one whenever it moved.

    Two frames show different places where their textures correlate by less than 0.55, also outside
    a part that is hidden in one of them. A series of which half the frames correlate with the one
    before by less than 0.75, as of few cells that move far in between, is not judged.

    Parameters
    ----------
    looks
        Logarithms of light and texture of one field's frames in time order, shape (n, 2, y, x).

    Returns
    -------
    ndarray
        Shape (n,). A place that is shown again has its former number.
    """
    places = np.zeros(len(looks), np.intp)
    if len(looks) < _FEWEST:
        return places
    textures = looks[:, 1].reshape(len(looks), -1)
    alike = _correlations(textures[:-1], textures[1:])
    if float(np.median(alike)) < _ALIKE:
        return places
    left = -1
    for at in (np.flatnonzero(alike < _UNLIKE) + 1).tolist():
        if _show_the_same(looks[at - 1], looks[at]):
            continue
        returned = left >= 0 and _show_the_same(looks[left], looks[at])
        places[at:] = places[left] if returned else places.max() + 1
        left = at - 1
    return places


def moved_frames(places: npt.NDArray[np.intp]) -> _Flags:
    """Tell which frames show another place than the frames before them.

    Of a field that stays where it went only the first one; of a field that comes back all that it
    showed meanwhile.

    Parameters
    ----------
    places
        A result of :func:`find_places`.
    """
    moved = np.zeros(len(places), bool)
    starts = [0, *(np.flatnonzero(np.diff(places)) + 1), len(places)]
    for number in range(1, len(starts) - 1):
        first, after = starts[number], starts[number + 1]
        if (places[:first] == places[first]).any():
            continue
        came_back = after < len(places) and places[after] == places[first - 1]
        moved[first : after if came_back else first + 1] = True
    return moved


def moved_with_their_plate(
    steps: npt.NDArray[np.float64], fields: npt.NDArray[np.float64]
) -> _Flags:
    """Tell which moves of fields have one moment in common with those of most fields of a plate.

    Parameters
    ----------
    steps
        When each field that moved was last seen before and first seen after, hours, shape (n, 2).
    fields
        When each field of the plate was seen first and last, hours, shape (m, 2).
    """
    together = np.zeros(len(steps), bool)
    for moment in np.unique(steps[:, 1]):
        meanwhile = (steps[:, 0] < moment) & (moment <= steps[:, 1])
        seen = int(((fields[:, 0] < moment) & (moment <= fields[:, 1])).sum())
        if meanwhile.sum() >= max(_FEWEST_FIELDS, _MOST_FIELDS * seen):
            together |= meanwhile
    return together


def _show_the_same(before: _Reals, after: _Reals) -> bool:
    limits = np.array((_LIGHT, _TEXTURE_LOST), np.float32)
    for one, other in ((before, after), (after, before)):
        hidden = _coherent(_beyond(_changes(other[None], one), limits)[0])
        rest = ~ndimage.binary_dilation(hidden, _ROUND)
        if rest.mean() < 1 - _MOST:
            rest[:] = True
        if _correlations(one[1][rest][None], other[1][rest][None])[0] >= _UNLIKE:
            return True
    return False


def find_hidden(looks: _Reals) -> _Flags:
    """Tell in which frames a coherent part is brighter, darker or less textured than before.

    A frame is held against the median of the last three in which nothing was hidden, beyond what
    changed in the frame as a whole. The part must be 8 % of the frame. After twelve frames on end
    what is seen counts as usual, and was a step, no fault, if no texture was lost with it: of the
    lamp, or of a part that was hidden from the beginning. That is not noticed.

    A series of which in the median frame 4 % of the blocks change as much by themselves is not
    judged: its cells are bright, and as large as the blocks between which they move.

    Parameters
    ----------
    looks
        As for :func:`find_places`, of frames that show one place.

    Returns
    -------
    ndarray of bool
        Shape (n,).
    """
    hidden = np.zeros(len(looks), bool)
    if len(looks) < _FEWEST:
        return hidden
    one, two, three = (looks[at : len(looks) - _BEFORE + at] for at in range(_BEFORE))
    usual = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))
    changes = _changes(looks[_BEFORE:], usual)
    scatter = 1.4826 * np.median(np.abs(changes), axis=(0, 2, 3))
    limits: _Reals = np.maximum(_DEVIATIONS * scatter, (_LIGHT, _TEXTURE_LOST)).astype(np.float32)
    share = _beyond(changes, limits).mean(axis=(1, 2))
    if float(np.median(share)) >= _RESTLESS:
        return hidden
    many = share >= _PART
    followed = 0
    for first in np.flatnonzero(many) + _BEFORE:
        if first >= followed:
            followed = _follow(looks, hidden, int(first), usual[first - _BEFORE], limits)
    return hidden


def _follow(looks: _Reals, hidden: _Flags, first: int, usual: _Reals, limits: _Reals) -> int:
    """Mark frames from ``first`` on, until three on end are clear; give the first one after."""
    clear, textures = 0, []
    last = first + _LONGEST
    for at in range(first, min(len(looks), last)):
        changes = _changes(looks[at][None], usual)
        part = _coherent(_beyond(changes, limits)[0])
        hidden[at] = part.any()
        if hidden[at]:
            clear = 0
            textures.append(float(changes[0, 1][part].mean()))
        else:
            clear += 1
        if clear == _BEFORE or not hidden[first]:
            return at + 1
    if len(looks) >= last and float(np.median(textures)) > _STEP:
        hidden[first:last] = False
    return last + _BEFORE


def _changes(after: _Reals, before: _Reals) -> _Reals:
    """Give what changed beyond the frame as a whole, shape (n, 2, y, x), texture smoothed."""
    changes = after - before
    changes -= np.median(changes, axis=(2, 3), keepdims=True)
    changes[:, 1] = ndimage.uniform_filter(changes[:, 1], (0, 3, 3), mode="nearest")
    return changes


def _beyond(changes: _Reals, limits: _Reals) -> _Flags:
    beyond: _Flags = (np.abs(changes[:, 0]) > limits[0]) | (changes[:, 1] < -limits[1])
    return beyond


def _coherent(blocks: _Flags) -> _Flags:
    """Keep the connected parts that are large enough."""
    labels, _ = ndimage.label(blocks, _ROUND)
    large = np.bincount(labels.ravel()) >= _PART * blocks.size
    large[0] = False
    kept: _Flags = large[labels]
    return kept


def _correlations(one: _Reals, other: _Reals) -> npt.NDArray[np.float64]:
    """Correlate rows with rows; 0 where one of them is even."""
    a, b = (rows - rows.mean(axis=1, keepdims=True, dtype=np.float64) for rows in (one, other))
    power = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found = np.zeros(len(power))
    np.divide((a * b).sum(axis=1), power, out=found, where=power > 0)
    return found
