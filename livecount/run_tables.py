"""All tables of one experiment under one analysis, each computed once, and only if asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from livecount.calibrated import add_calibrated_growth
from livecount.excluding import exclusion_table
from livecount.growth import (
    GROWTH_COLUMNS,
    GrowthRow,
    Reference,
    Window,
    add_relative,
    bases_of,
    growth_table,
    wells_of,
)
from livecount.treatments import TreatedWell, dose_table, gr_points, group_table, treated_wells
from livecount.wide import wide_table

if TYPE_CHECKING:
    import pandas as pd

    from livecount.nuclei_calibration import NucleiCalibration

__all__ = ["RunTables"]


class RunTables:
    """What follows from an experiment's counts: growth, groups, doses, curves, what is not used.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`.
    window
        First and last time of the fits, hours, both included; None for all.
    reference
        The moment that counts, curves, plateaus and areas are relative to; None for none.
    calibration
        How counts stand to stained nuclei, for the calibrated columns of growth; None for none.
    """

    def __init__(
        self,
        counts: pd.DataFrame,
        window: Window | None = None,
        reference: Reference | None = None,
        calibration: NucleiCalibration | None = None,
    ) -> None:
        self.counts = add_relative(counts, reference) if reference else counts
        self.window = window
        self.reference = reference
        self.calibration = calibration

    @cached_property
    def without_base(self) -> dict[str, str]:
        """Wells that cannot be made relative to the reference, by name, and why."""
        if self.reference is None:
            return {}
        bases = bases_of(wells_of(self.counts), self.reference)
        return {
            " ".join(part for part in identity[:3] if part): base.reason
            for identity, base in bases.items()
            if base.value is None
        }

    @cached_property
    def growth_rows(self) -> list[GrowthRow]:
        """Growth of positions, wells and groups, with the curves to draw."""
        return growth_table(self.counts, window=self.window, reference=self.reference)

    @cached_property
    def growth(self) -> pd.DataFrame:
        """Growth of positions, wells and groups, as ``export growth`` shows it."""
        import pandas as pd

        records = [row.as_record() for row in self.growth_rows]
        table = pd.DataFrame(records, columns=list(GROWTH_COLUMNS))
        return add_calibrated_growth(table, self.growth_rows, self.counts, self.calibration)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Replicate groups against their controls."""
        return group_table(self._treated, self.growth_rows)

    @cached_property
    def doses(self) -> pd.DataFrame:
        """Dose responses."""
        return dose_table(self._treated)

    @cached_property
    def gr_points(self) -> list[list[tuple[float, float]]]:
        """(dose, GR value) of the wells behind each row of :attr:`doses`."""
        return gr_points(self._treated)

    @cached_property
    def wide(self) -> pd.DataFrame:
        """Curves side by side."""
        return wide_table(self.counts, self.reference)

    @cached_property
    def exclusions(self) -> pd.DataFrame:
        """Counts that are not used, and why."""
        return exclusion_table(self.counts)

    @cached_property
    def _treated(self) -> list[TreatedWell]:
        return treated_wells(self.counts, self.growth_rows, self.window)
