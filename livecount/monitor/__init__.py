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
    from livecount.monitor.model_recount import count_with_model, order_model

__all__ = [
    "channel_rule",
    "count_with_model",
    "edges_said",
    "open_counting",
    "order_model",
    "patterns_for",
    "run_monitor",
    "set_up_logs",
    "with_pixel_size",
]

_HOMES = {
    "channel_rule": "choices",
    "count_with_model": "model_recount",
    "edges_said": "choices",
    "open_counting": "counting",
    "order_model": "model_recount",
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
