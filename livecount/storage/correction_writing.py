"""What people correct on single frames and say of them, written beside the counts."""

from __future__ import annotations

from livecount.storage import checked_rows, correction_rows
from livecount.storage.edit_records import Correction, FrameCheck, Said
from livecount.storage.records import Analysis
from livecount.storage.writing import CountWriter

__all__ = ["CorrectionWriter"]


class CorrectionWriter(CountWriter):
    """The part of :class:`CountStore` that keeps corrected cells and checked frames."""

    def add_correction(self, analysis: Analysis, correction: Correction) -> int:
        """Keep that a cell was added, removed or moved; give its number. The count stays as it is.

        That every cell of the frame is right, if somebody said so, holds no more.

        Raises
        ------
        NotInStoreError
            The analysis has no count of the frame.
        CorrectionError
            It lies outside the frame, names no counted cell, or one that is corrected already.
        """
        with self._writing() as connection:
            number = correction_rows.add_correction(connection, analysis, correction)
            checked_rows.withdraw_standing(
                connection, analysis, correction.frame_id, correction.said
            )
        return number

    def withdraw_correction(self, analysis: Analysis, frame_id: int, number: int, by: Said) -> None:
        """Take a correction back; it stays in the database with who did so and when.

        That every cell of the frame is right, if somebody said so, holds no more.

        Raises
        ------
        NotInStoreError
            The frame has no such correction.
        """
        with self._writing() as connection:
            if correction_rows.withdraw_correction(connection, analysis, frame_id, number, by):
                checked_rows.withdraw_standing(connection, analysis, frame_id, by)

    def add_check(self, analysis: Analysis, check: FrameCheck, seen: tuple[int, int]) -> int:
        """Keep that every cell of a frame is right; give the number of the statement that holds.

        Where somebody has said so already, that stays.

        Parameters
        ----------
        seen
            How many corrections held where the person looked, and the largest of their numbers,
            0 for none: together they differ whenever anything was corrected since.

        Raises
        ------
        NotInStoreError
            The analysis has no count of the frame.
        CorrectedMeanwhileError
            Other corrections hold by now.
        """
        with self._writing() as connection:
            return checked_rows.add_check(connection, analysis, check, seen)

    def withdraw_check(self, analysis: Analysis, frame_id: int, number: int, by: Said) -> None:
        """Take back that every cell is right; it stays with who did so and when.

        Raises
        ------
        NotInStoreError
            The frame has no such statement.
        """
        with self._writing() as connection:
            checked_rows.withdraw_check(connection, analysis, frame_id, number, by)
