"""How frames are scaled and which peaks count; apart from what computes, for those who only ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from livecount.errors import RefusedFrameError
from livecount.frame import MIN_PROMINENCE, Frame

__all__ = ["CountingRule", "DiameterEstimate"]

_STEEP: Final = 0.35
"""On frames of eleven sets of cells the steepness was 0.1 to 0.3 on sheets of touching cells, where
estimates were up to a factor of two wrong, and above 0.35 where cells stood apart."""


@dataclass(frozen=True, slots=True)
class CountingRule:
    """How frames are scaled and which peaks are cells; exactly one diameter is given.

    Attributes
    ----------
    cell_diameter_um
        Cell diameter in micrometres; needs each frame's pixel size.
    cell_diameter_px
        Cell diameter in pixels of the frames, where no pixel size is known.
    h
        Peaks of the detection map (:mod:`livecount.weighing`) with prominence >= h are cells.
    """

    h: float
    cell_diameter_um: float | None = None
    cell_diameter_px: float | None = None
    min_prominence: float = MIN_PROMINENCE

    def __post_init__(self) -> None:
        if (self.cell_diameter_um is None) == (self.cell_diameter_px is None):
            raise ValueError("give the cell diameter either in um or in px")

    def diameter_px(self, frame: Frame) -> float:
        """Give the cell diameter in pixels of this frame.

        Raises
        ------
        RefusedFrameError
            The diameter is in micrometres and the frame's pixel size is not known.
        """
        if self.cell_diameter_px is not None:
            return self.cell_diameter_px
        assert self.cell_diameter_um is not None
        if frame.attributes.pixel_size_um is None:
            raise RefusedFrameError(
                f"{frame.key.display_path}: the cell diameter is set in um, "
                "but this frame's pixel size is not known",
                hint="Give --pixel-size-um, or the diameter in pixels with --cell-diameter-px",
            )
        return self.cell_diameter_um / frame.attributes.pixel_size_um


@dataclass(frozen=True, slots=True)
class DiameterEstimate:
    """A cell diameter read off the frames themselves, and how clearly.

    Attributes
    ----------
    diameter_px
        The estimate.
    steepness
        By which power of the diameter tried the cells seen fall short of it near the estimate.
        About 1 where cells have one size; near 0 where parts, cells and groups all look like cells,
        as in a sheet.
    """

    diameter_px: float
    steepness: float

    @property
    def reservation(self) -> str:
        """What to say of it beside the number: nothing, or that other sizes fit about as well."""
        return "" if self.steepness >= _STEEP else " (other sizes fit about as well)"
