"""The data types that every part of livecount shares: frozen, slotted, without I/O.

A frame's identity is its :class:`FrameKey`; where and when it was taken is in
:class:`FrameAttributes`, each attribute with its source, and may be refined later without a
recount.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "APART_H",
    "BODY_SHARE",
    "MIN_PROMINENCE",
    "AttributeSource",
    "Candidates",
    "CellShapes",
    "FloatArray",
    "Frame",
    "FrameAttributes",
    "FrameCount",
    "FrameKey",
    "FrameQuality",
    "MaskOutlines",
    "Provenance",
]

FloatArray = npt.NDArray[np.float32]

MIN_PROMINENCE = 0.02
"""Peaks of the inner distance map below this prominence are not even kept as candidates."""

APART_H = 0.05
"""Peaks from this prominence on stand apart: others' bodies end where they lead to them (ADR 0045).

Whatever h counts cells, so that another h needs no inference and moves nothing.
"""

BODY_SHARE = 0.05
"""A cell's body reaches down to this share of its peak's height."""


class AttributeSource(StrEnum):
    """Where an attribute of a frame came from, in words that users read."""

    FILE_TAG = "file tag"
    OME_XML = "OME-XML"
    OME_ZARR = "OME-Zarr"
    COMPANION_FILE = "companion file"
    FILE_NAME = "file name"
    FOLDER_NAME = "folder name"
    CONFIG = "config"
    FRAME_INTERVAL = "frame interval"
    MODIFICATION_TIME = "file modification time"


@dataclass(frozen=True, slots=True, order=True)
class FrameKey:
    """What makes a frame itself: where its pixels lie and what they are.

    Attributes
    ----------
    source
        The watched folder, as an absolute path string.
    relative_path
        Path below ``source`` with ``/`` separators, as raw bytes (:func:`os.fsencode`), so that any
        name a file system allows survives.
    page
        Page (plane) within the file, from 0.
    content_hash
        Hash of the decoded pixels: BLAKE2b-128 over dtype, shape and C-ordered bytes, in hex.
    """

    source: str
    relative_path: bytes
    page: int
    content_hash: str

    @property
    def display_path(self) -> str:
        """The relative path as text that is always safe to show (undecodable bytes escaped)."""
        return self.relative_path.decode("utf-8", "backslashreplace")

    @property
    def file_system_path(self) -> str:
        """The relative path as :mod:`os` and :mod:`pathlib` take it."""
        return os.fsdecode(self.relative_path)


@dataclass(frozen=True, slots=True)
class FrameAttributes:
    """Where and when a frame was taken, and how large its pixels are; None is "not known".

    Attributes
    ----------
    plate, well, field, position, channel
        Names as the microscope gives them; wells normalised to ``A1`` ... ``AF48``.
    time_point, z
        Indices as the microscope counts them (not re-based).
    acquired_at
        Absolute time, always time-zone aware, in UTC.
    elapsed_s
        Seconds since the acquisition's own start, where only that is recorded.
    pixel_size_um
        Edge length of a pixel, micrometre.
    stage_x_um, stage_y_um
        Where the stage stood, on its own axes, micrometre; both or neither are known.
    sources
        Attribute name -> where its value came from.
    """

    plate: str | None = None
    well: str | None = None
    field: str | None = None
    position: str | None = None
    time_point: int | None = None
    channel: str | None = None
    z: int | None = None
    acquired_at: datetime | None = None
    elapsed_s: float | None = None
    pixel_size_um: float | None = None
    stage_x_um: float | None = None
    stage_y_um: float | None = None
    sources: Mapping[str, AttributeSource] = dataclasses.field(default_factory=dict)

    def completed_by(self, other: FrameAttributes) -> FrameAttributes:
        """Fill what is not known here from ``other``, sources included; nothing is overwritten."""
        found: dict[str, Any] = {}
        sources = dict(self.sources)
        for item in fields(self):
            if item.name == "sources" or getattr(self, item.name) is not None:
                continue
            value = getattr(other, item.name)
            if value is not None:
                found[item.name] = value
                if item.name in other.sources:
                    sources[item.name] = other.sources[item.name]
        return replace(self, **found, sources=sources) if found else self

    @classmethod
    def from_source(cls, source: AttributeSource, **values: Any) -> FrameAttributes:
        """Build attributes that all came from one place; None values are left out."""
        known = {name: value for name, value in values.items() if value is not None}
        return cls(**known, sources=dict.fromkeys(known, source))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded two-dimensional image and all that is known of it.

    Attributes
    ----------
    pixels
        Shape (y, x); any integer or floating dtype as decoded; colour already turned to grey.
    saturation_level
        The value at which the camera or file type clips, or None for floating images.
    flags
        What is suspicious about the file, for example ``zero_tail`` or ``colour``.
    """

    key: FrameKey
    attributes: FrameAttributes
    pixels: npt.NDArray[Any]
    saturation_level: float | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every peak of the inner distance map with prominence >= ``MIN_PROMINENCE``.

    Attributes
    ----------
    y_px, x_px
        Positions in pixels of the frame as acquired (pixel centres are integers), shape (n,).
    prominence
        Dynamics of each peak, shape (n,), float32; sorted from high to low, ties by y, then x.
    """

    y_px: FloatArray
    x_px: FloatArray
    prominence: FloatArray

    def __len__(self) -> int:
        return len(self.prominence)

    def count_at(self, h: float) -> int:
        """Count the cells at ``h``: the peaks with prominence >= h, compared in float32."""
        return int(np.count_nonzero(self.prominence >= np.float32(h)))

    def at(self, h: float) -> Candidates:
        """Keep the candidates that are cells at ``h``."""
        kept = self.prominence >= np.float32(h)
        return Candidates(self.y_px[kept], self.x_px[kept], self.prominence[kept])

    def scaled(self, factor_y: float, factor_x: float) -> Candidates:
        """Carry positions to a grid whose pixels are ``1 / factor`` as large (pixel centres kept).

        A pixel centre at y lies at ``(y + 0.5) * factor - 0.5`` in the other grid.
        """
        return Candidates(
            ((self.y_px + 0.5) * factor_y - 0.5).astype(np.float32),
            ((self.x_px + 0.5) * factor_x - 0.5).astype(np.float32),
            self.prominence,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CellShapes:
    """The shape of each cell that was counted: entry k belongs to candidate k of the frame.

    A cell that has no mask is NaN throughout, and 0 in ``is_bright_rounded``.

    Attributes
    ----------
    area_px, perimeter_px
        In square pixels and pixels of the frame as acquired, shape (n,), float32.
    aspect_ratio, eccentricity
        Long over short axis of the ellipse with the same second moments, and its eccentricity.
    is_bright_rounded
        1 where the cell is bright and round as mitotic and dying ones are, else 0.
    """

    area_px: FloatArray
    perimeter_px: FloatArray
    aspect_ratio: FloatArray
    eccentricity: FloatArray
    is_bright_rounded: FloatArray

    def __len__(self) -> int:
        return len(self.area_px)

    @property
    def n_bright_rounded(self) -> int:
        """How many cells are bright and rounded."""
        return int(np.count_nonzero(self.is_bright_rounded > 0))


@dataclass(frozen=True, slots=True, eq=False)
class MaskOutlines:
    """The masks of a frame's cells: closed outlines along pixel edges, at the model's scale.

    Edges are taken clockwise with the cell at the right hand, the first one along the top of a
    pixel. A cell that lies around another one has an outline for its inner border too.

    Attributes
    ----------
    height, width
        Of the label map that the outlines are of, which covers the whole frame.
    cell
        Whose outline each is: number of the candidate, from 0; shape (n,), int32.
    top, left
        The pixel of the map on top of which each outline begins, shape (n,), int32; outlines are
        sorted by it, row by row.
    n_edges
        How many edges each has, shape (n,), int32.
    turns
        Where to after each edge, outline by outline: 0 on, 1 right, 2 left; uint8.
    """

    height: int
    width: int
    cell: npt.NDArray[np.int32]
    top: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    n_edges: npt.NDArray[np.int32]
    turns: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.cell)


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """What a frame looks like before anything is counted.

    Attributes
    ----------
    focus
        Normalised variance of the Laplacian (dimensionless; higher is sharper).
    mean_intensity
        Mean grey value as a fraction of the saturation level, or in raw units for floating images.
    saturated_fraction
        Fraction of pixels at or above the saturation level, 0 to 1.
    look
        Light and texture of blocks (:mod:`livecount.looks`); None where the frame is too small.
    """

    focus: float
    mean_intensity: float
    saturated_fraction: float
    look: bytes | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a count was made: what is not part of the analysis, but must be known with the number."""

    runtime: str
    precision: str
    livecount_version: str


@dataclass(frozen=True, slots=True, eq=False)
class FrameCount:
    """One frame's count under one analysis, ready to be kept.

    Attributes
    ----------
    analysis_id
        Hash of model, scaling, channel and z selection, detection rule.
    count
        Number of cells at the analysis' h.
    area_mm2
        Area that the frame shows, without padding, or None where the pixel size is not known.
    flags
        The frame's flags and those of counting, for example ``out_of_focus``.
    confluence_percent
        Share of the shown area that cells cover; None where it was not segmented.
    shapes
        The shape of each of the ``count`` cells, in the candidates' order; None likewise.
    masks
        The cells' masks; None likewise.
    """

    key: FrameKey
    attributes: FrameAttributes
    analysis_id: str
    count: int
    candidates: Candidates
    quality: FrameQuality
    height_px: int
    width_px: int
    area_mm2: float | None
    flags: tuple[str, ...]
    provenance: Provenance
    confluence_percent: float | None = None
    shapes: CellShapes | None = None
    masks: MaskOutlines | None = None

    @property
    def density_per_mm2(self) -> float | None:
        """Cells per square millimetre, or None where the pixel size is not known."""
        return None if self.area_mm2 is None else self.count / self.area_mm2
