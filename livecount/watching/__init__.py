"""What is new and complete in a watched folder: a scan decides, events only wake it."""

from livecount.platform.files import FileStamp
from livecount.watching.rules import SettleRule, Sighting, WatchStatus
from livecount.watching.watcher import Watcher

__all__ = ["FileStamp", "SettleRule", "Sighting", "WatchStatus", "Watcher"]
