"""What goes through the store's door: frozen, slotted, plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from livecount.agreement import Agreement
from livecount.frame import MIN_PROMINENCE, Candidates
from livecount.nuclei_calibration import NucleiCalibration
from livecount.platform.files import FileStamp

__all__ = [
    "NUCLEI_ROLE",
    "Analysis",
    "AnalysisSettings",
    "CellDiameter",
    "Experiment",
    "FrameCandidates",
    "FrameState",
    "Heartbeat",
    "KeptCalibration",
    "KnownPage",
    "Quarantined",
    "Recorded",
    "Source",
    "Tally",
    "ValidatedField",
    "Validation",
    "is_referee",
]

NUCLEI_ROLE: Final[Mapping[str, str]] = {"role": "nuclei"}
"""What :attr:`AnalysisSettings.further` says of counts of stained nuclei."""

_HASH_FORMAT = 1


class FrameState(StrEnum):
    """What became of a frame; every frame is in exactly one state."""

    PENDING = "pending"
    COUNTED = "counted"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"


class Recorded(StrEnum):
    """What recording a count changed."""

    NEW = "new"
    """A frame not seen before at this page, or another analysis of a known frame."""
    ALREADY = "already"
    """The frame already had its count under this analysis; nothing changed."""
    REVISED = "revised"
    """The page had other content before, which is superseded now."""


@dataclass(frozen=True, slots=True)
class CellDiameter:
    """The cell diameter of an experiment and where it came from.

    Attributes
    ----------
    value
        In ``unit``.
    origin
        In words that users read, for example ``config`` or ``estimated from 3 frames``.
    """

    value: float
    unit: Literal["px", "um"]
    origin: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment.

    Attributes
    ----------
    t0
        Declared start of ``elapsed_h``, UTC, or None where it was not declared.
    time_zone
        Zone in which naive time stamps of the files are to be read.
    settings
        Whatever else the run was started with, as plain JSON values.
    """

    id: int
    name: str
    time_zone: str
    t0: datetime | None
    frame_interval_min: float | None
    cell_diameter: CellDiameter | None
    settings: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """A watched folder of one experiment; ``folder`` equals ``FrameKey.source``."""

    id: int
    experiment_id: int
    folder: str


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """Everything that decides which cells a frame is said to have.

    The model's name is not part of the identity (a renamed model counts the same), its hash is.
    Runtime, precision and version belong to each count, not to the analysis.

    Attributes
    ----------
    model_sha256
        SHA-256 of the network file.
    channel, z
        Which planes are counted, as canonical text; empty where there is no choice to make.
    detection_rule
        How peaks become cells.
    further
        Whatever else changes a count, for example the model's normalisation; plain JSON values.

    Examples
    --------
    >>> settings = AnalysisSettings("deepdistance", "ab" * 32, 24.0, "px", h=0.1)
    >>> len(settings.analysis_id), settings.analysis_id == settings.analysis_id
    (16, True)
    """

    model_name: str
    model_sha256: str
    cell_diameter: float
    cell_diameter_unit: Literal["px", "um"]
    channel: str = ""
    z: str = ""
    h: float = 0.1
    min_prominence: float = MIN_PROMINENCE
    detection_rule: str = "h-maxima, 8-connected"
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def analysis_id(self) -> str:
        """BLAKE2b-64 in hex over canonical JSON: the same settings give the same id for ever."""
        identity = {
            "format": _HASH_FORMAT,
            "model_sha256": self.model_sha256,
            "cell_diameter": float(self.cell_diameter),
            "cell_diameter_unit": self.cell_diameter_unit,
            "channel": self.channel,
            "z": self.z,
            "h": float(self.h),
            "min_prominence": float(self.min_prominence),
            "detection_rule": self.detection_rule,
            "further": dict(self.further),
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis of one experiment; exactly one of an experiment's analyses is primary."""

    row_id: int
    id: str
    experiment_id: int
    settings: AnalysisSettings
    is_primary: bool
    created_at: datetime


def is_referee(analysis: Analysis) -> bool:
    """Tell whether an analysis counts stained nuclei, as a referee for the counts of cells."""
    return analysis.settings.further.get("role") == NUCLEI_ROLE["role"]


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """A calibration of an analysis' counts by nuclei, with who made it and when (UTC).

    Attributes
    ----------
    nuclei_analysis_id
        The analysis that counted the nuclei.
    """

    calibration: NucleiCalibration
    nuclei_analysis_id: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class KnownPage:
    """What the store knows of the current revision of one page.

    Attributes
    ----------
    content_hash
        None where the page was dealt with (ignored, quarantined) without its pixels being read.
    is_counted
        Whether the analysis that was asked for has a count of it.
    stamp
        The file's stamp when the page was last dealt with.
    """

    state: FrameState
    content_hash: str | None
    is_counted: bool
    stamp: FileStamp | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many frames are in which state; a file whose pages are not known yet is one frame."""

    pending: int = 0
    counted: int = 0
    ignored: int = 0
    quarantined: int = 0
    superseded: int = 0

    @property
    def seen(self) -> int:
        """All of them: seen is nothing but the sum, so that no frame can be unaccounted for."""
        return self.pending + self.counted + self.ignored + self.quarantined + self.superseded


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file (page None) or page that was given up on until it changes, and why."""

    folder: str
    relative_path: bytes
    page: int | None
    reason: str
    attempts: int
    since: datetime

    @property
    def display_path(self) -> str:
        """The relative path as text that is always safe to show."""
        return self.relative_path.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, eq=False)
