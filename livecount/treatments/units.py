"""Doses of independent experiments in one unit, so that 500 nM and 0.5 uM are one group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from livecount.plate import Concentration

__all__ = ["in_common_units"]

_BETWEEN: Final = " + "
_DOSED: Final = re.compile(r"(?P<name>.+) (?P<value>[0-9][0-9.e+-]*)(?: (?P<unit>[^+]+))?")
"""A treatment in words, as the plate map writes it: "Nutlin-3 500 nM"."""


def in_common_units(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Convert each compound's doses to the unit in which the first row has it.

    Concentrations, further treatments, and the names of groups that hold them in words; what cannot
    be converted stays as it is.

    Parameters
    ----------
    rows
        Rows of group tables, those of the experiment whose units are taken first.
    """
    rows = list(rows)
    doses = [dose for row in rows for dose in _doses(row)]
    units: dict[str, str] = {}
    # The unit of a dose of 0 says nothing, unless there is no other.
    for name, given in sorted(doses, key=lambda dose: dose[1].value == 0):
        units.setdefault(name.casefold(), given.unit)
    return [_converted(row, units) for row in rows]


def _doses(row: Mapping[str, Any]) -> list[tuple[str, Concentration]]:
    further = [_read(words) for words in _parts(row.get("further_treatments"))]
    return [one for one in (_first(row), *further) if one is not None]


def _converted(row: Mapping[str, Any], units: Mapping[str, str]) -> dict[str, Any]:
    new = dict(row)
    first = _first(row)
    if first is not None:
        given = _to_common(*first, units)
        new |= {"concentration": given.value, "concentration_unit": given.unit or None}
    further = [_rewritten(words, units) for words in _parts(row.get("further_treatments"))]
    new["further_treatments"] = _BETWEEN.join(further) or None
    group, before = row.get("group"), _in_words(row)
    if before and isinstance(group, str) and group.endswith(before):
        new["group"] = group.removesuffix(before) + _in_words(new)
    return new


def _first(row: Mapping[str, Any]) -> tuple[str, Concentration] | None:
    name, value = row.get("treatment"), row.get("concentration")
    if not isinstance(name, str) or value is None:
        return None
    return name, Concentration(value, row.get("concentration_unit") or "")


def _parts(further: str | None) -> list[str]:
    return further.split(_BETWEEN) if isinstance(further, str) and further else []


def _read(words: str) -> tuple[str, Concentration] | None:
    match = _DOSED.fullmatch(words)
    try:
        return match and (match["name"], Concentration(float(match["value"]), match["unit"] or ""))
    except ValueError:
        return None


def _rewritten(words: str, units: Mapping[str, str]) -> str:
    read = _read(words)
    return words if read is None else f"{read[0]} {_to_common(*read, units)}"


def _to_common(name: str, given: Concentration, units: Mapping[str, str]) -> Concentration:
    unit = units.get(name.casefold(), given.unit)
    if given.value == 0:  # nothing of it, in whatever unit
        return Concentration(0.0, unit)
    return given.to(unit) or given


def _in_words(row: Mapping[str, Any]) -> str:
    """Write all treatments as the names of groups have them."""
    first, name = _first(row), row.get("treatment")
    told = name if first is None else f"{first[0]} {first[1]}"
    return _BETWEEN.join(part for part in (told, row.get("further_treatments")) if part)
