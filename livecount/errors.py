"""The errors that livecount raises, all from one tree.

::

    LivecountError
    +-- ConfigError                 a setting is wrong: file, line, key, nearest valid key
    +-- MissingExtraError           an optional part is not installed
    +-- ReadError                   a file does not give a frame
    |   +-- UnreadableFrameError    not decodable now; it may still be being written
    |   +-- RefusedFrameError       decodable or not, it will not be read (too large, wrong kind)
    +-- PatternError                a file-name pattern is not usable
    +-- PlateMapError               what is said of the wells is inconsistent
    +-- AnnotationError             annotated images are inconsistent
    +-- CalibrationError            counts cannot be calibrated by nuclei
    +-- ModelError                  a model is missing, damaged or of another kind
    +-- EngineError                 a runtime cannot be used or failed
    |   +-- EngineNotBuiltError     it can be used once the model's engine is built
    |   +-- EngineReplacedError     failed at work; another has taken its place
    +-- StoreError                  the database
    |   +-- NewerSchemaError        written by a newer livecount
    |   +-- NetworkDatabaseError    on a network path
    |   +-- DatabaseUnavailableError  it may take things again later
    |   |   +-- DatabaseBusyError   another program holds it
    |   |   +-- DatabaseFullError   no space left on its disk
    |   |   +-- DatabaseDiskError   the disk under it failed
    |   +-- MonitorRunningError     a second monitor on one database
    |   +-- NotInStoreError         no such experiment, analysis or frame
    |   +-- CorrectionError         a corrected cell does not fit its frame
    |   +-- CorrectedMeanwhileError  somebody saw other cells than there are by now
    |   +-- PrimaryChangeError      another analysis cannot take the first place now
    +-- FolderUnknownError          a folder may be one that is watched by another name
    +-- WorkerError                 the process that reads and counts
    |   +-- WorkerStartError        does not start
    |   +-- WorkerLostError         ended in the middle of its work
    |   +-- WorkerSilentError       did not answer and was given up
    +-- RequestError                what a browser or a script asked for cannot be answered
    +-- AmbiguousPlaceError         a well or frame is there several times, and which is not said
    +-- AlertError                  a message was not taken by whom it was sent to
    |   +-- AlertServerError        no message would have been taken
    +-- SimulationError             the virtual microscope was given impossible settings
    +-- TrainingError               training cannot start or go on

Every message says what is wrong, where, and what to do now. ``hint`` holds the last part, so that
programs may show it apart; ``str(error)`` joins both.
"""

from __future__ import annotations

__all__ = [
    "AlertError",
    "AlertServerError",
    "AmbiguousPlaceError",
    "AnnotationError",
    "CalibrationError",
    "ConfigError",
    "CorrectedMeanwhileError",
    "CorrectionError",
    "DatabaseBusyError",
    "DatabaseDiskError",
    "DatabaseFullError",
    "DatabaseUnavailableError",
    "EngineError",
    "EngineNotBuiltError",
    "EngineReplacedError",
    "FolderUnknownError",
    "LivecountError",
    "MissingExtraError",
    "ModelError",
    "MonitorRunningError",
    "NetworkDatabaseError",
    "NewerSchemaError",
    "NotInStoreError",
    "PatternError",
    "PlateMapError",
    "PrimaryChangeError",
    "ReadError",
    "RefusedFrameError",
    "RequestError",
    "SimulationError",
    "StoreError",
    "TrainingError",
    "UnreadableFrameError",
    "WorkerError",
    "WorkerLostError",
    "WorkerSilentError",
    "WorkerStartError",
]


class LivecountError(Exception):
    """Something livecount could not do, in words for its user.

    Parameters
    ----------
    message
        What is wrong and where, without a final full stop.
    hint
        What to do now, as an imperative sentence without a final full stop.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        # Only what can be given by position: unpickling, as from a worker, calls with `args`.
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}." if self.hint else self.message


class ConfigError(LivecountError):
    """A setting is wrong; the message names file, line, key and the nearest valid key."""


class MissingExtraError(LivecountError):
    """An optional part is needed and not installed; the hint is the install command."""


class ReadError(LivecountError):
    """A file does not give a frame; ``message`` is the reason shown in status and dashboard."""


class UnreadableFrameError(ReadError):
    """A file or page cannot be decoded now; it may still be being written, so it is retried."""


class RefusedFrameError(ReadError):
    """A file or page will not be read whatever happens, until it changes: too large, wrong kind."""


class PatternError(LivecountError):
    """A file-name pattern is not a usable regular expression with known group names."""


class PlateMapError(LivecountError):
    """What is said of an experiment's wells is inconsistent: doubled wells, units, columns."""


class AnnotationError(LivecountError):
    """Annotated images are inconsistent: sizes differ, centres lie outside, columns are missing."""


class CalibrationError(LivecountError):
    """Counts of cells cannot be calibrated by counts of nuclei."""


class ModelError(LivecountError):
    """A model is missing, damaged, or not a DeepDistance network that livecount can run."""


class EngineError(LivecountError):
    """An inference runtime cannot be used on this machine, or failed while running."""


class EngineReplacedError(EngineError):
    """A runtime failed at work; another has taken its place, and the frame is to be done again."""


class EngineNotBuiltError(EngineError):
    """A runtime works here, but the model's engine for it has yet to be built."""


class StoreError(LivecountError):
    """The database cannot be used as asked."""


class NewerSchemaError(StoreError):
    """The database was written by a newer livecount."""


class NetworkDatabaseError(StoreError):
    """The database would lie on a network file system, where SQLite loses data."""


class DatabaseUnavailableError(StoreError):
    """The database can take or tell nothing at present; nothing is lost, it may be tried again."""


class DatabaseDiskError(DatabaseUnavailableError):
    """The disk or share under the database failed, or no more files can be opened."""


class DatabaseBusyError(DatabaseUnavailableError):
    """Another program holds the database longer than livecount waits."""


class DatabaseFullError(DatabaseUnavailableError):
    """The disk is full; nothing of the transaction was kept, it may be tried again."""


class MonitorRunningError(StoreError):
    """Another monitor already writes to this database."""


class NotInStoreError(StoreError):
    """No such experiment, analysis or frame in this database."""


class CorrectionError(StoreError):
    """A corrected cell lies outside its frame, or is not one that was counted."""


class CorrectedMeanwhileError(StoreError):
    """The cells of a frame were corrected since somebody looked at it."""


class PrimaryChangeError(StoreError):
    """Another analysis cannot take the first place now: frames would be missing from it."""


class FolderUnknownError(LivecountError):
    """A watched folder may be one that is known by another name; its frames would be doubled."""


class WorkerError(LivecountError):
    """The process that reads and counts for the monitor is in trouble; the monitor goes on."""


class WorkerStartError(WorkerError):
    """No such process could be started."""


class WorkerLostError(WorkerError):
    """The process ended in the middle of its work, perhaps because of the frame in hand."""


class WorkerSilentError(WorkerError):
    """The process did not answer in time and was given up, perhaps because a share hangs."""


class RequestError(LivecountError):
    """What a browser or a script asked for cannot be answered.

    Attributes
    ----------
    status
        The HTTP status that says so.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 400) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class AmbiguousPlaceError(LivecountError):
    """A well or a frame is there several times, and it was not said which is meant."""


class AlertError(LivecountError):
    """A message was not taken by whom it was sent to; the message holds no address."""


class AlertServerError(AlertError):
    """The server takes no message at present, whatever is in it."""


class SimulationError(LivecountError):
    """The virtual microscope was given settings that no microscope could have."""


class TrainingError(LivecountError):
    """Training cannot start or go on."""
