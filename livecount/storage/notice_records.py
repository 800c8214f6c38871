"""What is said until it is over, and who outside is told: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = ["COUNTING_PAUSED", "Audience", "Delivery", "Notice", "Part"]

COUNTING_PAUSED = "counting_paused"
"""Code of the notice that lasts while nothing can be counted."""

Part = Literal["begin", "end"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be said until it is over: an incident.

    Attributes
    ----------
    id
        Its number in the database.
    code
        What kind it is, for example ``counting_paused``.
    subject
        What it is about, where several may last at a time.
    since, until
        ``until`` is None while it lasts.
    said_at
        When it was last said to be so.
    experiment, plate, well
        Names of what it concerns; None where it concerns all.
    """

    id: int
    code: str
    subject: str
    text: str
    since: datetime
    until: datetime | None
    said_at: datetime
    experiment: str | None = None
    plate: str | None = None
    well: str | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told of notices, by name; addresses do not come into the database.

    Attributes
    ----------
    targets
        Their names.
    codes
        Which kinds of notice they are told.
    calm_s
        A notice that comes back within so many seconds goes on instead of beginning anew, and its
        end is told only after that time.
    """

    targets: tuple[str, ...] = ()
    codes: frozenset[str] = field(default_factory=frozenset)
    calm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """That a target is to be told of a notice's begin or end, or was.

    Attributes
    ----------
    due_at
        When it is to be tried (again).
    attempts
        How often it was tried in vain.
    last_error
        Why the last attempt failed, without any address; None where none failed.
    delivered_at
        None while the target has not taken it.
    """

    id: int
    notice: Notice
    target: str
    part: Part
    due_at: datetime
    attempts: int
    last_error: str | None
    delivered_at: datetime | None
