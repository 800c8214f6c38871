"""Incidents of a run: what they are, when they begin and end, and how they are told to people.

Pure functions. What judges tables (:mod:`livecount.alerts.judging`) needs pandas and is imported
where it is used, in a process of its own; everything named here is light.
"""

from livecount.alerts.findings import Assessment, Finding, Rhythm, Rules
from livecount.alerts.kinds import DATA_KINDS, KINDS, Kind
from livecount.alerts.messages import Message, compose
from livecount.alerts.quiet import is_quiet
from livecount.alerts.rhythm import disk_low, overdue

__all__ = [
    "DATA_KINDS",
    "KINDS",
    "Assessment",
    "Finding",
    "Kind",
    "Message",
    "Rhythm",
    "Rules",
    "compose",
    "disk_low",
    "is_quiet",
    "overdue",
]
