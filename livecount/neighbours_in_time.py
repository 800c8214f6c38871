"""Frames that differ from those before and after them: blurred, dark, empty, miscounted, moved.

Judged from what is stored with every count, each time a table is made, so that the neighbours that
come later count too. A frame is flagged, never removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from livecount.looks import read_looks
from livecount.looks_in_time import find_hidden, find_places, moved_frames, moved_with_their_plate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["neighbour_flags", "unlike_neighbours"]

_Reals = npt.NDArray[np.float64]

_REACH: Final = 3
_FEWEST_NEIGHBOURS: Final = 4
_DEVIATIONS: Final = 6.0
_SHARPNESS_LOST: Final = 0.7
_LIGHT_CHANGED: Final = 1.15
_COUNT_CHANGED: Final = 1.3
_POISSON_DEVIATIONS: Final = 5.0
_CELLS_TO_MISS: Final = 10.0
_PLACE: Final = ("watched_folder", "plate", "well", "field", "position", "channel", "z")
_PLATE: Final = ("watched_folder", "plate")
_WITHOUT_TEXTURE: Final = ("focus_lost", "no_cells")


def neighbour_flags(table: pd.DataFrame) -> pd.Series:
    """Flag the frames of an experiment that differ from their neighbours in time.

    Parameters
    ----------
    table
        Counts with their place, ``elapsed_h``, ``focus``, ``mean_intensity``, ``count`` and
        ``excluded``; excluded frames are not judged and judge none. Where there is ``look``, as
        stored with counts, frames of another place and partly hidden ones are flagged too.

    Returns
    -------
    pandas.Series
        Flags of :mod:`livecount.flags`, each followed by ``;``, with the index of the table.
    """
    import pandas as pd

    flags = np.full(len(table), "", dtype=object)
    judged = np.flatnonzero((table["excluded"] == "") & table["elapsed_h"].notna())
    part = table.iloc[judged]
    fields = _numbers(part, _PLACE)
    order = np.lexsort((part["elapsed_h"], fields))
    measured = part[["focus", "mean_intensity", "count"]].to_numpy(np.float64)
    series = np.split(order, np.flatnonzero(np.diff(fields[order])) + 1)
    for one in series:
        for flag, met in _flags_of(*measured[one].T).items():
            flags[judged[one[met]]] += f"{flag};"
    if "look" in part:
        _flag_by_looks(part, series, flags, judged)
    return pd.Series(flags, table.index, dtype=object)


def _numbers(part: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[Any]:
    keys = [part[name].astype("string").fillna("") for name in names if name in part]
    return part.groupby(keys, sort=False).ngroup().to_numpy()


def _flag_by_looks(
    part: pd.DataFrame,
    series: Sequence[npt.NDArray[Any]],
    flags: npt.NDArray[np.object_],
    judged: npt.NDArray[np.intp],
) -> None:
    """Flag frames of another place, or partly hidden; those without texture tell of neither."""
    looks, hours = part["look"].to_numpy(), part["elapsed_h"].to_numpy(np.float64)
    plates = _numbers(part, _PLATE)
    moved: list[_Moves] = []
    known = part["look"].notna().to_numpy(copy=True)
    for flag in _WITHOUT_TEXTURE:
        known &= ~np.array([flag in said for said in flags[judged]], bool)
    for one in series:
        seen = one[known[one]]
        if not len(seen):
            continue
        shown = read_looks([looks[at] for at in seen])
        places = find_places(shown)
        for place in np.unique(places):
            frames = np.flatnonzero(places == place)
            flags[judged[seen[frames[find_hidden(shown[frames])]]]] += "part_hidden;"
        moved.append(_Moves(int(plates[seen[0]]), seen, hours[seen], moved_frames(places)))
    for plate in {moves.plate for moves in moved if moves.is_moved.any()}:
        for frame, flag in _moves_of_plate([one for one in moved if one.plate == plate]):
            flags[judged[frame]] += f"{flag};"


@dataclass(frozen=True, slots=True)
class _Moves:
    """Which frames of a field show another place; frames in time order."""

    plate: int
    frames: npt.NDArray[Any]
    hours: _Reals
    is_moved: npt.NDArray[np.bool_]


def _moves_of_plate(fields: Sequence[_Moves]) -> Iterator[tuple[int, str]]:
    """Name the frames that show another place, and whether the plate moved or that field alone."""
    spans = np.array([(field.hours[0], field.hours[-1]) for field in fields])
    firsts = [np.flatnonzero(np.diff(field.is_moved.astype(np.int8)) == 1) + 1 for field in fields]
    steps = [
        (field.hours[first - 1], field.hours[first])
        for field, starts in zip(fields, firsts, strict=True)
        for first in starts
    ]
    together = iter(moved_with_their_plate(np.array(steps), spans).tolist())
    for field, starts in zip(fields, firsts, strict=True):
        for first in starts:
            flag = "plate_moved" if next(together) else "field_moved"
            still = np.argmin(np.append(field.is_moved[first:], False))
            yield from ((int(frame), flag) for frame in field.frames[first : first + still])


def _flags_of(
    focus: _Reals, mean_intensity: _Reals, count: _Reals
) -> dict[str, npt.NDArray[np.bool_]]:
    """Judge the frames of one field in time order."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpness, _ = unlike_neighbours(np.log(focus), -np.log(_SHARPNESS_LOST))
        light, _ = unlike_neighbours(np.log(mean_intensity), np.log(_LIGHT_CHANGED))
    logs = np.log(count + 0.5)
    counted, expected = unlike_neighbours(logs, np.log(_COUNT_CHANGED))
    cells = np.exp(np.nan_to_num(expected))
    chance = _POISSON_DEVIATIONS * np.sqrt(1 / np.maximum(cells, 1.0))
    jump = np.where(np.abs(counted) > chance, counted, 0.0)
    none = (count == 0) & (cells >= _CELLS_TO_MISS)
    return {
        "focus_lost": sharpness < 0,
        "light_changed": light != 0,
        "no_cells": none,
        "count_jump": (jump != 0) & ~none,
    }


