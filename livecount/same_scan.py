"""Which frames claim the same place and time: re-exports, restarts, A1 on two plates.

Such frames must neither merge nor double silently. Which of them claim the same is decided on the
experiment's one clock, because only there could they double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from livecount.time_axis import Clock, Timing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PLACE", "number_places", "same_scans"]

PLACE: Final = ("experiment", "plate", "well", "field", "position", "channel")
"""The columns that say where a frame was taken, and of what."""

_EQUAL_S: Final = 0.001
_ROUNDING_S: Final = 1.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Claim:
    """One frame's claim to a place and time; ``near_s`` is half the interval of the place's scans.

    ``file_set`` is the folder that holds the frame's file, or the file where that holds several
    frames of the place.
    """

    index: object
    place: int
    at_s: float
    time_point: float | None
    file_set: int
    near_s: float


@dataclass(slots=True)
class _Run:
    """What one file set holds of a place."""

    first_s: float
    last_s: float
    points: set[float] = field(default_factory=set)


class _Runs:
    """The file sets of one place."""

    def __init__(self, claims: Sequence[_Claim]) -> None:
        self._runs: dict[int, _Run] = {}
        self._known: dict[tuple[int, int], bool] = {}
        for claim in claims:
            run = self._runs.setdefault(claim.file_set, _Run(claim.at_s, claim.at_s))
            run.last_s = claim.at_s
            if claim.time_point is not None:
                run.points.add(claim.time_point)

    def are_beside(self, one: int, other: int) -> bool:
        """Tell whether two file sets show the same time twice.

        They do if they were taken over the same time, unless no time point is in both: then they
        are parts of one acquisition whose scans lie in several folders.
        """
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            a, b = self._runs[one], self._runs[other]
            is_one_series = bool(a.points and b.points) and a.points.isdisjoint(b.points)
            at_once = a.first_s <= b.last_s and b.first_s <= a.last_s
            self._known[pair] = one == other or (at_once and not is_one_series)
        return self._known[pair]


@dataclass(slots=True)
class _Scan:
    number: int
    at_s: float
    runs: _Runs
    sets: dict[int, _Claim] = field(default_factory=dict)

    def is_near(self, claim: _Claim) -> bool:
        """Tell whether a frame lies within half an interval, in a file set that runs beside."""
        gap_s = claim.at_s - self.at_s
        if gap_s < _ROUNDING_S or gap_s > claim.near_s:
            return gap_s < _ROUNDING_S
        return any(self.runs.are_beside(claim.file_set, file_set) for file_set in self.sets)

    def is_of(self, claim: _Claim) -> bool:
        """Tell whether a frame that names no time point of this scan is of it all the same."""
        same_set = self.sets.get(claim.file_set)
        if same_set is None:
            return self.is_near(claim)
        both_named = same_set.time_point is not None and claim.time_point is not None
        return claim.at_s - self.at_s < _EQUAL_S and not both_named


def same_scans(table: pd.DataFrame, timing: Timing, *, each_plane: bool) -> pd.Series:
    """Give each scan a number, so that frames with the same number claim the same place and time.

    On a clock that gives each frame a time of its own (absolute, or seconds since the start), two
    frames of a place are of the same scan where

    - they name the same time point and lie no further apart than half the interval (absolute; a
      restarted acquisition whose time index begins again comes later than that, or after the
      first one's last frame), or name the same time point (seconds since the start: nothing tells
      a restart from a re-export);
    - they come from different file sets that were taken over the same time and do not share out
      the time points between them, and lie no further apart than half the interval; or a second,
      whatever the file sets;
    - they come from one file set, at exactly the same time, and do not name different time points.

    Otherwise, and for frames that lack the clock, the names decide: the same time point.

    Parameters
    ----------
    table
        The frames that could double: those not excluded, with columns :data:`PLACE`, ``z``,
        ``time_point``, ``elapsed_s``, ``acquired_at``, ``watched_folder``, ``source``, ``page``.
    timing
        The time axis; may hold further frames.
    each_plane
        Whether planes of a z series stand beside each other instead of one standing for all.

    Returns
    -------
    pandas.Series
        Whole numbers, -1 for frames that claim no time; the same whatever the order of rows.
    """
    import pandas as pd

    place = number_places(table, each_plane=each_plane)
    scans = _by_name(table, place)
    if timing.clock in (Clock.ABSOLUTE, Clock.ELAPSED):
        timed = table[timing.elapsed_h.loc[table.index].notna()]
        seconds = timing.elapsed_h.loc[timed.index] * _HOUR_S
        claims = _claims(timed, seconds, place.loc[timed.index])
        is_absolute = timing.clock is Clock.ABSOLUTE
        numbers = _by_time(claims, len(table), is_absolute=is_absolute)
        scans.update(pd.Series(numbers, [claim.index for claim in claims], dtype="int64"))
    return scans


def number_places(table: pd.DataFrame, *, each_plane: bool) -> pd.Series:
    """Give each place a number, the same whatever the order of rows."""
    names = [*PLACE, "z"] if each_plane else list(PLACE)
    keys = [table[name].astype("string").fillna("") for name in names]
    return table.groupby(keys, sort=True).ngroup()


def _by_name(table: pd.DataFrame, place: pd.Series) -> pd.Series:
    """Go by the time point, or exactly the same time where there is none."""
    point = table["time_point"].astype(float)
    times = [table["elapsed_s"].astype(float).round(3), table["acquired_at"]]
    exact = [column.where(point.isna()) for column in times]
    named = point.notna() | exact[0].notna() | exact[1].notna()
    numbers = table.groupby([place, point, *exact], dropna=False, sort=True).ngroup()
    return numbers.where(named, -1).astype("int64")


def _claims(table: pd.DataFrame, seconds: pd.Series, place: pd.Series) -> list[_Claim]:
    """Give the claims by place and time; ties by folder and file, never by the order of rows."""
    claims = table[["watched_folder", "source", "page"]].assign(
        place=place, at_s=seconds, time_point=table["time_point"].astype(float)
    )
    several = claims.duplicated(["place", "watched_folder", "source"], keep=False)
    holder = claims["source"].where(several, claims["source"].str.rpartition("/")[0] + "/")
    claims["file_set"] = claims.groupby(["watched_folder", holder], sort=True).ngroup()
    claims = claims.sort_values(["place", "at_s", "watched_folder", "source", "page"])
    claims["near_s"] = _half_intervals(claims)
    points = [None if point != point else point for point in claims["time_point"]]
    names, nears = claims["file_set"], claims["near_s"]
    rows = zip(claims.index, claims["place"], claims["at_s"], points, names, nears, strict=True)
    return [_Claim(*row) for row in rows]


def _half_intervals(claims: pd.DataFrame) -> pd.Series:
    """Give half the typical time between scans at each claim's place, 0 where nothing tells it.

    Typical is the median within a file set, where a frame that repeats a time point is no new scan;
    the shortest of a place's file sets; where none holds two scans, that of the other places.
    """
    groups = claims.groupby(["place", "file_set"])
    gaps = groups["at_s"].diff()
    gaps = gaps.where((gaps > _EQUAL_S) & (groups["time_point"].diff() != 0))
    typical = gaps.groupby([claims["place"], claims["file_set"]]).transform("median")
    typical = typical.groupby(claims["place"]).transform("min")
    elsewhere = typical.median()
    return typical.fillna(elsewhere if elsewhere == elsewhere else 0.0) / 2


def _by_time(claims: Sequence[_Claim], first_number: int, *, is_absolute: bool) -> list[int]:
    """Go through claims sorted by place and time; each is compared with two scans at most."""
    numbers: list[int] = []
    for _, group in groupby(claims, key=attrgetter("place")):
        at_place = list(group)
        runs, latest = _Runs(at_place), None
        by_point: dict[float, _Scan] = {}
        for claim in at_place:
            scan = None if claim.time_point is None else by_point.get(claim.time_point)
            if scan is not None and is_absolute and not scan.is_near(claim):
                scan = None
            if scan is None and latest is not None and latest.is_of(claim):
                scan = latest
            if scan is None:
                scan = latest = _Scan(first_number + len(numbers), claim.at_s, runs)
            scan.sets.setdefault(claim.file_set, claim)
            numbers.append(scan.number)
            if claim.time_point is not None:
                by_point[claim.time_point] = scan
    return numbers
