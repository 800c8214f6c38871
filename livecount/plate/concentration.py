"""Concentrations with their units, so that 500 nM and 0.5 uM are the same dose."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Concentration"]

_MICRO_SIGNS = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})
_PLAIN_UNIT = re.compile(r"[A-Za-z%/ ]{1,20}")
"""What pint is asked about: it would also compute powers of powers, however large."""


@dataclass(frozen=True, slots=True)
class Concentration:
    """How much of a treatment a well got.

    Attributes
    ----------
    value
        Finite and not negative.
    unit
        As people write it, with u for micro; "" where the treatment is only present or absent.

    Raises
    ------
    ValueError
        When the value is negative or not finite.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"a concentration is 0 or more, not {self.value:g} {self.unit}")
        plain = " ".join(self.unit.translate(_MICRO_SIGNS).split())
        object.__setattr__(self, "unit", plain)

    def to(self, unit: str) -> Concentration | None:
        """Convert to another unit, or None where the two do not measure the same.

        Molar and mass concentrations are not converted into each other: that needs a molar mass. A
        unit that nobody knows, as "cells/well", is comparable with itself only.

        Examples
        --------
        >>> Concentration(500, "nM").to("\N{MICRO SIGN}M")
        Concentration(value=0.5, unit='uM')
        >>> Concentration(1, "uM").to("ug/ml") is None
        True
        """
        wanted = Concentration(self.value, unit)
        if wanted.unit == self.unit:
            return self
        if not (_PLAIN_UNIT.fullmatch(self.unit) and _PLAIN_UNIT.fullmatch(wanted.unit)):
            return None
        import pint

        try:
            converted = _units().Quantity(self.value, self.unit).to(wanted.unit).magnitude
        except (pint.PintError, ValueError, TypeError, AssertionError):
            return None
        # Beyond twelve digits lies what the powers of ten in between have cost.
        return Concentration(float(f"{float(converted):.12g}"), wanted.unit)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}".strip()


@cache
def _units() -> Any:
    """Load the units that are known; it takes most of a second, so only when it must be."""
    import pint

    return pint.UnitRegistry()
