"""What people say of an experiment: its wells, its events, what is not to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "Correction",
    "Exclusion",
    "ExperimentEvent",
    "FrameCheck",
    "Instant",
    "PlateMapVersion",
    "Said",
]


@dataclass(frozen=True, slots=True)
class Said:
    """Who said something and when; both times are time-zone aware."""

    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """A time of an experiment, as somebody pointed at it.

    Attributes
    ----------
    elapsed_h
        Hours on the experiment's axis as it was then.
    at
        The same as a date, where the axis had one: it then holds whatever t0 becomes.
    """

    elapsed_h: float
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlateMapVersion:
    """What somebody said at some time of an experiment's wells.

    Attributes
    ----------
    wells
        For each well its statements, name to text, as a line of a plate map's table.
    origin
        The name of the file that it came from.
    """

    wells: tuple[Mapping[str, str], ...]
    origin: str
    said: Said


@dataclass(frozen=True, slots=True)
class ExperimentEvent:
    """Something that was done to the cells: a drug added, the medium changed.

    Attributes
    ----------
    id
        Its number in the database; 0 before it is kept.
    wells
        Wells that it happened to; empty for the whole experiment.
    withdrawn
        Who took it back and when, or None while it holds.
    """

    name: str
    when: Instant
    wells: tuple[str, ...]
    said: Said
    withdrawn: Said | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Counts that somebody does not want to be used, and why. Nothing is removed.

    It speaks of one frame, or of all that agree with what is not None of place and time.

    Attributes
    ----------
    reason
        In the person's words.
    frame_id
        The frame, or None where place and time say which.
    plate, well, field
        As the count table names them; ``field`` also meets positions.
    start, end
        Both included.
    withdrawn
        Who took it back and when, or None while it holds.
    id
        Its number in the database; 0 before it is kept.
    """

    reason: str
    said: Said
    frame_id: int | None = None
    plate: str | None = None
    well: str | None = None
    field: str | None = None
    start: Instant | None = None
    end: Instant | None = None
    withdrawn: Said | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Correction:
    """One cell of a frame that somebody added, removed or moved; the model's count stays.

    Attributes
    ----------
    frame_id
        The frame, under the analysis that it is kept with.
    start_yx
        Centre of the model's cell that is removed or moved, in pixels (y, x); None where one is
        added.
    end_yx
        Where the cell is, None where it is removed.
    withdrawn
        Who took it back and when, or None while it holds.
    id
        Its number in the database; 0 before it is kept.
    """

    frame_id: int
    kind: Literal["add", "remove", "move"]
    said: Said
    start_yx: tuple[float, float] | None = None
    end_yx: tuple[float, float] | None = None
    withdrawn: Said | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class FrameCheck:
    """That somebody looked a frame through: every cell, as corrected then, is right.

    Attributes
    ----------
    frame_id
        The frame, under the analysis that it is kept with.
    withdrawn
        Who took it back and when, or corrected a cell of the frame; None while it holds.
    id
        Its number in the database; 0 before it is kept.
    """

    frame_id: int
    said: Said
    withdrawn: Said | None = None
    id: int = 0
