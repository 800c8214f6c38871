"""Frames that people looked through on their pages, as fields to validate with and to learn from.

A folder of them is one of :mod:`livecount.picking` whose clicks are there already, and a data set
of :mod:`livecount.annotations`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from livecount.errors import LivecountError, NotInStoreError
from livecount.picking import of_one_pixel_size
from livecount.scattering import scattered
from livecount.scored_fields import CountedField, ScoredFields, diameter_px, score_field
from livecount.storage import Analysis, CountReader, FrameCheck

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CheckedFields",
    "DensityOrder",
    "fields_to_check",
    "find_checked_fields",
    "name_of",
    "order_by_density",
    "score_checked_fields",
    "write_annotations",
]

_CARD: Final = """\
# Frames whose cells people checked on the frame page, with those that were found shown.
name = {name}
cell_diameter_px = {diameter_px}
match_radius_px = {radius_px}
"""


@dataclass(frozen=True, slots=True, eq=False)
class CheckedFields:
    """The checked frames of an analysis.

    Attributes
    ----------
    checks
        Frame id -> who said when that every cell is right, in the order of saying.
    centres_yx
        Frame id -> the cells with the corrections that hold, shape (n, 2), pixels.
    left_out
        Name of each frame that is not taken, and why.
    cell_diameter_px
        That the analysis counted with; NaN where nothing is taken.
    """

    checks: dict[int, FrameCheck]
    centres_yx: dict[int, npt.NDArray[np.float64]]
    left_out: dict[str, str]
    cell_diameter_px: float


def find_checked_fields(
    store: CountReader, analysis: Analysis, table: pd.DataFrame
) -> CheckedFields:
    """Find the frames of which somebody says that every cell is right.

    Parameters
    ----------
    table
        The columns of ``export counts`` of this analysis, index the frame's id. Frames that are
        excluded or replaced are left out, those of another pixel size than most of the others, and
        all but the first of those with the same pixels.

    Raises
    ------
    NotInStoreError
        There is none.
    """
    said = {one.frame_id: one for one in store.checked_frames(analysis)}
    if not said:
        raise NotInStoreError(
            f"No frame of analysis {analysis.id} is checked",
            hint="Press `Every cell of this frame is right now` on the pages of some frames",
        )
    checked = table.loc[[frame_id for frame_id in said if frame_id in table.index]]
    usable = checked[checked["excluded"] == ""]
    of_one_size = of_one_pixel_size(usable)
    hashes = [store.frame(int(frame_id)).key.content_hash for frame_id in of_one_size.index]
    taken = of_one_size[~of_one_size.assign(pixels=hashes)["pixels"].duplicated()]
    excluded = dict(zip(checked.index.tolist(), checked["excluded"].tolist(), strict=True))
    left_out: dict[str, str] = {}
    for frame_id in said:
        if frame_id in taken.index:
            continue
        reason = "its pixels are those of another checked frame"
        if frame_id not in excluded:
            reason = "its file holds other pixels by now"
        elif frame_id not in usable.index:
            reason = f"it is not used: {excluded[frame_id]}"
        elif frame_id not in of_one_size.index:
            reason = "its pixel size is another one than that of most checked frames"
        left_out[name_of(store, frame_id)] = reason
    size_um = float(taken["pixel_size_um"].astype(float).iloc[0]) if len(taken) else float("nan")
    return CheckedFields(
        checks={int(frame_id): said[int(frame_id)] for frame_id in taken.index},
        centres_yx={
            int(frame_id): store.corrected_centres(analysis, int(frame_id))
            for frame_id in taken.index
        },
        left_out=left_out,
        cell_diameter_px=diameter_px(analysis, "The frames", size_um) if len(taken) else size_um,
    )


def score_checked_fields(
    store: CountReader, analysis: Analysis, table: pd.DataFrame
) -> ScoredFields:
    """Compare an analysis' counts with the cells of the frames that people checked.

    Parameters
    ----------
    table
        As for :func:`find_checked_fields`.

    Raises
    ------
    NotInStoreError
        No checked frame can be used.
    AnnotationError
        The cell diameter is in micrometres and the pixel size is not known.
    """
    found = _without_learnt(store, analysis, find_checked_fields(store, analysis, table))
    if not found.checks:
        name, why = next(iter(found.left_out.items()))
        raise NotInStoreError(
            f"None of the {len(found.left_out)} checked frames is used; {name}: {why}",
            hint="Check others, or put back what was excluded",
        )
    density_per_mm2, pixel_size_um = (
        dict(zip(table.index.tolist(), table[name].astype(float), strict=True))
        for name in ("density_per_mm2", "pixel_size_um")
    )
    fields = []
    for frame_id, centres_yx in found.centres_yx.items():
        frame = store.frame(frame_id)
        field = CountedField(
            name=name_of(store, frame_id),
            frame_id=frame_id,
            well=frame.well or "",
            shape=(frame.height_px, frame.width_px),
            density_per_mm2=density_per_mm2[frame_id],
            pixel_size_um=pixel_size_um[frame_id],
        )
        fields.append(score_field(store, analysis, field, centres_yx, is_blind=False))
    return ScoredFields(analysis, fields, list(found.left_out))


def _without_learnt(store: CountReader, analysis: Analysis, found: CheckedFields) -> CheckedFields:
    """Leave out frames that the analysis' model has learnt from: it agrees with those anyway."""
    hashes = store.learnt(analysis.settings.model_sha256)
    learnt = {one for one in found.checks if store.frame(one).key.content_hash in hashes}
    reasons = {name_of(store, one): "the model has learnt from it" for one in learnt}
    return replace(
        found,
        checks={one: check for one, check in found.checks.items() if one not in learnt},
        centres_yx={one: yx for one, yx in found.centres_yx.items() if one not in learnt},
        left_out=found.left_out | reasons,
    )


