"""What rules are asked for, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = ["Assessment", "Finding", "Rhythm", "Rules", "ThresholdMetric"]

ThresholdMetric = Literal["confluence_percent", "density_per_mm2", "count"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules hold, and their limits.

    Attributes
    ----------
    kinds
        The kinds of incident that are looked for.
    thresholds
        Metric -> value whose reaching is told.
    wells
        The wells that thresholds are for; empty for all.
    ahead_h
        How many hours ahead a threshold is announced.
    """

    kinds: frozenset[str]
    thresholds: Mapping[ThresholdMetric, float] = field(default_factory=dict)
    wells: tuple[str, ...] = ()
    ahead_h: float = 24.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so now, and lasts until an assessment does not find it any more.

    Attributes
    ----------
    kind
        One of :data:`livecount.alerts.KINDS`.
    subject
        What it is about, in few words that stay the same while it lasts.
    text
        What is so, in words for the user; may change while it lasts.
    plate, well
        Where, or None.
    """

    kind: str
    subject: str
    text: str
    plate: str | None = None
    well: str | None = None


@dataclass(frozen=True, slots=True)
class Rhythm:
    """In what rhythm an experiment's frames come.

    Attributes
    ----------
    interval_h
        Hours from one scan of a place to the next; the longer ones where they differ.
    last_at
        When the last frame was counted.
    """

    interval_h: float
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Assessment:
    """What an experiment's counts say now.

    Attributes
    ----------
    findings
        All that is so.
    undecided
        Kind and subject of what lasts and cannot be told to be over, as frames still wait.
    rhythm
        In what rhythm frames come; None where it is not known yet.
    failure
        Why the counts could not be judged, so that nothing was found; empty where they were.
    """

    findings: tuple[Finding, ...] = ()
    undecided: frozenset[tuple[str, str]] = frozenset()
    rhythm: Rhythm | None = None
    failure: str = ""
