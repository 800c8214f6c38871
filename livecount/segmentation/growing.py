"""Growing markers in the paper's order: the one with the best adjacent pixels goes first.

All arrays are flat views of maps that have a border of one pixel, -1 in the labels.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.frame import FloatArray

__all__ = ["grow", "place_markers"]

Labels = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]
_BoolArray = npt.NDArray[np.bool_]


@compiled
def place_markers(
    labels: Labels,
    width: int,
    outer: FloatArray,
    foreground: _BoolArray,
    seeds: _Int64Array,
    level: float,
) -> None:
    """Widen all locations at once over connected pixels above the level."""
    queue = np.empty(labels.size, np.int64)
    size, done = 0, 0
    for number in range(seeds.size):
        seed = seeds[number]
        if foreground[seed] and labels[seed] == 0:
            labels[seed] = number + 1
            queue[size] = seed
            size += 1
    while done < size:
        here = queue[done]
        done += 1
        for step in (-width, -1, 1, width):
            there = here + step
            if labels[there] == 0 and foreground[there] and outer[there] > level:
                labels[there] = labels[here]
                queue[size] = there
                size += 1


@compiled
def grow(
    labels: Labels,
    width: int,
    outer: FloatArray,
    foreground: _BoolArray,
    n_labels: int,
    least_free: float,
) -> None:
    """Let the marker with the best adjacent pixels take them, until none can grow.

    Only markers that touch what was taken are looked at again; the others' standing is unchanged,
    and a number tells a marker's latest entry in the queue from those it made void.
    """
    first, following = _outlines(labels, n_labels)
    seen = np.zeros(labels.size, np.int64)
    latest = np.zeros(n_labels + 1, np.int64)
    touched = np.arange(n_labels + 1)
    n_touched, look = n_labels, 0
    queue = [(0.0, np.int64(0), np.int64(0))]
    queue.pop()
    for number in range(n_labels):
        touched[number] = number + 1
    while True:
        for number in range(n_touched):
            look += 1
            label = touched[number]
            latest[label] = look
            mean = _adjacent_mean(
                labels, width, outer, foreground, label, first, following, seen, look, least_free
            )
            if mean >= 0:
                heapq.heappush(queue, (-mean, np.int64(label), np.int64(look)))
        while len(queue) > 0 and queue[0][2] != latest[queue[0][1]]:
            heapq.heappop(queue)
        if len(queue) == 0:
            return
        best = int(heapq.heappop(queue)[1])
        latest[best] = -1
        n_touched = _take_adjacent(
            labels, width, foreground, best, first, following, latest, touched
        )


@compiled
def _outlines(labels: Labels, n_labels: int) -> tuple[_Int64Array, _Int64Array]:
    """List each label's pixels: ``first`` of a label, then ``following`` a pixel; 0 ends a list."""
    first = np.zeros(n_labels + 1, np.int64)
    following = np.zeros(labels.size, np.int64)
    for here in range(labels.size):
        if labels[here] > 0:
            following[here] = first[labels[here]]
            first[labels[here]] = here
    return first, following


@compiled
def _adjacent_mean(
    labels: Labels,
    width: int,
    outer: FloatArray,
    foreground: _BoolArray,
    label: int,
    first: _Int64Array,
    following: _Int64Array,
    seen: _Int64Array,
    look: int,
    least_free: float,
) -> float:
    """Give the mean outer value of a marker's adjacent free foreground, -1 where it must rest.

    Pixels that have become inner ones are dropped from the marker's list on the way.
    """
    total, n_free, n_adjacent = 0.0, 0, 0
    before, here = 0, first[label]
    while here > 0:
        after = following[here]
        is_outline = False
        for step in (-width, -1, 1, width):
            there = here + step
            if labels[there] == label or labels[there] < 0:
                continue
            is_outline = True
            if seen[there] == look:
                continue
            seen[there] = look
            n_adjacent += 1
            if labels[there] == 0 and foreground[there]:
                n_free += 1
                total += max(outer[there], np.float32(0))
        if is_outline:
            before = here
        elif before > 0:
            following[before] = after
        else:
            first[label] = after
        here = after
    if n_free == 0 or n_free < least_free * n_adjacent:
        return -1.0
    return total / n_free


@compiled
def _take_adjacent(
    labels: Labels,
    width: int,
    foreground: _BoolArray,
    label: int,
    first: _Int64Array,
    following: _Int64Array,
    latest: _Int64Array,
    touched: _Int64Array,
) -> int:
    """Grow a marker by one pixel; list those whose adjacent pixels changed, each once.

    A marker that is listed has -1 in ``latest``.
    """
    touched[0] = label
    n_touched = 1
    here = first[label]
    while here > 0:
        after = following[here]
        for step in (-width, -1, 1, width):
            there = here + step
            if labels[there] != 0 or not foreground[there]:
                continue
            labels[there] = label
            following[there] = first[label]
            first[label] = there
            for onward in (-width, -1, 1, width):
                other = labels[there + onward]
                if other > 0 and latest[other] != -1:
                    latest[other] = -1
                    touched[n_touched] = other
                    n_touched += 1
        here = after
    return n_touched
