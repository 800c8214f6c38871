"""Comparing an experiment's counts with what a person clicked on some of its frames.

A folder made by :mod:`livecount.picking` holds copies of frames, a sheet that says which they are,
and, once a person has worked on it, a file of clicks beside each copy.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.agreement import FIELDS_FOR_LIMITS, Agreement, agree
from livecount.centres import (
    FIJI,
    LIVECOUNT,
    NAPARI,
    read_numbered_centres,
    read_text,
    refuse_outside,
)
from livecount.errors import AnnotationError
from livecount.evaluation import FrameScore, score_frame, summarise
from livecount.storage import Analysis, CountColumns, CountReader, ValidatedField, Validation

__all__ = [
    "CHECKED_COLUMNS",
    "CLICKS_SUFFIXES",
    "SHEET_COLUMNS",
    "SHEET_NAME",
    "DensityBias",
    "ScoredField",
    "ScoredFields",
    "diameter_px",
    "read_sheet",
    "score_fields",
]

SHEET_NAME: Final = "fields.csv"
SHEET_COLUMNS: Final = (
    "file",
    "experiment",
    "plate",
    "well",
    "field",
    "position",
    "elapsed_h",
    "pixel_size_um",
    "watched_folder",
    "source",
    "page",
    "content_hash",
)
CHECKED_COLUMNS: Final = ("checked_by", "checked_at")
"""More columns of the sheet where people checked the cells that were found, and saw them."""
CLICKS_SUFFIXES: Final = (".csv", ".centres.csv")
"""The clicks on NAME.tif lie in NAME.csv or NAME.centres.csv."""

_NEEDED: Final = ("file", "experiment", "source", "content_hash")
_THIRDS: Final = ("sparse", "middle", "dense")


@dataclass(frozen=True, slots=True)
class ScoredField:
    """One frame with what a person and what the model saw in it.

    Attributes
    ----------
    file
        The copy's name in the folder.
    score
        Cells counted, clicked and paired.
    kept
        What the database keeps of it.
    density_per_mm2, pixel_size_um
        Of the count; NaN where the pixel size is not known.
    is_blind
        Whether the cells were clicked without showing those that were found.
    """

    file: str
    well: str
    score: FrameScore
    kept: ValidatedField
    density_per_mm2: float
    pixel_size_um: float
    is_blind: bool = True


@dataclass(frozen=True, slots=True)
class DensityBias:
    """How counts agree in a third of the fields, from sparse to dense."""

    name: str
    cells_low: int
    cells_high: int
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class ScoredFields:
    """All fields that a person did.

    Attributes
    ----------
    not_done
        Copies without a file of clicks.
    """

    analysis: Analysis
    fields: list[ScoredField]
    not_done: list[str] = field(default_factory=list)

    @property
    def scores(self) -> list[FrameScore]:
        """The fields' scores."""
        return [each.score for each in self.fields]

    @property
    def agreement(self) -> Agreement:
        """How the counts agree with the clicks."""
        return agree((score.detected, score.annotated) for score in self.scores)

    @property
    def summary(self) -> dict[str, float | int | None]:
        """What :func:`livecount.evaluation.summarise` says of all fields together."""
        return summarise(self.scores)

    @property
    def by_density(self) -> list[DensityBias]:
        """The agreement in the sparse, the middle and the dense third of the fields.

        Ordered by the geometric mean of both counts: ordering by one of them would itself make a
        bias at the ends (Bland & Altman, Lancet 346, 1085, 1995). Empty below three fields.
        """
        both = [score for score in self.scores if score.detected and score.annotated]
        if len(both) < len(_THIRDS):
            return []
        ordered = sorted(both, key=lambda score: score.detected * score.annotated)
        parts = np.array_split(np.arange(len(ordered)), len(_THIRDS))
        return [
            _density_bias(name, [ordered[i] for i in part])
            for name, part in zip(_THIRDS, parts, strict=True)
        ]

    @property
    def n_not_blind(self) -> int:
        """How many fields were checked with the cells that were found shown."""
        return sum(not each.is_blind for each in self.fields)

    @property
    def sentence(self) -> str:
        """Say in one line whether the counts can be trusted, and where that was seen."""
        if not self.n_not_blind:
            return self._found
        return (
            f"{self._found}; {self.n_not_blind} of {len(self.fields)} fields were not clicked "
            "blind: who checked them saw what was counted, so the true bias may be larger"
        )

    @property
    def _found(self) -> str:
        cells = [score.annotated for score in self.scores]
        span = f"{min(cells)} to {max(cells)} cells per field"
        found = self.agreement
        if found.bias_percent is None:
            return f"no field has both counted and clicked cells ({len(cells)} fields, {span})"
        without = len(cells) - found.n
        rest = f" ({without} more without cells in either)" if without else ""
        if found.limits_percent is None:
            return (
                f"bias {found.bias_percent:+.1f} % over {found.n} fields, {span}{rest}: too few "
                f"for limits of agreement, {FIELDS_FOR_LIMITS} are needed"
            )
        low, high = found.limits_percent
        return (
            f"bias {found.bias_percent:+.1f} % (95 % limits of agreement {low:+.0f} % to "
            f"{high:+.0f} %) over {found.n} fields, {span}{rest}"
        )

    def validation(self, made_by: str) -> Validation:
        """Give what the database keeps of the comparison.

        Raises
        ------
        AnnotationError
            The fields were taken at different pixel sizes.
        """
        sizes = np.array([each.pixel_size_um for each in self.fields])
        densities = np.array([each.density_per_mm2 for each in self.fields])
        per_area = not np.isnan(densities).any()
        if np.isnan(sizes).any() != np.isnan(sizes).all() or sizes.max() > 1.02 * sizes.min():
            raise AnnotationError(
                "The fields were taken at different pixel sizes",
                hint="Validate each objective by itself: take the others' clicks out of the folder",
            )
        spanned = densities if per_area else np.array([each.score.detected for each in self.fields])
        return Validation(
            model_sha256=self.analysis.settings.model_sha256,
            h=self.analysis.settings.h,
            density_unit="per mm2" if per_area else "per field",
            density_low=float(spanned.min()),
            density_high=float(spanned.max()),
            pixel_size_um=float(sizes[0]) if per_area else None,
            n_fields=len(self.fields),
            agreement=self.agreement,
            made_by=made_by,
            made_at=datetime.now(UTC),
            n_not_blind=self.n_not_blind,
        )


