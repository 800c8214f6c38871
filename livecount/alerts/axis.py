"""Places of an experiment, and its hours as dates, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from livecount.alerts.wording import in_hours, local_time

__all__ = ["Axis", "Place"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A well, or a position or field where no wells are named; "" for what has no name."""

    plate: str = ""
    well: str = ""
    position: str = ""

    @property
    def words(self) -> str:
        """Name it.

        Examples
        --------
        >>> Place("P1", "B2").words, Place(position="3").words, Place().words
        ('well B2 of plate P1', 'position 3', 'the field')
        """
        if self.well:
            return f"well {self.well}" + (f" of plate {self.plate}" if self.plate else "")
        if self.position:
            return f"position {self.position}" + (f" of plate {self.plate}" if self.plate else "")
        return f"plate {self.plate}" if self.plate else "the field"

    @property
    def opening(self) -> str:
        """Name it at the beginning of a sentence."""
        return self.words[0].upper() + self.words[1:]


@dataclass(frozen=True, slots=True)
class Axis:
    """An experiment's time axis.

    Attributes
    ----------
    zone
        The experiment's time zone.
    zero
        The date of hour 0, or None where its clock has no dates.
    newest_h
        The newest frame's time.
    """

    zone: str
    zero: datetime | None
    newest_h: float

    def moment(self, at_h: float) -> str:
        """Say when something was, or will be.

        Examples
        --------
        >>> Axis("UTC", None, 20.0).moment(24.5), Axis("UTC", None, 20.0).moment(8.0)
        ('24.5 h, in 4.5 h', '8 h')
        """
        hours = f"{at_h:.1f} h".replace(".0 h", " h")
        if self.zero is not None:
            return f"{hours}, {local_time(self.zero + timedelta(hours=at_h), self.zone)}"
        ahead_h = at_h - self.newest_h
        return f"{hours}, in {in_hours(ahead_h)}" if ahead_h > 0 else hours
