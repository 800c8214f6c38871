"""From stored cells to the table that people read: one row a cell, with its frame and its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from livecount.arranging import COUNT_COLUMNS
from livecount.frame import CellShapes
from livecount.storage import Analysis, CountReader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

__all__ = ["CELL_COLUMNS", "LEFT_OUT_COLUMNS", "SHAPE_COLUMNS", "cell_chunks", "cell_table"]

_FRAMES_AT_ONCE: Final = 200
CELL_COLUMNS: Final = (*COUNT_COLUMNS[:10], "source", "page", "model", "analysis_id")
"""Columns of ``export cells`` before ``y_px,x_px,score``: those that say which frame it is."""
SHAPE_COLUMNS: Final = (
    "area_px",
    "area_um2",
    "perimeter_px",
    "perimeter_um",
    "aspect_ratio",
    "eccentricity",
    "class",
)
"""Columns of ``export cells`` after those: empty where the frame was not segmented, the cell has no
mask, or, for micrometres, the pixel size is not known. The class is ``bright_rounded`` or
``other``."""
LEFT_OUT_COLUMNS: Final = ("excluded", "excluded_by", "excluded_at")
"""Columns of ``export cells`` at the end, as ``export counts`` has them for the cell's frame: cells
of frames that are not used are in the table too."""


def cell_chunks(
    store: CountReader, analysis: Analysis, counts: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Give every cell of the frames in a count table, some hundred frames at a time.

    A million frames hold more cells than fit the memory: hand this to
    :func:`livecount.export.write_csv_chunks`.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`, which gives the order of frames and what
        names them.

    Yields
    ------
    pandas.DataFrame
        Columns :data:`CELL_COLUMNS`, then ``y_px,x_px,score`` (pixels of the frame, prominence),
        then :data:`SHAPE_COLUMNS` and :data:`LEFT_OUT_COLUMNS`; at least one table, which is empty
        where there is no cell.
    """
    import numpy as np

    for start in range(0, max(len(counts), 1), _FRAMES_AT_ONCE):
        part = counts.iloc[start : start + _FRAMES_AT_ONCE]
        cells = [
            store.candidates(analysis, int(frame_id)).at(analysis.settings.h)
            for frame_id in part.index
        ]
        numbers = [len(found) for found in cells]
        frame_of_cell = np.repeat(np.arange(len(part)), numbers)
        of_frames = part.loc[:, [*CELL_COLUMNS, *LEFT_OUT_COLUMNS]].iloc[frame_of_cell]
        of_frames = of_frames.reset_index(drop=True)
        table = of_frames.loc[:, list(CELL_COLUMNS)]
        for column, name in (("y_px", "y_px"), ("x_px", "x_px"), ("score", "prominence")):
            values = [getattr(found, name) for found in cells]
            table[column] = np.concatenate([np.zeros(0, np.float32), *values])
        segmented = part["confluence_percent"].notna()
        shapes = [
            store.shapes(analysis, int(frame_id)) if segmented[frame_id] else None
            for frame_id in part.index
        ]
        _add_shapes(table, shapes, numbers, part["pixel_size_um"].to_numpy(float, na_value=np.nan))
        for column in LEFT_OUT_COLUMNS:
            table[column] = of_frames[column]
        yield table


def _add_shapes(
    table: pd.DataFrame,
    shapes: Sequence[CellShapes | None],
    numbers: Sequence[int],
    pixel_size_um: npt.NDArray[np.float64],
) -> None:
    """Append the columns of shapes to a table with so many cells of each frame."""
    import numpy as np

    def joined(name: str) -> npt.NDArray[np.float64]:
        parts = [
            np.full(number, np.nan) if one is None else getattr(one, name)[:number]
            for one, number in zip(shapes, numbers, strict=True)
        ]
        return np.concatenate([np.zeros(0), *parts])

    um_per_px = np.repeat(pixel_size_um, numbers)
    area_px, perimeter_px = joined("area_px"), joined("perimeter_px")
    table["area_px"], table["area_um2"] = area_px, area_px * um_per_px**2
    table["perimeter_px"], table["perimeter_um"] = perimeter_px, perimeter_px * um_per_px
    table["aspect_ratio"], table["eccentricity"] = joined("aspect_ratio"), joined("eccentricity")
    words = np.where(joined("is_bright_rounded") > 0, "bright_rounded", "other").astype(object)
    words[np.isnan(area_px)] = None
    table["class"] = words


def cell_table(store: CountReader, analysis: Analysis, counts: pd.DataFrame) -> pd.DataFrame:
    """Give the cells of :func:`cell_chunks` as one table, for few frames."""
    import pandas as pd

    chunks = list(cell_chunks(store, analysis, counts))
    filled = [chunk for chunk in chunks if len(chunk)]
    return pd.concat(filled, ignore_index=True) if filled else chunks[0]
