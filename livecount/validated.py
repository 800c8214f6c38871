"""Whether a count lies where people's clicks were compared with the model: derived when reading.

Nothing of it is stored with a count, so that a validation made today also speaks of the counts of
last week, and a refined pixel size changes what is said without a recount.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.agreement import FIELDS_FOR_LIMITS
from livecount.storage import Validation

__all__ = [
    "NOT_VALIDATED",
    "OUTSIDE",
    "VALIDATED",
    "covering",
    "describe",
    "is_usable",
    "unusable_because",
    "usable",
    "validation_states",
]

VALIDATED: Final = "validated"
OUTSIDE: Final = "outside the validated range"
NOT_VALIDATED: Final = "not validated"

_SAME_PIXEL_SIZE: Final = 0.02
"""Pixel sizes this close are one objective's: files round them, software recalibrates them."""

_Reals = npt.NDArray[np.float64]


def usable(validations: Sequence[Validation]) -> list[Validation]:
    """Keep the validations that speak of other frames.

    Those that were clicked blind come first: who sees what was found tends to agree with it. One
    that contradicts the counts also ends what was known before it, until a later one does not.
    """
    ended = max((one.made_at for one in validations if one.agreement.contradiction), default=None)
    found = [
        one for one in validations if is_usable(one) and (ended is None or one.made_at > ended)
    ]
    return sorted(found, key=lambda one: one.n_not_blind > 0)


def is_usable(validation: Validation) -> bool:
    """Tell whether a validation speaks of other frames: :func:`unusable_because` says why not."""
    return not unusable_because(validation)


def unusable_because(validation: Validation) -> str:
    """Say why a validation does not speak of other frames, or nothing where it does."""
    agreement = validation.agreement
    if agreement.contradiction:
        return agreement.contradiction
    return "too few fields with cells" if agreement.n < FIELDS_FOR_LIMITS else ""


def describe(validations: Sequence[Validation]) -> str:
    """Say in one line what is known of how an analysis' counts agree with a person's."""
    if not validations:
        return NOT_VALIDATED
    contradicted = [one for one in validations if one.agreement.contradiction]
    found = next(iter([*usable(validations), *contradicted, *validations]))
    agreement = found.agreement
    led = f"{found.n_not_blind} of them not blind, " if found.n_not_blind else ""
    by = f"{found.n_fields} fields, {led}{found.made_by}, {found.made_at:%Y-%m-%d}"
    if reason := unusable_because(found):
        return f"{NOT_VALIDATED}: {reason} ({by})"
    assert agreement.bias_percent is not None
    assert agreement.limits_percent is not None
    low, high = agreement.limits_percent
    return (
        f"bias {agreement.bias_percent:+.1f} % (95 % limits of agreement {low:+.0f} % to "
        f"{high:+.0f} %) from {found.density_low:.4g} to {found.density_high:.4g} cells "
        f"{found.density_unit} ({by})"
    )


def covering(
    validation: Validation,
    count: npt.ArrayLike,
    density_per_mm2: npt.ArrayLike,
    pixel_size_um: npt.ArrayLike,
) -> npt.NDArray[np.bool_]:
    """Tell which counts a validation speaks of: its densities, its pixel size.

    Parameters
    ----------
    count, density_per_mm2, pixel_size_um
        Of each frame, shape (n,); NaN where not known.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.
    """
    sizes: _Reals = np.asarray(pixel_size_um, np.float64)
    per_area = validation.density_unit == "per mm2"
    density: _Reals = np.asarray(density_per_mm2 if per_area else count, np.float64)
    # A density is computed anew from a stored area: its last digits may differ.
    slack = 1e-9 * max(abs(validation.density_high), 1.0)
    inside = (density >= validation.density_low - slack) & (
        density <= validation.density_high + slack
    )
    if validation.pixel_size_um is None:
        return inside & np.isnan(sizes)
    return inside & (np.abs(sizes / validation.pixel_size_um - 1) <= _SAME_PIXEL_SIZE)


def validation_states(
    validations: Sequence[Validation],
    count: npt.ArrayLike,
    density_per_mm2: npt.ArrayLike,
    pixel_size_um: npt.ArrayLike,
) -> list[str]:
    """Say of each count of one analysis whether it is validated.

    Parameters
    ----------
    validations
        Those of the analysis that made the counts.
    count, density_per_mm2, pixel_size_um
        As for :func:`covering`.

    Returns
    -------
    list of str
        ``validated`` where a validation covers the count (it tells how far such counts are off,
        which may be far), ``outside the validated range`` where there are others,
        ``not validated`` where there is none.

    Examples
    --------
    >>> validation_states([], [5], [812.0], [0.65])
    ['not validated']
    """
    found = usable(validations)
    n = len(np.atleast_1d(np.asarray(count)))
    if not found:
        return [NOT_VALIDATED] * n
    covered = np.zeros(n, bool)
    for validation in found:
        covered |= covering(validation, count, density_per_mm2, pixel_size_um)
    return [VALIDATED if one else OUTSIDE for one in covered]