@dataclass(frozen=True, slots=True, eq=False)
class DensityOrder:
    """Frames that can be used, from sparse to dense.

    Attributes
    ----------
    frame_id, density, well
        Shape (n,), int64, float64 and int64; the density is the count where no pixel size is known,
        and ``well`` a number for each plate and well.
    """

    frame_id: npt.NDArray[np.int64]
    density: npt.NDArray[np.float64]
    well: npt.NDArray[np.int64]


def order_by_density(table: pd.DataFrame) -> DensityOrder:
    """Order frames by their density.

    Parameters
    ----------
    table
        The columns ``plate``, ``well``, ``count``, ``density_per_mm2``, ``pixel_size_um`` and
        ``excluded`` of ``export counts``, index the frame's id; excluded frames are left out, and
        those of another pixel size than most.
    """
    usable = of_one_pixel_size(table[table["excluded"] == ""])
    if usable.empty:
        return DensityOrder(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
    density = usable["density_per_mm2"].astype(float)
    if density.isna().any():
        density = usable["count"].astype(float)
    frame_id = np.asarray(usable.index, np.int64)
    values = np.asarray(density, np.float64)
    order = np.lexsort([frame_id, values])
    places = usable[["plate", "well"]].astype("string").fillna("")
    well = np.asarray(places.groupby(["plate", "well"]).ngroup(), np.int64)
    return DensityOrder(frame_id[order], values[order], well[order])


def fields_to_check(
    frames: DensityOrder, n: int, checked: Collection[int]
) -> list[npt.NDArray[np.int64]]:
    """Give of each part of the frames, from sparse to dense, those checked, else one to check.

    What is suggested depends on the counts and on what is checked alone: everybody sees the same
    frames, and most stay suggested while more frames are counted. In the sparsest part it is the
    sparsest frame, in the densest the densest, so that no later count of the same range lies
    outside; in the others it is a frame of the part's own well, where that has one there.

    Parameters
    ----------
    n
        How many parts; fewer where there are not so many frames.
    checked
        Frames of which somebody said that every cell is right.

    Returns
    -------
    list of numpy.ndarray
        Of each part the frames' ids, shape (k,), int64, k >= 1.
    """
    is_done = np.isin(frames.frame_id, np.fromiter(checked, np.int64, len(checked)))
    parts = [part for part in np.array_split(np.arange(len(is_done)), n) if len(part)]
    n_wells = int(frames.well.max(initial=0)) + 1
    stride = max(1, n_wells // n)
    found = []
    for number, part in enumerate(parts):
        taken = part[is_done[part]]
        if not len(taken):
            open_to = part
            if number in (0, len(parts) - 1):
                end = frames.density[-1 if number else 0]
                open_to = part[frames.density[part] == end]
            wells_away = (frames.well[open_to] - number * stride) % n_wells
            nearest = open_to[wells_away == wells_away.min()]
            taken = nearest[[np.argmin(scattered(frames.frame_id[nearest]))]]
        found.append(frames.frame_id[taken])
    return found


def name_of(store: CountReader, frame_id: int) -> str:
    """Give a frame's path below its watched folder, with its page where there are several."""
    key = store.frame(frame_id).key
    return f"{key.display_path}, page {key.page}" if key.page else key.display_path


def write_annotations(
    fields: CheckedFields, names: Mapping[int, str], folder: Path, title: str
) -> None:
    """Write where the cells of copied frames are, and the ``dataset.toml`` that describes them.

    Parameters
    ----------
    names
        Frame id -> name of its copy in the folder.
    title
        Name of the data set.

    Raises
    ------
    LivecountError
        A file cannot be written.
    """
    texts = {"dataset.toml": _card(fields.cell_diameter_px, title)}
    for frame_id, name in names.items():
        rows = (f"{y_px!r},{x_px!r}\n" for y_px, x_px in fields.centres_yx[frame_id].tolist())
        texts[f"{Path(name).stem}.centres.csv"] = "y_px,x_px\n" + "".join(rows)
    for name, text in texts.items():
        try:
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise LivecountError(
                f"{folder / name} cannot be written: {error.strerror or error}",
                hint="Choose another folder",
            ) from error


def _card(cell_diameter_px: float, title: str) -> str:
    # What JSON escapes is escaped alike in TOML, which also wants DEL escaped.
    name = json.dumps(title, ensure_ascii=False).replace("\x7f", "\\u007f")
    radius_px = cell_diameter_px / 2
    return _CARD.format(name=name, diameter_px=cell_diameter_px, radius_px=radius_px)
