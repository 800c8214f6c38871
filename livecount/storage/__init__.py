"""The run's database: one SQLite file behind one door, :class:`CountStore`.

Nothing of SQLAlchemy passes the door; what goes through are the records, plain values and NumPy
columns. Corrections are not kept yet.
"""

from livecount.platform.files import FileStamp
from livecount.storage.backups import back_up, backup_folder, kept_backups, take_backup
from livecount.storage.columns import CountColumns
from livecount.storage.edit_records import (
    Exclusion,
    ExperimentEvent,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.storage.lock import MonitorLock
from livecount.storage.notice_records import COUNTING_PAUSED, Audience, Delivery, Notice
from livecount.storage.order_records import Recount, WaitingPage, WatchOrder, WatchVerb
from livecount.storage.reading import CountReader
from livecount.storage.records import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    Experiment,
    FrameCandidates,
    FrameState,
    Heartbeat,
    KnownPage,
    Quarantined,
    Recorded,
    Source,
    Tally,
    ValidatedField,
    Validation,
)
from livecount.storage.restoring import restore
from livecount.storage.store import CountStore

__all__ = [
    "COUNTING_PAUSED",
    "Analysis",
    "AnalysisSettings",
    "Audience",
    "CellDiameter",
    "CountColumns",
    "CountReader",
    "CountStore",
    "Delivery",
    "Exclusion",
    "Experiment",
    "ExperimentEvent",
    "FileStamp",
    "FrameCandidates",
    "FrameState",
    "Heartbeat",
    "Instant",
    "KnownPage",
    "MonitorLock",
    "Notice",
    "PlateMapVersion",
    "Quarantined",
    "Recorded",
    "Recount",
    "Said",
    "Source",
    "Tally",
    "ValidatedField",
    "Validation",
    "WaitingPage",
    "WatchOrder",
    "WatchVerb",
    "back_up",
    "backup_folder",
    "kept_backups",
    "restore",
    "take_backup",
]
