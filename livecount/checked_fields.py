"""Frames that people looked through on their pages, as fields to validate with and to learn from.

A folder of them is one of :mod:`livecount.picking` whose clicks are there already, and a data set
of :mod:`livecount.annotations`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from livecount.errors import LivecountError, NotInStoreError
from livecount.picking import FrameFiles, of_one_pixel_size
from livecount.storage import Analysis, CountReader, FrameCheck
from livecount.validation import diameter_px

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CheckedFields", "find_checked_fields", "name_of", "write_annotations"]

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
    store: CountReader, analysis: Analysis, table: pd.DataFrame, files: FrameFiles
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
    taken = [int(frame_id) for frame_id in files.without_doubles(of_one_size).index]
    excluded = dict(zip(checked.index.tolist(), checked["excluded"].tolist(), strict=True))
    left_out: dict[str, str] = {}
    for frame_id in said:
        if frame_id in taken:
            continue
        reason = "its pixels are those of another checked frame"
        if frame_id not in excluded:
            reason = "its file holds other pixels by now"
        elif frame_id not in usable.index:
            reason = f"it is not used: {excluded[frame_id]}"
        elif frame_id not in of_one_size.index:
            reason = "its pixel size is another one than that of most checked frames"
        left_out[name_of(store, frame_id)] = reason
    size_um = float(of_one_size["pixel_size_um"].astype(float).iloc[0]) if taken else float("nan")
    return CheckedFields(
        checks={frame_id: said[frame_id] for frame_id in taken},
        centres_yx={frame_id: store.corrected_centres(analysis, frame_id) for frame_id in taken},
        left_out=left_out,
        cell_diameter_px=diameter_px(analysis, "The frames", size_um) if taken else float("nan"),
    )


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
