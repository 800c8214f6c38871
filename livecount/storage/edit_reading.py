"""What the store can be asked of what people say: plate maps, events, exclusions, validations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from livecount.storage import edit_rows, judging
from livecount.storage.edit_records import Exclusion, ExperimentEvent, PlateMapVersion
from livecount.storage.records import Analysis, Experiment, Validation

__all__ = ["EditReader"]


class EditReader(ABC):
    """The part of :class:`CountReader` that reads what people say of a run."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]: ...

    def plate_map(self, experiment: Experiment) -> PlateMapVersion | None:
        """Read what holds of an experiment's wells; None where nobody said."""
        with self._reading() as connection:
            found = edit_rows.list_plate_maps(connection, experiment, only_last=True)
        return found[0] if found else None

    def plate_maps(self, experiment: Experiment) -> list[PlateMapVersion]:
        """List all that was ever said of an experiment's wells, the latest first."""
        with self._reading() as connection:
            return edit_rows.list_plate_maps(connection, experiment)

    def events(self, experiment: Experiment) -> list[ExperimentEvent]:
        """List what was done to an experiment's cells, withdrawn statements included."""
        with self._reading() as connection:
            return edit_rows.list_events(connection, experiment)

    def exclusions(self, experiment: Experiment) -> list[Exclusion]:
        """List what people do not want to be used, withdrawn exclusions included."""
        with self._reading() as connection:
            return edit_rows.list_exclusions(connection, experiment)

    def calibration(self, model_sha256: str) -> dict[str, float] | None:
        """Read what a model's card said of its prominences; None where it said nothing."""
        with self._reading() as connection:
            return judging.read_calibration(connection, model_sha256)

    def learnt(self, model_sha256: str) -> frozenset[str]:
        """Read the hashes of the frames that a model has learnt from, as far as its card said."""
        with self._reading() as connection:
            return judging.read_learnt(connection, model_sha256)

    def validations(self, analysis: Analysis) -> list[Validation]:
        """List how an analysis' counts agreed with people's, the latest first."""
        with self._reading() as connection:
            return judging.list_validations(connection, analysis)

    def clicks(self, analysis: Analysis) -> dict[int, npt.NDArray[np.float64]]:
        """Read what people clicked: frame id -> centres, shape (n, 2) as (y, x) in pixels.

        Of a frame that was done several times the last clicks are given.
        """
        with self._reading() as connection:
            return judging.read_clicks(connection, analysis)
