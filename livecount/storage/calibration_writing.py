"""Keeping calibrations by nuclei."""

from __future__ import annotations

from livecount.storage import calibration_rows
from livecount.storage.records import Analysis, KeptCalibration
from livecount.storage.writing import CountWriter

__all__ = ["CalibrationWriter"]


class CalibrationWriter(CountWriter):
    """The part of :class:`CountStore` that keeps calibrations."""

    def add_nuclei_calibration(self, analysis: Analysis, kept: KeptCalibration) -> None:
        """Keep a calibration of an analysis' counts; the latest one holds."""
        with self._writing() as connection:
            calibration_rows.add_nuclei_calibration(connection, analysis, kept)
