"""What an acquisition knows of itself and of each of its frames, and what files it makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import numpy as np

__all__ = [
    "CHANNEL",
    "NUCLEI_CHANNEL",
    "Companion",
    "FrameTags",
    "Plan",
    "Scheme",
    "Shot",
    "site_label",
]

CHANNEL = "Phase"
"""The channel of the virtual microscope that shows cells as they are."""

NUCLEI_CHANNEL = "DAPI"
"""The one that shows their nuclei, stained."""

TagTuple = tuple[int, int, int, Any, bool]
"""Code, type, count, value and "first page only", as tifffile takes them."""


class Scheme(StrEnum):
    """Whose files the virtual microscope writes."""

    GENERIC = "generic"
    MICRO_MANAGER = "micro-manager"
    MICRO_MANAGER_STACK = "micro-manager-stack"
    PYMMCORE_PLUS = "pymmcore-plus"
    INCUCYTE = "incucyte"
    IMAGEXPRESS = "imagexpress"
    NIS_ELEMENTS = "nis-elements"
    OME_TIFF = "ome-tiff"

    @property
    def has_channels(self) -> bool:
        """Whether names say which channel a frame is of, so that nuclei can be written too."""
        return self in (Scheme.INCUCYTE, Scheme.IMAGEXPRESS)

    @property
    def is_stack(self) -> bool:
        """Whether all time points of a position go into one file."""
        return self in (Scheme.OME_TIFF, Scheme.MICRO_MANAGER_STACK)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an acquisition knows before it starts.

    Attributes
    ----------
    positions
        (well, field) in the order of acquisition; fields count from 1.
    """

    positions: tuple[tuple[str, int], ...]
    n_time_points: int
    frame_interval_s: float
    pixel_size_um: float
    height_px: int
    width_px: int
    bit_depth: int
    started_at: datetime

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return np.dtype(np.uint8 if self.bit_depth == 8 else np.uint16)


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame to be: where, when, and its place in the order of acquisition."""

    plan: Plan
    number: int
    position: int
    time_point: int
    elapsed_s: float
    shows_nuclei: bool = False

    @property
    def well(self) -> str:
        """The well, for example ``A1``."""
        return self.plan.positions[self.position][0]

    @property
    def field(self) -> int:
        """Field within the well, from 1."""
        return self.plan.positions[self.position][1]

    @property
    def label(self) -> str:
        """Name of the position, for example ``A1-Site_0``."""
        return site_label(self.well, self.field)

    @property
    def acquired_at(self) -> datetime:
        """Absolute time of the exposure."""
        return self.plan.started_at + timedelta(seconds=self.elapsed_s)


@dataclass(frozen=True, slots=True)
class FrameTags:
    """What goes into a TIFF beside the pixels: arguments of ``tifffile.TiffWriter.write``."""

    description: str | None = None
    software: str | None = None
    extratags: tuple[TagTuple, ...] = ()
    imagej_info: str | None = None
    resolution: bool = False
    datetime: bool = False


@dataclass(frozen=True, slots=True)
class Companion:
    """Text to write to a companion file; ``append`` adds to what is there."""

    path: PurePosixPath
    text: str
    append: bool = False


def site_label(well: str, field: int) -> str:
    """Name a position as Micro-Manager's plate tool does: ``A1-Site_0``."""
    return f"{well}-Site_{field - 1}"