def read_sheet(folder: Path) -> tuple[str, list[dict[str, str]]]:
    """Read which frames the copies in a folder are.

    Returns
    -------
    experiment
        Their experiment's name.
    rows
        One for each copy, by column name.

    Raises
    ------
    AnnotationError
        There is no sheet, or it lacks a column, a row or one experiment.
    """
    path = folder / SHEET_NAME
    if not path.is_file():
        raise AnnotationError(
            f"{folder} holds no {SHEET_NAME}",
            hint="Make the folder with `livecount validate pick -o FOLDER`",
        )
    reader = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    rows = [] if missing else list(reader)
    experiments = {_unguarded(row["experiment"]) for row in rows}
    frames = {row["content_hash"] for row in rows}
    if missing or len(experiments) != 1 or len(frames) != len(rows):
        what = f"lacks the columns {', '.join(missing)}" if missing else "was changed"
        raise AnnotationError(
            f"{path} {what}", hint="Leave it as `livecount validate pick` wrote it"
        )
    return experiments.pop(), rows


def score_fields(
    store: CountReader, analysis: Analysis, folder: Path, rows: Sequence[dict[str, str]]
) -> ScoredFields:
    """Compare the clicks in a folder with an analysis' stored cells, one to one.

    A click and a counted cell may be the same where they lie closer than half a cell diameter.

    Parameters
    ----------
    rows
        A result of :func:`read_sheet`.

    Raises
    ------
    AnnotationError
        No field is done, clicks cannot be understood or lie outside their frame, or a frame is not
        counted by the analysis (any more).
    """
    counts = store.counts(analysis)
    known = {content_hash: row for row, content_hash in enumerate(counts.content_hash)}
    fields, not_done = [], []
    for row in rows:
        clicks_path = _clicks_of(folder, row["file"])
        if clicks_path is None:
            not_done.append(row["file"])
            continue
        if row["content_hash"] not in known:
            raise AnnotationError(
                f"{row['file']} is {row['source']}, which analysis {analysis.id} has not counted "
                "as it was when it was picked",
                hint=f"Take its clicks out of {folder}, or name the analysis with --analysis",
            )
        frame = known[row["content_hash"]]
        scored = _score(store, analysis, counts, frame, row["file"], clicks_path)
        is_blind = not row.get(CHECKED_COLUMNS[0])
        fields.append(scored if is_blind else replace(scored, is_blind=False))
    if not fields:
        raise AnnotationError(
            f"None of the {len(rows)} fields in {folder} is done",
            hint="Save the clicks on NAME.tif as NAME.csv beside it; an empty file says no cells",
        )
    return ScoredFields(analysis, fields, not_done)


