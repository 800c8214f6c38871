"""What people correct on single frames, written beside the counts."""

from __future__ import annotations

from livecount.storage import correction_rows
from livecount.storage.edit_records import Correction, Said
from livecount.storage.records import Analysis
from livecount.storage.writing import CountWriter

__all__ = ["CorrectionWriter"]


class CorrectionWriter(CountWriter):
    """The part of :class:`CountStore` that keeps corrected cells."""

    def add_correction(self, analysis: Analysis, correction: Correction) -> int:
        """Keep that a cell was added, removed or moved; give its number. The count stays as it is.

        Raises
        ------
        NotInStoreError
            The analysis has no count of the frame.
        CorrectionError
            It lies outside the frame, names no counted cell, or one that is corrected already.
        """
        with self._writing() as connection:
            return correction_rows.add_correction(connection, analysis, correction)

    def withdraw_correction(self, analysis: Analysis, frame_id: int, number: int, by: Said) -> None:
        """Take a correction back; it stays in the database with who did so and when.

        Raises
        ------
        NotInStoreError
            The frame has no such correction.
        """
        with self._writing() as connection:
            correction_rows.withdraw_correction(connection, analysis, frame_id, number, by)
