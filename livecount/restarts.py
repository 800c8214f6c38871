"""Acquisitions that begin again without dates: nothing tells at which hour they were taken.

Where a clock counts from each acquisition's own start, a second one of the same place repeats the
times of the first. What it shows beyond the first one's end lies at a wrong hour too, so the whole
set is told, not only what repeats. A longer export of the same scan is none: its pictures are the
same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from livecount.same_scan import number_places
from livecount.time_axis import Clock, Timing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["begun_again"]

_FROM_ITS_OWN_START: Final = (Clock.ELAPSED, Clock.TIME_POINT)
_ENOUGH_SCANS: Final = 5
"""So many scans in common are no overlap of two parts of one acquisition.

Nor are they a try of a few scans, for which the weeks that follow it must not be left out."""

_Key = tuple[int, str, str]
"""A set of files at a place: the place, the watched folder, and what the paths begin with."""


@dataclass(slots=True)
class _Repeat:
    """What a set of files has in common with what stands before it; ``like`` is the first frame."""

    like: Any
    scans: set[int] = field(default_factory=set)
    n_known: int = 0
    n_same: int = 0
    extends: bool = False

    def add(self, scan: int, *, content: str | None, current: str | None) -> None:
        self.scans.add(scan)
        if content is not None and current is not None:
            self.n_known += 1
            self.n_same += content == current

    @property
    def begins_again(self) -> bool:
        """Whether it is another acquisition.

        One whose pictures are known to differ need not be longer than what it repeats, so that
        people read what to do before it is.
        """
        if self.n_known and 2 * self.n_same >= self.n_known:
            return False
        return len(self.scans) >= _ENOUGH_SCANS and (self.extends or self.n_known > 0)


def begun_again(
    claiming: pd.DataFrame, timing: Timing, scans: pd.Series, *, each_plane: bool
) -> dict[Any, Any]:
    """Find the frames of acquisitions that repeat another one's times with other pictures.

    Parameters
    ----------
    claiming
        The frames that could double, as for :func:`livecount.same_scan.same_scans`, the current
        frame of a scan before the others; ``content_hash`` where pictures can be compared.
    timing
        The time axis; only clocks that count from an acquisition's own start can repeat.
    scans
        The result of :func:`livecount.same_scan.same_scans`.
    each_plane
        Whether planes of a z series stand beside each other.

    Returns
    -------
    dict
        Index of each such frame to the index of the first frame that its acquisition repeats.
    """
    if timing.clock not in _FROM_ITS_OWN_START:
        return {}
    hours = timing.elapsed_h.loc[claiming.index]
    told = claiming[hours.notna() & (scans >= 0)]
    if not scans[told.index].duplicated().any():
        return {}
    place = number_places(told, each_plane=each_plane)
    repeats = _repeats(told, scans[told.index], place)
    sets = _sets_of(told, place, repeats)
    for index, key in sets:
        repeats[key].extends |= int(scans[index]) not in repeats[key].scans
    return {index: repeats[key].like for index, key in sets if repeats[key].begins_again}


def _repeats(told: pd.DataFrame, scans: pd.Series, place: pd.Series) -> dict[_Key, _Repeat]:
    """Gather what each set repeats of the frames that are current."""
    contents = told["content_hash"] if "content_hash" in told else [None] * len(told)
    current: dict[int, tuple[Any, str, str, str | None]] = {}
    found: dict[_Key, _Repeat] = {}
    columns = (told.index, scans, place, told["watched_folder"], told["source"], contents)
    for index, scan, at, folder, source, content in zip(*columns, strict=True):
        known = content if isinstance(content, str) else None
        if scan not in current:
            current[scan] = (index, folder, source, known)
            continue
        like, its_folder, its_source, its_content = current[scan]
        apart = _apart(source, its_source) if folder == its_folder else ""
        if apart is None:
            continue
        repeat = found.setdefault((at, folder, apart), _Repeat(like))
        repeat.add(scan, content=known, current=its_content)
    return found


def _sets_of(
    told: pd.DataFrame, place: pd.Series, repeats: dict[_Key, _Repeat]
) -> list[tuple[Any, _Key]]:
    """Give each frame with the widest of the sets that it lies in."""
    columns = (told.index, place, told["watched_folder"], told["source"])
    found = []
    for index, at, folder, source in zip(*columns, strict=True):
        keys = ((at, folder, beginning) for beginning in _beginnings(source))
        key = next((key for key in keys if key in repeats), None)
        if key is not None:
            found.append((index, key))
    return found


def _parts(source: str) -> list[str]:
    """Cut a path into folders, and its name into numbers and what stands between them."""
    folder, slash, name = source.rpartition("/")
    folders = [f"{part}/" for part in folder.split("/")] if slash else []
    return [*folders, *re.findall(r"\d+|\D+", name)]


def _beginnings(source: str) -> Iterator[str]:
    beginning = ""
    yield beginning
    for part in _parts(source):
        beginning += part
        yield beginning


def _apart(source: str, other: str) -> str | None:
    """Give what a path begins with up to where it parts from another; None where it never does.

    Examples
    --------
    >>> _apart("day/run2/t0/A1.tif", "day/run1/t0/A1.tif"), _apart("run2_t0.tif", "run1_t0.tif")
    ('day/run2/', 'run2')
    """
    if source == other:
        return None
    ours, theirs = _parts(source), _parts(other)
    same = [one == another for one, another in zip(ours, theirs, strict=False)]
    n_same = same.index(False) if False in same else len(same)
    return "".join(ours[: n_same + 1])
