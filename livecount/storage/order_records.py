"""What people order of experiments: that they are watched, and that they are counted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livecount.storage.edit_records import Said
from livecount.storage.records import Analysis

__all__ = ["Recount", "WaitingPage", "WatchOrder", "WatchVerb"]

WatchVerb = Literal["run", "add", "stop", "start"]


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What somebody said of the watching of an experiment; the last word holds.

    Attributes
    ----------
    experiment
        Its name; there may be no such experiment yet.
    verb
        ``run``: a monitor's settings list it, it is watched as long as they do. ``add``: watch it
        with these settings. ``stop`` and ``start``: do not, and do again.
    settings
        As a table of ``[[experiments]]``, plain JSON values; None with ``stop`` and ``start``.
    id
        Its number in the database; 0 before it is kept.
    """

    experiment: str
    verb: WatchVerb
    said: Said
    settings: Mapping[str, Any] | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Recount:
    """An analysis that somebody asked for beside the one that frames are counted by."""

    analysis: Analysis
    said: Said


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """A frame that another analysis has counted already."""

    source_id: int
    relative_path: bytes
    page: int
    content_hash: str
