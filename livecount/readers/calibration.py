"""Pixel sizes that image files claim, believed only where they make sense for a microscope."""

from __future__ import annotations

__all__ = ["plausible_pixel_size"]

# From oil immersion to a stereo lens. 1,200 dpi is 21 um: what printers and screens use is above.
_SMALLEST_UM = 0.02
_LARGEST_UM = 20.0


def plausible_pixel_size(um_per_unit: float | None, pixels_per_unit: float | None) -> float | None:
    """Turn a resolution into a pixel size.

    Parameters
    ----------
    um_per_unit
        Micrometres of the unit of length; None where none is stated.
    pixels_per_unit
        The resolution; None where none is stated.

    Returns
    -------
    float or None
        Micrometres per pixel, or None where that is no micrograph's.

    >>> plausible_pixel_size(25_400.0, 300.0) is None  # a printer's resolution
    True
    >>> plausible_pixel_size(10_000.0, 6250.0)
    1.6
    """
    if not um_per_unit or not pixels_per_unit or pixels_per_unit <= 0:
        return None
    size_um = um_per_unit / pixels_per_unit
    return size_um if _SMALLEST_UM <= size_um <= _LARGEST_UM else None
