"""The daemon beside the microscope: scan, count, keep, retry, quarantine, until stopped.

Names are imported when they are asked for: the worker's process has no use for the database, nor
the monitor's for what computes, and both stay smaller for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livecount.monitor.choices import (
        channel_rule,
        edges_said,
        patterns_for,
        with_pixel_size,
    )
    from livecount.monitor.counting import open_counting
    from livecount.monitor.daemon import run_monitor
    from livecount.monitor.logs import set_up_logs
    from livecount.monitor.recounts import ModelRecount, count_at_h, settings_with

__all__ = [
    "ModelRecount",
    "channel_rule",
    "count_at_h",
    "edges_said",
    "open_counting",
    "patterns_for",
    "run_monitor",
    "set_up_logs",
    "settings_with",
    "with_pixel_size",
]

_HOMES = {
    "ModelRecount": "recounts",
    "count_at_h": "recounts",
    "settings_with": "recounts",
    "channel_rule": "choices",
    "edges_said": "choices",
    "open_counting": "counting",
    "patterns_for": "choices",
    "run_monitor": "daemon",
    "set_up_logs": "logs",
    "with_pixel_size": "choices",
}


def __getattr__(name: str) -> Any:
    """Import a name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