def _unguarded(text: str) -> str:
    """Take away the apostrophe that CSV files of livecount put before what looks like a formula."""
    return text[1:] if text[:1] == "'" and text[1:2] in "=+-@" else text


def _clicks_of(folder: Path, name: str) -> Path | None:
    stem = Path(name).stem
    found = [path for suffix in CLICKS_SUFFIXES if (path := folder / (stem + suffix)).is_file()]
    if len(found) > 1:
        raise AnnotationError(
            f"{found[0]} and {found[1].name} both hold clicks on {name}",
            hint="Keep the one that is right",
        )
    return found[0] if found else None


def _score(
    store: CountReader,
    analysis: Analysis,
    counts: CountColumns,
    row: int,
    name: str,
    clicks_path: Path,
) -> ScoredField:
    shape = (int(counts.height_px[row]), int(counts.width_px[row]))
    clicked = _read_clicks(clicks_path, name, shape)
    frame_id, size_um = int(counts.frame_id[row]), float(counts.pixel_size_um[row])
    cells = store.candidates(analysis, frame_id).at(analysis.settings.h)
    score = score_frame(
        name,
        np.column_stack([cells.y_px, cells.x_px]),
        clicked,
        shape,
        radius_px=diameter_px(analysis, name, size_um) / 2,
    )
    kept = ValidatedField(frame_id, score.detected, score.annotated, score.tp_assignment, clicked)
    density = score.detected / float(counts.area_mm2[row])
    return ScoredField(name, counts.well[row] or "", score, kept, density, size_um)


def _read_clicks(path: Path, name: str, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    if not read_text(path).strip():
        return np.empty((0, 2))
    lines, clicked = read_numbered_centres(path, (LIVECOUNT, FIJI, NAPARI))
    refuse_outside(path, lines, clicked, name, shape)
    return clicked


def diameter_px(analysis: Analysis, name: str, pixel_size_um: float) -> float:
    """Give the cell diameter, in pixels, with which an analysis counts a frame.

    Parameters
    ----------
    name
        Of the frame, for the message.
    pixel_size_um
        NaN where it is not known.

    Raises
    ------
    AnnotationError
        The diameter is in micrometres and the pixel size is not known.
    """
    settings = analysis.settings
    if settings.cell_diameter_unit == "px":
        return settings.cell_diameter
    if np.isnan(pixel_size_um):
        raise AnnotationError(f"{name}: the pixel size of its frame is not known any more")
    return settings.cell_diameter / pixel_size_um


def _density_bias(name: str, scores: Sequence[FrameScore]) -> DensityBias:
    cells = [score.annotated for score in scores]
    pairs = [(score.detected, score.annotated) for score in scores]
    return DensityBias(name, min(cells), max(cells), agree(pairs))
