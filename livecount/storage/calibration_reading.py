"""What the store can be asked of calibrations by nuclei."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from livecount.storage import calibration_rows
from livecount.storage.records import Analysis, KeptCalibration

__all__ = ["CalibrationReader"]


class CalibrationReader(ABC):
    """The part of :class:`CountReader` that reads calibrations."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]: ...

    def nuclei_calibrations(self, analysis: Analysis) -> list[KeptCalibration]:
        """List how an analysis' counts were calibrated by nuclei, the latest first."""
        with self._reading() as connection:
            return calibration_rows.list_nuclei_calibrations(connection, analysis)
