"""Concentrations with their units, so that 500 nM and 0.5 uM are the same dose."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["Concentration", "normalise_unit"]

_MICRO_SIGNS = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})
_PREFIXES = {"": 0, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
_MOLAR = re.compile(r"(?P<prefix>[munpf]?)(?:M|mol/l|mol/L|mol l-1)")
_MASS = re.compile(r"(?P<prefix>[munpf]?)g/(?P<volume>[mu]?)[lL]")
_ACTIVITY = re.compile(r"(?P<prefix>[mu]?)(?P<kind>I?U)/(?P<volume>[mu]?)[lL]")


@dataclass(frozen=True, slots=True)
class Concentration:
    """How much of a treatment a well got.

    Attributes
    ----------
    value
        Finite and not negative.
    unit
        As :func:`normalise_unit` writes it; "" where the treatment is only present or absent.

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
        object.__setattr__(self, "unit", normalise_unit(self.unit))

    def to(self, unit: str) -> Concentration | None:
        """Convert to another unit, or None where the two do not measure the same.

        Molar and mass concentrations are not converted into each other: that needs a molar mass.

        Examples
        --------
        >>> Concentration(500, "nM").to("\N{MICRO SIGN}M")
        Concentration(value=0.5, unit='uM')
        >>> Concentration(1, "uM").to("ug/ml") is None
        True
        """
        wanted = normalise_unit(unit)
        if wanted == self.unit:
            return self
        here, there = _dimension(self.unit), _dimension(wanted)
        if here is None or there is None or here[0] != there[0]:
            return None
        # Divided, not multiplied by 10^-n, which has no exact double: 500 nM is 0.5 uM.
        power = here[1] - there[1]
        value = self.value * 10**power if power >= 0 else self.value / 10**-power
        return Concentration(value, wanted)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}".strip()


def normalise_unit(unit: str) -> str:
    """Write a unit in one way: micro as ``u``, litre as ``l``, no outer spaces.

    Examples
    --------
    >>> [normalise_unit(unit) for unit in (" \N{GREEK SMALL LETTER MU}g/mL", "umol/L", "Gy")]
    ['ug/ml', 'uM', 'Gy']
    """
    plain = " ".join(unit.translate(_MICRO_SIGNS).split())
    if match := _MOLAR.fullmatch(plain):
        return f"{match['prefix']}M"
    if match := _MASS.fullmatch(plain):
        return f"{match['prefix']}g/{match['volume']}l"
    if match := _ACTIVITY.fullmatch(plain):
        return f"{match['prefix']}{match['kind']}/{match['volume']}l"
    return plain


def _dimension(unit: str) -> tuple[str, int] | None:
    """Tell what a unit measures, and its size as a power of ten; None where that is not known."""
    if match := _MOLAR.fullmatch(unit):
        return "mol/l", _PREFIXES[match["prefix"]]
    if match := _MASS.fullmatch(unit):
        return "g/l", _PREFIXES[match["prefix"]] - _PREFIXES[match["volume"]]
    if match := _ACTIVITY.fullmatch(unit):
        return f"{match['kind']}/l", _PREFIXES[match["prefix"]] - _PREFIXES[match["volume"]]
    return None