class FrameCandidates:
    """One frame's candidates; ``frame_id`` is the row's id in :class:`CountColumns`."""

    frame_id: int
    candidates: Candidates


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the monitor says of itself, replaced at every beat.

    Attributes
    ----------
    beat_at, progress_at
        When it last said anything, and when a frame was last dealt with; UTC.
    doing
        In words: ``counting``, ``waiting for new frames`` ...
    engine
        Runtime, precision and device, in words.
    source_states
        Folder -> state in words, for example ``watching`` or ``offline since ...``.
    stopped_at
        Set when the monitor ended in an orderly way.
    """

    pid: int
    host: str
    livecount_version: str
    started_at: datetime
    beat_at: datetime
    progress_at: datetime | None = None
    doing: str = ""
    engine: str = ""
    source_states: Mapping[str, str] = field(default_factory=dict)
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ValidatedField:
    """One frame on which a person clicked every cell.

    Attributes
    ----------
    frame_id
        The row's id in :class:`CountColumns`.
    counted, annotated, true_positives
        Cells that were counted, that were clicked, and pairs of the two.
    clicks_yx
        The clicks, shape (n, 2) as (y, x), float64, in pixels of the frame.
    """

    frame_id: int
    counted: int
    annotated: int
    true_positives: int
    clicks_yx: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Validation:
    """How an analysis' counts agreed with a person's, and over which densities that was seen.

    Attributes
    ----------
    density_unit
        Cells per mm2, or per field where the pixel size is not known.
    density_low, density_high
        Lowest and highest counted density among the fields that were compared.
    pixel_size_um
        Of the fields; it stands for the objective, which files seldom name.
    n_fields
        Fields that a person did, those without cells among them.
    agreement
        Of the fields with cells in both counts, and what the others say against them.
    made_by, made_at
        Who clicked, and when the result was stored (UTC).
    n_not_blind
        Fields whose cells a person checked with those that were found shown.
    """

    model_sha256: str
    h: float
    density_unit: Literal["per mm2", "per field"]
    density_low: float
    density_high: float
    pixel_size_um: float | None
    n_fields: int
    agreement: Agreement
    made_by: str
    made_at: datetime
    n_not_blind: int = 0
