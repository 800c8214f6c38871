"""What a person and what the model saw in the same frames, and how far the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.agreement import FIELDS_FOR_LIMITS, Agreement, agree
from livecount.errors import AnnotationError
from livecount.evaluation import FrameScore, score_frame, summarise
from livecount.storage import Analysis, CountReader, ValidatedField, Validation

__all__ = [
    "CountedField",
    "DensityBias",
    "ScoredField",
    "ScoredFields",
    "diameter_px",
    "score_field",
]

_THIRDS: Final = ("sparse", "middle", "dense")
_FIELDS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class CountedField:
    """A counted frame that a person's cells are compared with.

    Attributes
    ----------
    name
        By which people know it.
    shape
        (height, width) in pixels.
    density_per_mm2, pixel_size_um
        Of the count; NaN where the pixel size is not known.
    """

    name: str
    frame_id: int
    well: str
    shape: tuple[int, int]
    density_per_mm2: float
    pixel_size_um: float


@dataclass(frozen=True, slots=True)
class ScoredField:
    """One frame with what a person and what the model saw in it.

    Attributes
    ----------
    file
        The copy's name in the folder, or the frame's own.
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
    learnt
        Copies that are left out, since the model has learnt from their frames.
    """

    analysis: Analysis
    fields: list[ScoredField]
    not_done: list[str] = field(default_factory=list)
    learnt: list[str] = field(default_factory=list)

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
        parts = [self._found]
        if self._one_sided:
            parts.append(self._said_of_one_sided)
        if self.n_not_blind:
            parts.append(
                f"{self.n_not_blind} of {len(self.fields)} fields were not clicked blind: who "
                "checked them saw what was counted, so the true bias may be larger"
            )
        return "; ".join(parts)

    @property
    def _n_empty(self) -> int:
        return sum(not score.detected and not score.annotated for score in self.scores)

    @property
    def _one_sided(self) -> list[ScoredField]:
        """The fields with cells in one count alone, those with most of them first."""
        found = [
            each for each in self.fields if (each.score.detected > 0) != (each.score.annotated > 0)
        ]
        return sorted(found, key=lambda each: -max(each.score.detected, each.score.annotated))

    @property
    def _said_of_one_sided(self) -> str:
        fields = self._one_sided
        named = ", ".join(
            f"{each.file} ({each.score.detected} counted, {each.score.annotated} seen)"
            for each in fields[:_FIELDS_NAMED]
        )
        more = f" and {len(fields) - _FIELDS_NAMED} more" if len(fields) > _FIELDS_NAMED else ""
        said = f"cells in one count alone in {named}{more}"
        why = self.agreement.contradiction
        return f"{said}: {why}, so this validates no count" if why else said

    @property
    def _found(self) -> str:
        found = self.agreement
        compared = [score for score in self.scores if score.detected and score.annotated]
        cells = [score.annotated for score in compared or self.scores]
        span = f"{min(cells)} to {max(cells)} cells per field"
        if found.bias_percent is None:
            return f"no field has both counted and clicked cells ({len(cells)} fields, {span})"
        rest = f" ({self._n_empty} more without cells in either)" if self._n_empty else ""
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
        counted = np.array([each.score.detected for each in self.fields])
        spanned = (densities if per_area else counted)[self._is_spanned()]
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

    def _is_spanned(self) -> npt.NDArray[np.bool_]:
        """Tell which fields the validated range spans: those compared; all where there are none.

        Fields that both call empty extend it to 0: the fewest cells then lie between densities
        that were looked at. Not where another field has cells in one count alone: low counts are
        then seen to be unsure.
        """
        counted = np.array([score.detected for score in self.scores])
        annotated = np.array([score.annotated for score in self.scores])
        both = (counted > 0) & (annotated > 0)
        if not both.any():
            return np.ones(len(both), np.bool_)
        return both if self._one_sided else both | ((counted == 0) & (annotated == 0))


def score_field(
    store: CountReader,
    analysis: Analysis,
    field: CountedField,
    clicked: npt.NDArray[np.float64],
    *,
    is_blind: bool,
) -> ScoredField:
    """Compare the cells that an analysis counted on a frame with a person's, one to one.

    Parameters
    ----------
    clicked
        The person's cells, shape (n, 2) as (y, x), pixels.
    is_blind
        Whether the person saw the bare frame.

    Raises
    ------
    AnnotationError
        The cell diameter is in micrometres and the pixel size is not known.
    """
    cells = store.candidates(analysis, field.frame_id).at(analysis.settings.h)
    score = score_frame(
        field.name,
        np.column_stack([cells.y_px, cells.x_px]),
        clicked,
        field.shape,
        radius_px=diameter_px(analysis, field.name, field.pixel_size_um) / 2,
    )
    kept = ValidatedField(
        field.frame_id, score.detected, score.annotated, score.tp_assignment, clicked
    )
    return ScoredField(
        file=field.name,
        well=field.well,
        score=score,
        kept=kept,
        density_per_mm2=field.density_per_mm2,
        pixel_size_um=field.pixel_size_um,
        is_blind=is_blind,
    )


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
