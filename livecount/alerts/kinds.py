"""Every kind of incident that people are told of, in their words, with what to do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from livecount.storage import COUNTING_PAUSED

__all__ = [
    "DATA_KINDS",
    "DISK_LOW",
    "FOCUS_DRIFTING",
    "FRAME_OVERDUE",
    "GROWTH_STOPPED",
    "INCIDENTS_NOT_JUDGED",
    "KINDS",
    "THRESHOLD_FORECAST",
    "THRESHOLD_REACHED",
    "WELL_MISSING",
    "Kind",
]

FRAME_OVERDUE: Final = "frame_overdue"
WELL_MISSING: Final = "well_missing"
THRESHOLD_REACHED: Final = "threshold_reached"
THRESHOLD_FORECAST: Final = "threshold_forecast"
GROWTH_STOPPED: Final = "growth_stopped"
FOCUS_DRIFTING: Final = "focus_drifting"
DISK_LOW: Final = "disk_low"
INCIDENTS_NOT_JUDGED: Final = "incidents_not_judged"

DATA_KINDS: Final = (
    WELL_MISSING,
    THRESHOLD_REACHED,
    THRESHOLD_FORECAST,
    GROWTH_STOPPED,
    FOCUS_DRIFTING,
)
"""What follows from an experiment's counts alone, and outlives a restart of the monitor."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident.

    Attributes
    ----------
    title
        What it is, as a heading.
    advice
        What to do now, as an imperative sentence.
    """

    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = {
    FRAME_OVERDUE: Kind(
        "Next frame overdue",
        "Look whether the microscope still acquires and writes to the watched folder. "
        "If the experiment is over, stop livecount.",
    ),
    WELL_MISSING: Kind(
        "Well missing from a scan",
        "Look whether the microscope skipped it (position list, autofocus), and whether "
        "`livecount status` set its frame aside.",
    ),
    THRESHOLD_REACHED: Kind(
        "Threshold reached",
        "Do what you planned for it: passage, add the drug, change the medium, or end the run.",
    ),
    THRESHOLD_FORECAST: Kind(
        "Threshold ahead", "Plan to be there; the forecast follows the cells."
    ),
    GROWTH_STOPPED: Kind(
        "Growth stopped",
        "Look at the latest frames: confluent, out of medium, contaminated, dying, or detached?",
    ),
    FOCUS_DRIFTING: Kind(
        "Focus drifting",
        "Look at the latest frames and refocus while they can still be counted. If they are sharp, "
        "the cells have changed their looks.",
    ),
    COUNTING_PAUSED: Kind(
        "Counting pauses",
        "Do what the message says; nothing is lost, and counting goes on by itself.",
    ),
    DISK_LOW: Kind(
        "Disk nearly full",
        "Free space on it before counting has to pause.",
    ),
    "source_offline": Kind(
        "Folder cannot be reached",
        "Check the network, the share and the acquisition computer; livecount takes up the frames "
        "when the folder is back.",
    ),
    "not_looked_at": Kind(
        "Part of a folder cannot be looked at",
        "Give livecount's user the right to read it.",
    ),
    "runtime_replaced": Kind(
        "Another runtime took over",
        "Counts go on, more slowly; check the GPU and its driver when you can.",
    ),
    "backup_failed": Kind(
        "Backup failed",
        "Check the folder of the backups and the space there.",
    ),
    "plate_map": Kind(
        "Plate map does not fit",
        "Correct the map (`livecount plate set`) or the position list while the run goes on.",
    ),
    INCIDENTS_NOT_JUDGED: Kind(
        "Counts are not judged",
        "Look at the curves yourself until this is over: missing wells, thresholds, growth and "
        "focus are not watched.",
    ),
}
