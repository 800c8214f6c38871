"""The cells inside each frame: not in the strip at its edge, nor where another field counts them.

A cell that the edge cuts is seen by its visible part, and whether that is found, and clicked by
people, differs from inside. So only centres at least half a cell diameter from the edge are
counted here, over the area that is left. Where fields of a well overlap, each place counts in the
field whose centre is nearest (:mod:`livecount.field_shares`), so that the cells of a well over its
area are those of the area shown, each place once. Both follow from what is stored: no recount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livecount.experiment import StageAxes
from livecount.field_shares import FieldShare, FieldView, share_out
from livecount.frame import Candidates, FrameCount
from livecount.growth import INSIDE, visit_numbers
from livecount.storage import CountColumns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INSIDE_COLUMNS", "WHOLE_FRAME", "EdgeRule", "Overlap", "add_counts_inside", "places_of"]

INSIDE_COLUMNS: Final = (
    "count_inside",
    "area_inside_mm2",
    "density_inside_per_mm2",
    "edge_guard_px",
    "overlap",
    "curves_from",
)
"""Columns of ``export counts``: the count without edge and overlap, its area, and which of the two
counts the curves are made of (``whole frame`` or ``inside``)."""

WHOLE_FRAME: Final = "whole frame"

_SERIES: Final = ("experiment", "plate", "well", "channel", "analysis_id")
_SIZE: Final = ("height_px", "width_px", "area_mm2")
_STAGE: Final = ("stage_x_um", "stage_y_um")
_FIELD: Final = ("position", "field")


class Overlap:
    """What is known of a frame's overlap with other fields of its well, in words for the user."""

    NONE: Final = "none"
    ONCE: Final = "counted once"
    NO_AXES: Final = "counted twice: set stage_axes in [counting]"
    NO_STAGE: Final = "not known: no stage position"
    NO_PIXEL_SIZE: Final = "not known: no pixel size"
    NO_TIME: Final = "not known: no time"
    SAME_PLACE: Final = "not known: several fields name one stage position"
    PADDED: Final = "not known: part of a field is padding"


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """What is done about edges and overlaps.

    Attributes
    ----------
    for_curves
        Whether curves are made of the counts inside.
    axes
        How the stage's axes lie in the pictures; None where nobody said: overlaps are then not
        shared out, and ``overlap`` says so where there are any.
    """

    for_curves: bool = False
    axes: StageAxes | None = None

    @classmethod
    def of_settings(cls, said: Mapping[str, Any]) -> EdgeRule:
        """Read it from ``edge_guard`` and ``stage_axes``, as settings and experiments keep them."""
        axes = said.get("stage_axes")
        guarded = said.get("edge_guard") == "half-diameter"
        return cls(guarded, StageAxes(*axes.split()) if axes else None)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A frame of the table: its size, and where and when it shows its well; NaN is not known."""

    index: Any
    height_px: int
    width_px: int
    guard_px: float
    is_padded: bool
    um_per_px: float
    stage_x_um: float
    stage_y_um: float
    elapsed_h: float
    field: int

    def view(self, axes: StageAxes) -> FieldView:
        """Give what it shows of the well without the strip at its edge, in um."""
        middle_um = axes.in_picture(self.stage_x_um, self.stage_y_um)
        view_px = self.alone.view
        height_um, width_um = view_px.height * self.um_per_px, view_px.width * self.um_per_px
        return FieldView(middle_um, height_um, width_um)

    @property
    def alone(self) -> FieldShare:
        """Its share where no other field is known, in pixels about its own middle."""
        cut_px = 2 * self.guard_px
        height_px, width_px = max(0.0, self.height_px - cut_px), max(0.0, self.width_px - cut_px)
        return FieldShare(FieldView((0.0, 0.0), height_px, width_px))


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a frame in which cells count; ``unit_px`` is a pixel in the share's unit."""

    frame: _Shown
    share: FieldShare
    unit_px: float

    @property
    def fraction(self) -> float:
        """Its area over that of the frame; a padded frame is taken whole."""
        if self.frame.is_padded:
            return 1.0
        whole = self.frame.height_px * self.frame.width_px * self.unit_px**2
        return self.share.area() / whole

    def count(self, cells: Candidates) -> int:
        """Count the cells in it."""
        if self.frame.is_padded:
            return len(cells)
        centres_px = np.column_stack([cells.y_px, cells.x_px]).astype(np.float64)
        middle_px = ((self.frame.height_px - 1) / 2, (self.frame.width_px - 1) / 2)
        points = (centres_px - middle_px) * self.unit_px + self.share.view.centre_yx
        return int(np.count_nonzero(self.share.holds(points)))


