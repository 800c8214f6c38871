"""What people say of a run, written beside the counts: plate maps, exclusions, validations."""

from __future__ import annotations

from collections.abc import Sequence

from livecount.storage import edit_rows, judging
from livecount.storage.edit_records import Exclusion, ExperimentEvent, PlateMapVersion, Said
from livecount.storage.records import Analysis, Experiment, ValidatedField, Validation
from livecount.storage.writing import CountWriter

__all__ = ["EditWriter"]


class EditWriter(CountWriter):
    """The part of :class:`CountStore` that keeps what people say of a run."""

    def add_validation(
        self, analysis: Analysis, validation: Validation, fields: Sequence[ValidatedField]
    ) -> None:
        """Keep how an analysis agreed with a person's clicks, and the clicks themselves."""
        with self._writing() as connection:
            judging.add_validation(connection, analysis, validation, fields)

    def add_plate_map(self, experiment: Experiment, version: PlateMapVersion) -> bool:
        """Let another plate map hold from now on; those before stay as its history.

        Returns
        -------
        bool
            Whether it says anything new; what says the same as the present one is not kept again.
        """
        with self._writing() as connection:
            return edit_rows.add_plate_map(connection, experiment, version)

    def add_event(self, experiment: Experiment, event: ExperimentEvent) -> int:
        """Keep what was done to the cells; give its number."""
        with self._writing() as connection:
            return edit_rows.add_event(connection, experiment, event)

    def withdraw_event(self, experiment: Experiment, number: int, by: Said) -> None:
        """Take an event back; it stays in the database with who did so and when.

        Raises
        ------
        NotInStoreError
            The experiment has no such event.
        """
        with self._writing() as connection:
            edit_rows.withdraw_event(connection, experiment, number, by)

    def add_exclusion(self, experiment: Experiment, exclusion: Exclusion) -> int:
        """Keep that counts are not to be used; give its number. The counts stay as they are.

        Raises
        ------
        NotInStoreError
            There is no such frame.
        """
        with self._writing() as connection:
            return edit_rows.add_exclusion(connection, experiment, exclusion)

    def withdraw_exclusion(self, experiment: Experiment, number: int, by: Said) -> None:
        """Let counts be used again; the exclusion stays with who took it back and when.

        Raises
        ------
        NotInStoreError
            The experiment has no such exclusion.
        """
        with self._writing() as connection:
            edit_rows.withdraw_exclusion(connection, experiment, number, by)
