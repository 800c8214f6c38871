"""How fast the wells of a plate would grow if their treatment acted as stated; for simulations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from livecount.errors import PlateMapError
from livecount.growth import sigmoid
from livecount.plate.contents import PlateMap, Role, WellContents

__all__ = ["Effect", "doubling_times"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a treatment does to the growth rate, by its GR values (Hafner et al. 2016).

    Attributes
    ----------
    gr50
        Dose at which GR is 0.5, in the unit that the plate map gives first.
    gr_inf
        GR that the highest doses run to; from 0 (a standstill) to below 0.5.
    hill
        Slope, above 0.

    Raises
    ------
    ValueError
        When a number is outside these bounds.
    """

    gr50: float
    gr_inf: float = 0.0
    hill: float = 1.0

    def __post_init__(self) -> None:
        fine = self.gr50 > 0 and 0 <= self.gr_inf < 0.5 and self.hill > 0
        if not (fine and math.isfinite(self.gr50) and math.isfinite(self.hill)):
            raise ValueError("gr50 and hill are above 0, gr_inf from 0 to below 0.5")

    def relative_rate(self, dose: float) -> float:
        """Give the growth rate at a dose as a share of the control's.

        Examples
        --------
        >>> effect = Effect(gr50=0.5)
        >>> effect.relative_rate(0.0), round(effect.relative_rate(0.5), 4)
        (1.0, 0.585)
        """
        middle = self.gr50 / (0.5 / (0.5 - self.gr_inf)) ** (1 / self.hill)
        gr = float(sigmoid(np.array([dose]), self.gr_inf, middle, self.hill)[0])
        return math.log2(gr + 1)


def doubling_times(
    plate_map: PlateMap, doubling_time_h: float, effect: Effect | None
) -> dict[str, float]:
    """Give each well that holds cells its doubling time, hours; infinite at a standstill.

    Parameters
    ----------
    doubling_time_h
        Of untreated cells and of controls.
    effect
        Of the first treatment of each sample well; None for no effect.

    Raises
    ------
    PlateMapError
        The map has several plates, or no well with cells.
    """
    if len(plate_map.plates) > 1:
        raise PlateMapError(
            f"The plate map has {len(plate_map.plates)} plates",
            hint="Simulate one plate at a time",
        )
    times = {
        each.well: doubling_time_h / max(_share(each, effect), 1e-12)
        for each in plate_map.wells
        if each.role is not Role.BLANK
    }
    if not times:
        raise PlateMapError("No well of the plate map holds cells", hint="Name cell lines in it")
    return {well: time if time < 1e6 else math.inf for well, time in times.items()}


def _share(contents: WellContents, effect: Effect | None) -> float:
    given = contents.treatments[0].concentration if contents.treatments else None
    if effect is None or contents.role is Role.CONTROL or given is None:
        return 1.0
    return effect.relative_rate(given.value)