def add_counts_inside(
    table: pd.DataFrame,
    frames: pd.DataFrame,
    cells: Iterable[tuple[Any, Candidates]],
    rule: EdgeRule,
    *,
    each_plane: bool = False,
) -> None:
    """Fill the columns :data:`INSIDE_COLUMNS` of a count table; changed in place.

    Parameters
    ----------
    table
        Columns of ``export counts``, each frame's index its own.
    frames
        A result of :func:`places_of`, with the same index in any order.
    cells
        Index of a frame and its cells at the analysis' h, in any order; frames that the table
        lacks are passed over.
    each_plane
        Whether planes of a z series are curves of their own.

    Notes
    -----
    Frames with padding are taken whole (``edge_guard_px`` 0), as where it lies is not kept. Counts
    that are not used share no area with others. A frame of which nothing is left has no count.
    """
    table["curves_from"] = INSIDE if rule.for_curves else WHOLE_FRAME
    about = table.join(frames)
    about["field_number"] = _numbers(about, _FIELD)
    parts = {
        frame.index: _Part(frame, frame.alone, 1.0)
        for frame in _shown(about)
        if frame.guard_px == frame.guard_px
    }
    overlaps = _share_out(about, parts, rule.axes, each_plane=each_plane)
    counted = {index: parts[index].count(found) for index, found in cells if index in parts}
    fractions = _column(table, {index: parts[index].fraction for index in counted})
    left = fractions > 0
    table["count_inside"] = _column(table, counted).where(left)
    table["area_inside_mm2"] = (about["area_mm2"].astype(float) * fractions).where(left)
    table["density_inside_per_mm2"] = table["count_inside"] / table["area_inside_mm2"]
    table["edge_guard_px"] = _column(table, {index: parts[index].frame.guard_px for index in parts})
    table["overlap"] = [overlaps.get(index, "") for index in table.index]


def places_of(counts: CountColumns | Sequence[FrameCount]) -> pd.DataFrame:
    """Give what places frames in their wells: size, area and stage position, NaN where not known.

    Parameters
    ----------
    counts
        Stored ones, of which the table's index is the frame's id; or counts just made, numbered
        from 0.
    """
    import pandas as pd

    if isinstance(counts, CountColumns):
        stored = {name: getattr(counts, name) for name in (*_SIZE, *_STAGE)}
        return pd.DataFrame(stored, counts.frame_id)
    sizes = {name: [getattr(count, name) for count in counts] for name in _SIZE}
    stage = {name: [getattr(count.attributes, name) for count in counts] for name in _STAGE}
    return pd.DataFrame({**sizes, **stage}).astype(dict.fromkeys(("area_mm2", *_STAGE), float))


def _column(table: pd.DataFrame, values: Mapping[Any, float]) -> pd.Series:
    import pandas as pd

    return pd.Series([values.get(index, np.nan) for index in table.index], table.index, dtype=float)


