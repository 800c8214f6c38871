"""The daemon beside the microscope: scan, count, keep, retry, quarantine, until stopped."""

from livecount.monitor.choices import channel_rule, patterns_for, with_pixel_size
from livecount.monitor.counting import open_counting
from livecount.monitor.daemon import run_monitor
from livecount.monitor.logs import set_up_logs

__all__ = [
    "channel_rule",
    "open_counting",
    "patterns_for",
    "run_monitor",
    "set_up_logs",
    "with_pixel_size",
]