def unlike_neighbours(values: _Reals, least: float) -> tuple[_Reals, _Reals]:
    """Tell how far each value lies from its neighbours, 0 where that is within their own scatter.

    Neighbours are up to three values on each side. A value counts as different beyond six robust
    standard deviations (1.4826 x the median absolute deviation) both of its neighbours among
    themselves and of the whole series about its neighbours: a step, as at a change of medium, is
    no fault of one frame.

    Parameters
    ----------
    values
        In time order, shape (n,); what is not finite is not judged and judges none.
    least
        Differences below this are none, however little the series scatters.

    Returns
    -------
    tuple of ndarray
        Differences (0 where there is none) and what the neighbours lead to expect (NaN where they
        are too few), shape (n,) both.
    """
    n = len(values)
    if n == 0:
        return np.zeros(0), np.zeros(0)
    known = np.where(np.isfinite(values), values, np.nan)
    padded = np.concatenate([np.full(_REACH, np.nan), known, np.full(_REACH, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1)
    around = np.delete(windows, _REACH, axis=1)
    enough = np.isfinite(around).sum(axis=1) >= _FEWEST_NEIGHBOURS
    expected = np.full(n, np.nan)
    if not enough.any():
        return np.zeros(n), expected
    expected[enough] = _medians(around[enough])
    scatter = np.full(n, np.nan)
    scatter[enough] = 1.4826 * _medians(np.abs(around[enough] - expected[enough, None]))
    difference = known - expected
    told = np.abs(difference[np.isfinite(difference)])
    overall = 1.4826 * float(np.median(told)) if len(told) else 0.0
    limit = np.maximum(_DEVIATIONS * np.fmax(scatter, overall), least)
    beyond = np.isfinite(difference) & (np.abs(difference) > limit)
    return np.where(beyond, difference, 0.0), expected


def _medians(rows: _Reals) -> _Reals:
    """Give the median of each row, NaN aside: what nanmedian does, without a Python step a row."""
    ordered = np.sort(rows, axis=1)  # NaN comes last
    known = np.isfinite(rows).sum(axis=1)
    at = np.arange(len(rows))
    middles: _Reals = (ordered[at, (known - 1) // 2] + ordered[at, known // 2]) / 2
    return middles
