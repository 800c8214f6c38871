"""Comparing an experiment's counts with what a person clicked on some of its frames.

A folder made by :mod:`livecount.picking` holds copies of frames, a sheet that says which they are,
and, once a person has worked on it, a file of clicks beside each copy.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.centres import (
    FIJI,
    LIVECOUNT,
    NAPARI,
    SHEET_NAME,
    read_numbered_centres,
    read_text,
    refuse_outside,
)
from livecount.errors import AnnotationError
from livecount.scored_fields import CountedField, ScoredFields, score_field
from livecount.storage import Analysis, CountColumns, CountReader

__all__ = [
    "CHECKED_COLUMNS",
    "CLICKS_SUFFIXES",
    "SHEET_COLUMNS",
    "read_sheet",
    "score_fields",
]

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
    _refuse_cut_off(path, rows, reader.fieldnames or ())
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
        No field is done, or the model has learnt from all that are; clicks cannot be understood or
        lie outside their frame, or a frame is not counted by the analysis (any more).
    """
    counts = store.counts(analysis)
    learnt_hashes = store.learnt(analysis.settings.model_sha256)
    known = {content_hash: row for row, content_hash in enumerate(counts.content_hash)}
    fields, not_done, learnt = [], [], []
    for row in rows:
        clicks_path = _clicks_of(folder, row["file"])
        if clicks_path is None:
            not_done.append(row["file"])
            continue
        if row["content_hash"] in learnt_hashes:
            learnt.append(row["file"])
            continue
        if row["content_hash"] not in known:
            raise AnnotationError(
                f"{row['file']} is {row['source']}, which analysis {analysis.id} has not counted "
                "as it was when it was picked",
                hint=f"Take its clicks out of {folder}, or name the analysis with --analysis",
            )
        counted = _of_columns(counts, known[row["content_hash"]], row["file"])
        clicked = _read_clicks(clicks_path, row["file"], counted.shape)
        is_blind = not row.get(CHECKED_COLUMNS[0])
        fields.append(score_field(store, analysis, counted, clicked, is_blind=is_blind))
    if learnt and not fields:
        raise AnnotationError(
            f"Model {analysis.settings.model_name} has learnt from all {len(learnt)} fields in "
            f"{folder} that are done, so that they say nothing of other frames",
            hint="Click others: `livecount validate pick -o FOLDER --seed 2`",
        )
    if not fields:
        raise AnnotationError(
            f"None of the {len(rows)} fields in {folder} is done",
            hint="Save the clicks on NAME.tif as NAME.csv beside it; an empty file says no cells",
        )
    return ScoredFields(analysis, fields, not_done, learnt)


def _refuse_cut_off(
    path: Path, rows: Sequence[Mapping[str, str | None]], names: Sequence[str]
) -> None:
    """Refuse a row with fewer values than columns, as an editor or a full disk leaves it."""
    for number, row in enumerate(rows, start=1):
        cut_off = [name for name in names if row[name] is None]
        if cut_off:
            raise AnnotationError(
                f"{path}, row {number} below the header lacks its {cut_off[0]}",
                hint="Leave it as `livecount validate pick` wrote it",
            )


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


def _of_columns(counts: CountColumns, row: int, name: str) -> CountedField:
    return CountedField(
        name=name,
        frame_id=int(counts.frame_id[row]),
        well=counts.well[row] or "",
        shape=(int(counts.height_px[row]), int(counts.width_px[row])),
        density_per_mm2=float(counts.count[row]) / float(counts.area_mm2[row]),
        pixel_size_um=float(counts.pixel_size_um[row]),
    )


def _read_clicks(path: Path, name: str, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    if not read_text(path).strip():
        return np.empty((0, 2))
    lines, clicked = read_numbered_centres(path, (LIVECOUNT, FIJI, NAPARI))
    refuse_outside(path, lines, clicked, name, shape)
    return clicked