def _numbers(about: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    keys = [about[name].astype("string").fillna("") for name in names]
    return about.groupby(keys, sort=True).ngroup()


def _shown(about: pd.DataFrame) -> Iterator[_Shown]:
    """Describe the frames of some rows, in the order of fields."""
    um_per_px = about["pixel_size_um"].astype(float)
    diameter = about["cell_diameter"].astype(float)
    in_um = about["cell_diameter_unit"] == "um"
    guard_px = (diameter / um_per_px).where(in_um, diameter) / 2
    is_padded = about["flags"].str.split(";").map(lambda flags: "padding" in flags)
    columns = (
        *(about.index, about["height_px"], about["width_px"], guard_px.where(~is_padded, 0.0)),
        *(is_padded, um_per_px, about["stage_x_um"], about["stage_y_um"]),
        *(about["elapsed_h"].astype(float), about["field_number"]),
    )
    frames = (_Shown(*values) for values in zip(*columns, strict=True))
    return iter(sorted(frames, key=lambda frame: frame.field))


def _share_out(
    about: pd.DataFrame,
    parts: dict[Any, _Part],
    axes: StageAxes | None,
    *,
    each_plane: bool,
) -> dict[Any, str]:
    """Let the fields of each visit to a well share their area; say of each frame what was known."""
    used = about[about["excluded"] == ""]
    said = dict.fromkeys(used.index, Overlap.NONE)
    wells = _numbers(used, (*_SERIES, "z") if each_plane else _SERIES)
    for _, well in used.groupby(wells, sort=False):
        if well["field_number"].nunique() == 1:
            continue
        for visit in _visits(well["elapsed_h"], well["field_number"]):
            frames = [parts[index].frame for index in visit if index in parts]
            trouble = _trouble(frames) if len(frames) == len(visit) else Overlap.NO_PIXEL_SIZE
            if trouble:
                said.update(dict.fromkeys(visit, trouble))
                continue
            for index in _overlapping(frames):
                said[index] = Overlap.NO_AXES if axes is None else Overlap.ONCE
            if axes is not None:
                shares = share_out([frame.view(axes) for frame in frames])
                for frame, share in zip(frames, shares, strict=True):
                    parts[frame.index] = _Part(frame, share, frame.um_per_px)
    return said


def _visits(elapsed_h: pd.Series, fields: pd.Series) -> Iterator[list[Any]]:
    """Give the indices of the frames of each visit to a well; those without a time together."""
    timed = elapsed_h.notna().to_numpy()
    numbers = np.zeros(int(timed.sum()), np.intp)
    if fields[timed].duplicated().any():  # one visit alone tells nothing of their interval
        hours = elapsed_h[timed].to_numpy(float)
        numbers = visit_numbers(hours, fields[timed].to_numpy())
    visits: dict[int, list[Any]] = {}
    for index, number in zip(elapsed_h.index[timed], numbers.tolist(), strict=True):
        visits.setdefault(number, []).append(index)
    yield from visits.values()
    if not timed.all():
        yield list(elapsed_h.index[~timed])


def _trouble(frames: Sequence[_Shown]) -> str:
    """Say why the overlap of a visit's fields cannot be known; "" where it can."""
    if any(np.isnan(frame.elapsed_h) for frame in frames):
        return Overlap.NO_TIME
    if any(frame.is_padded for frame in frames):
        return Overlap.PADDED
    places = np.array([(frame.stage_x_um, frame.stage_y_um) for frame in frames])
    if np.isnan(places).any():
        return Overlap.NO_STAGE
    if any(np.isnan(frame.um_per_px) for frame in frames):
        return Overlap.NO_PIXEL_SIZE
    one, other = np.triu_indices(len(places), 1)
    apart_um = np.hypot(*(places[one] - places[other]).T)
    # A stage that does not move, or is not read, names one place for all fields.
    return Overlap.SAME_PLACE if apart_um.min(initial=np.inf) < frames[0].um_per_px else ""


def _overlapping(frames: Sequence[_Shown]) -> set[Any]:
    """Find the frames of which another one shows a part, whichever way the stage's axes point."""
    stage = np.array([(frame.stage_x_um, frame.stage_y_um) for frame in frames])
    sizes = np.array([(frame.width_px, frame.height_px) for frame in frames])
    sizes = sizes * np.array([[frame.um_per_px] for frame in frames])
    one, other = np.triu_indices(len(frames), 1)
    apart, reach = np.abs(stage[one] - stage[other]), (sizes[one] + sizes[other]) / 2
    met = (apart < reach).all(axis=1) | (apart < reach[:, ::-1]).all(axis=1)
    return {frames[number].index for number in np.concatenate([one[met], other[met]])}
