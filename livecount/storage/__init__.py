"""The run's database: one SQLite file behind one door, :class:`CountStore`.

Nothing of SQLAlchemy passes the door; what goes through are the records, plain values and NumPy
columns. Jobs are not kept yet.
"""

from livecount.platform.files import FileStamp
from livecount.storage.analysis_order_reading import AnalysisOrder
from livecount.storage.backups import back_up, backup_folder, kept_backups, take_backup
from livecount.storage.change_marks import ChangeMarks
from livecount.storage.columns import CountColumns
from livecount.storage.edit_records import (
    Correction,
    Exclusion,
    ExperimentEvent,
    FrameCheck,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.storage.frame_reading import StoredFrame
from livecount.storage.lock import MonitorLock
from livecount.storage.mask_reading import MasksKept
from livecount.storage.notice_records import COUNTING_PAUSED, Audience, Delivery, Notice
from livecount.storage.reading import CountReader
from livecount.storage.records import (
    NUCLEI_ROLE,
    Analysis,
    AnalysisSettings,
    CellDiameter,
    Experiment,
    FrameCandidates,
    FrameState,
    Heartbeat,
    KeptCalibration,
    KnownPage,
    Quarantined,
    Recorded,
    Source,
    Tally,
    ValidatedField,
    Validation,
    is_referee,
)
from livecount.storage.recounts import Recounted, StoredCount
from livecount.storage.restoring import restore
from livecount.storage.store import CountStore
from livecount.storage.watch_orders import WatchOrder

__all__ = [
    "COUNTING_PAUSED",
    "NUCLEI_ROLE",
    "Analysis",
    "AnalysisOrder",
    "AnalysisSettings",
    "Audience",
    "CellDiameter",
    "ChangeMarks",
    "Correction",
    "CountColumns",
    "CountReader",
    "CountStore",
    "Delivery",
    "Exclusion",
    "Experiment",
    "ExperimentEvent",
    "FileStamp",
    "FrameCandidates",
    "FrameCheck",
    "FrameState",
    "Heartbeat",
    "Instant",
    "KeptCalibration",
    "KnownPage",
    "MasksKept",
    "MonitorLock",
    "Notice",
    "PlateMapVersion",
    "Quarantined",
    "Recorded",
    "Recounted",
    "Said",
    "Source",
    "StoredCount",
    "StoredFrame",
    "Tally",
    "ValidatedField",
    "Validation",
    "WatchOrder",
    "back_up",
    "backup_folder",
    "is_referee",
    "kept_backups",
    "restore",
    "take_backup",
]
