"""How far a database has come: cheap to ask every half second, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from livecount.storage.checked_table import checked_frames
from livecount.storage.correction_table import corrections
from livecount.storage.edit_tables import events, exclusions, plate_maps
from livecount.storage.records import Analysis, Experiment
from livecount.storage.tables import analyses, counts, validations

__all__ = ["ChangeMarks", "read_change_marks"]


@dataclass(frozen=True, slots=True)
class ChangeMarks:
    """What tells that there is something new of an experiment under one analysis.

    Attributes
    ----------
    last_count_id
        Id of the latest count of the analysis, 0 before the first.
    statements
        What people have said (plate maps, events, exclusions, validations), as numbers that differ
        whenever something is said or withdrawn.
    is_primary
        Whether the analysis is still the one that is shown.
    corrections
        The same of corrected cells and checked frames, of all experiments. Marks that differ
        in this alone are equal: no curve depends on it.
    """

    last_count_id: int
    statements: tuple[int, ...]
    is_primary: bool
    corrections: tuple[int, ...] = field(compare=False)

    @property
    def edits(self) -> tuple[int, ...]:
        """All that people have said, as numbers that differ whenever something is added."""
        return (*self.statements, *self.corrections)


def read_change_marks(
    connection: Connection, experiment: Experiment, analysis: Analysis
) -> ChangeMarks:
    """Read them; each is the end of an index."""
    latest = select(func.max(counts.c.id)).where(counts.c.analysis_row_id == analysis.row_id)
    last = connection.execute(latest).scalar()
    said = [
        select(func.max(plate_maps.c.id)).where(plate_maps.c.experiment_id == experiment.id),
        select(func.max(validations.c.id)).where(validations.c.analysis_row_id == analysis.row_id),
    ]
    for table in (events, exclusions):
        of_experiment = table.c.experiment_id == experiment.id
        said += [
            select(func.max(table.c.id)).where(of_experiment),
            select(func.count(table.c.withdrawn_at)).where(of_experiment),
        ]
    statements = tuple(connection.execute(query).scalar() or 0 for query in said)
    of_row = select(analyses.c.is_primary).where(analyses.c.id == analysis.row_id)
    is_primary = bool(connection.execute(of_row).scalar())
    corrected = []
    for table in (corrections, checked_frames):
        corrected += [
            select(func.max(table.c.id)),
            select(func.count()).where(table.c.withdrawn_at.is_not(None)),
        ]
    numbers = tuple(connection.execute(query).scalar() or 0 for query in corrected)
    return ChangeMarks(last or 0, statements, is_primary, numbers)
