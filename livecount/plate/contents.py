"""What is in each well of an experiment's plates, as the person who seeded them says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from livecount.errors import PlateMapError
from livecount.plate.concentration import Concentration
from livecount.readers.wells import natural_key, normalise_well, well_sort_key

__all__ = ["PlateMap", "Role", "Treatment", "WellContents", "spell_well", "wells_in_words"]


class Role(StrEnum):
    """What a well is for."""

    SAMPLE = "sample"
    CONTROL = "control"
    """Untreated, or treated with the vehicle alone: what the samples are compared with."""
    BLANK = "blank"
    """Medium without cells; never part of a group."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One thing that was done to a well.

    Attributes
    ----------
    name
        The compound, condition or construct.
    concentration
        None where there is nothing to measure, as for a knock-out.
    """

    name: str
    concentration: Concentration | None = None

    def __str__(self) -> str:
        return self.name if self.concentration is None else f"{self.name} {self.concentration}"


@dataclass(frozen=True, slots=True)
class WellContents:
    """What one well holds; "" or None is "not stated".

    Attributes
    ----------
    well
        A well of a plate (``A1`` ... ``AF48``), or the name of a dish or flask.
    plate
        Needed only where an experiment has several plates.
    cell_line, passage
        As people write them.
    seeding_density
        How densely the cells were seeded, as people write it, with its unit: "5000 cells/well".
    treatments
        In the order stated, no name twice.
    stated_group
        The replicate group where the user named one; :attr:`group` is what holds.
    role
        Sample, control or blank.
    """

    well: str
    plate: str | None = None
    cell_line: str = ""
    passage: str = ""
    seeding_density: str = ""
    treatments: tuple[Treatment, ...] = ()
    stated_group: str = ""
    role: Role = Role.SAMPLE

    @property
    def group(self) -> str | None:
        """The wells that are replicates of this one carry the same group; None for a blank.

        Where the user named none, wells with the same contents are replicates of each other.

        Examples
        --------
        >>> drug = Treatment("Nutlin-3", Concentration(500, "nM"))
        >>> WellContents("A1", cell_line="HeLa", treatments=(drug,)).group
        'HeLa, Nutlin-3 500 nM'
        """
        if self.role is Role.BLANK:
            return None
        if self.stated_group:
            return self.stated_group
        parts = (self.cell_line, self.seeding_density, " + ".join(map(str, self.treatments)))
        named = ", ".join(part for part in parts if part)
        return named or ("control" if self.role is Role.CONTROL else None)

    @property
    def where(self) -> str:
        """The well in words."""
        return _where(self.plate, self.well)


@dataclass(frozen=True, slots=True)
class PlateMap:
    """The contents of all wells that somebody described.

    Attributes
    ----------
    wells
        In plate order; each well of each plate once; all concentrations of one compound in the unit
        of its first well, so that 500 nM and 0.5 uM make one group.

    Raises
    ------
    PlateMapError
        A well is described twice, one compound is given in units that cannot be compared, or some
        wells name a plate and others do not.
    """

    wells: tuple[WellContents, ...] = ()
    _by_place: dict[tuple[str | None, str], WellContents] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _plates: tuple[str, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        ordered = _in_common_units(sorted(self.wells, key=_plate_order))
        object.__setattr__(self, "wells", ordered)
        for contents in ordered:
            place = (contents.plate, contents.well)
            if place in self._by_place:
                raise PlateMapError(
                    f"Well {contents.where} is described twice",
                    hint="Keep one line for each well; several treatments of a well go into one "
                    "line, as treatment_2, concentration_2, concentration_unit_2",
                )
            self._by_place[place] = contents
        _insist_on_plates(ordered)
        plates = dict.fromkeys(each.plate for each in ordered if each.plate is not None)
        object.__setattr__(self, "_plates", tuple(plates))

    def __len__(self) -> int:
        return len(self.wells)

    @property
    def plates(self) -> tuple[str, ...]:
        """The plates that it names, in natural order; none where it describes one plate only."""
        return self._plates

    def of(self, plate: str | None, well: str | None) -> WellContents | None:
        """Give what a well holds, or None where nobody said.

        A map that names no plate describes the only plate there is, whatever it is called; so does
        a map of one plate where the frames name none.
        """
        if well is None:
            return None
        named = self.plates
        sought = named[0] if plate is None and len(named) == 1 else plate
        return self._by_place.get((sought if named else None, spell_well(well)))

    def problems(self, seen: Iterable[tuple[str | None, str | None]]) -> list[str]:
        """Hold the map against the wells that really appear.

        Parameters
        ----------
        seen
            Plate and well of the frames, in any order and number.

        Returns
        -------
        list of str
            What does not fit, in words for the user; an empty list where all does.
        """
        present = set(seen)
        return [*self.unexpected(present), *self._absent(present), *self._uncontrolled()]

    def unexpected(self, seen: Iterable[tuple[str | None, str | None]]) -> list[str]:
        """Say what is wrong whatever frames are still to come: wells that it does not describe."""
        present = {(plate, spell_well(well)) for plate, well in seen if well is not None}
        if not self.wells:
            return []
        plates = sorted({plate for plate, _ in present if plate is not None}, key=natural_key)
        if not self.plates and len(plates) > 1:
            several = f"the map names no plate, but frames come from {_listed(plates)}"
            return [f"{several}: give it a column plate, or their wells are taken to hold the same"]
        unknown = [_where(*place) for place in present if self.of(*place) is None]
        if not unknown:
            return []
        names = _listed(sorted(unknown, key=natural_key))
        return [f"{wells_in_words(len(unknown))} with frames but no line in the map: {names}"]

    def _uncontrolled(self) -> list[str]:
        """Say which cells were treated and have no control to be compared with."""
        treated = {each.cell_line for each in self.wells if each.treatments}
        controlled = {each.cell_line for each in self.wells if each.role is Role.CONTROL}
        missing = sorted(line or "cells without a name" for line in treated - controlled)
        if not missing:
            return []
        return [f"no well is a control (column role) of {_listed(missing)}"]

    def _absent(self, seen: Iterable[tuple[str | None, str | None]]) -> list[str]:
        """Say which wells have no frame, once there are any."""
        described = [self.of(plate, well) for plate, well in seen if well is not None]
        used = {(each.plate, each.well) for each in described if each is not None}
        absent = [
            each.where
            for each in self.wells
            if each.role is not Role.BLANK and (each.plate, each.well) not in used
        ]
        if not described or not absent:
            return []
        return [f"{wells_in_words(len(absent))} of the map without a frame yet: {_listed(absent)}"]


def spell_well(name: str) -> str:
    """Write a well of a plate as the frames do; the name of a dish or flask as it is.

    Examples
    --------
    >>> spell_well("b02"), spell_well("flask 2")
    ('B2', 'flask 2')
    """
    return normalise_well(name) or name.strip()


def _plate_order(contents: WellContents) -> tuple[object, ...]:
    return natural_key(contents.plate or ""), well_sort_key(contents.well)


def _insist_on_plates(wells: Iterable[WellContents]) -> None:
    """Refuse a map in which some wells lie on a plate and others on none."""
    unplaced = [each for each in wells if each.plate is None]
    placed = [each for each in wells if each.plate is not None]
    if unplaced and placed:
        raise PlateMapError(
            f"Well {unplaced[0].well} names no plate, but {placed[0].where} does",
            hint="Name the plate of every well, or of none",
        )


def _in_common_units(wells: Iterable[WellContents]) -> tuple[WellContents, ...]:
    """Convert each compound's concentrations to one unit.

    Raises
    ------
    PlateMapError
        Where a compound is given in uM here and ug/ml there: no dose response could be drawn.
    """
    wells = list(wells)
    first = _first_units(wells)
    converted = []
    for contents in wells:
        treatments = []
        for treatment in contents.treatments:
            given = treatment.concentration
            if given is not None:
                known = first[treatment.name.casefold()]
                given = _comparable(treatment.name, given, contents, *known)
            treatments.append(replace(treatment, concentration=given))
        converted.append(replace(contents, treatments=tuple(treatments)))
    return tuple(converted)


def _first_units(wells: Iterable[WellContents]) -> dict[str, tuple[WellContents, str]]:
    """Give the first well of each compound and its unit; that of a dose of 0 only if all are 0."""
    first: dict[str, tuple[WellContents, str]] = {}
    of_nothing: dict[str, tuple[WellContents, str]] = {}
    for contents in wells:
        for treatment in contents.treatments:
            given = treatment.concentration
            if given is not None:
                units = first if given.value > 0 else of_nothing
                units.setdefault(treatment.name.casefold(), (contents, given.unit))
    return {**of_nothing, **first}


def _comparable(
    name: str, given: Concentration, here: WellContents, there: WellContents, unit: str
) -> Concentration:
    if given.value == 0:  # nothing of it, in whatever unit
        return Concentration(0.0, unit)
    converted = given.to(unit)
    if converted is None:
        raise PlateMapError(
            f"{name} is given in {unit or 'no unit'} in well {there.where} and in "
            f"{given.unit or 'no unit'} in well {here.where}: these cannot be compared",
            hint="Give each compound in units of one kind, such as nM and uM",
        )
    return converted


def _where(plate: str | None, well: str) -> str:
    return well if plate is None else f"{well} on plate {plate}"


def wells_in_words(number: int) -> str:
    """Write how many wells: "1 well", "12 wells"."""
    return "1 well" if number == 1 else f"{number} wells"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
