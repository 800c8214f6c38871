"""Tables and masks on disk: CSV that spreadsheets, R and scripts read alike, and 16-bit PNG.

UTF-8, comma separated, times ISO 8601 in UTC, absent values empty (never 0). Text that a
spreadsheet would take for a formula gets a leading apostrophe; numbers are left alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from livecount.errors import LivecountError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

__all__ = ["guard_text", "write_csv", "write_csv_chunks", "write_masks", "write_text_atomically"]

_MOST_MASKS: Final = 65_535
_WHOLE: Final = (
    "time_point",
    "z",
    "page",
    "count",
    "count_low",
    "count_high",
    "count_inside",
    "bright_rounded_count",
    "corrected_count",
)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def guard_text(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Examples
    --------
    >>> guard_text("=HYPERLINK(1)"), guard_text("A1"), guard_text(-1.5)
    ("'=HYPERLINK(1)", 'A1', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; the file appears whole or not at all.

    Raises
    ------
    LivecountError
        The file cannot be written.
    """
    write_csv_chunks([table], path)


def write_csv_chunks(chunks: Iterable[pd.DataFrame], path: Path) -> int:
    """Write tables with the same columns as one CSV, holding one of them in memory at a time.

    Parameters
    ----------
    chunks
        The first one's columns are the header, also where it has no row.

    Returns
    -------
    int
        Number of rows written, without the header.

    Raises
    ------
    LivecountError
        The file cannot be written; it then stays as it was, as it does where ``chunks`` fails.
    """
    rows = 0
    with _appearing_whole(path) as file:
        for number, chunk in enumerate(chunks):
            text = _ready(chunk).to_csv(
                index=False, header=number == 0, lineterminator="\n", float_format=_shortest
            )
            file.write(text.encode("utf-8", "backslashreplace"))
            rows += len(chunk)
    return rows


def _ready(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    ready = table.copy()
    titles = list(table.columns)
    ready.columns = list(range(len(titles)))  # several columns may bear one title
    for name, title in enumerate(titles):
        column = ready[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            ready[name] = column.map(_iso_utc, na_action="ignore")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            ready[name] = column.map(_text, na_action="ignore").astype(object)
        elif pd.api.types.is_float_dtype(column.dtype) and _whole(column, title):
            ready[name] = column.astype("Int64")
    ready.columns = [guard_text(title) for title in titles]
    return ready


def _whole(column: pd.Series, title: object) -> bool:
    """Tell whether a float column only became float because some of its integers are absent."""
    return title in _WHOLE and bool((column.dropna() % 1 == 0).all())


def _shortest(value: object) -> str:
    return f"{value:.10g}"


def _iso_utc(stamp: pd.Timestamp) -> str:
    return stamp.tz_convert("UTC").isoformat().replace("+00:00", "Z")


def _text(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return _iso_utc(value)
    return guard_text(value)


def write_masks(labels: npt.NDArray[np.integer[Any]], path: Path) -> None:
    """Write labels as a grey PNG of 16 bits, as annotated masks are kept; it appears whole.

    Parameters
    ----------
    labels
        Shape (y, x); 0 where there is no cell.

    Raises
    ------
    LivecountError
        There are more cells than 16 bits can number, or the file cannot be written.
    """
    import imagecodecs

    n_cells = int(labels.max(initial=0))
    if n_cells > _MOST_MASKS:
        raise LivecountError(
            f"{path}: {n_cells} cells are too many for masks of 16 bits",
            hint="Cut the image into parts",
        )
    with _appearing_whole(path) as file:
        file.write(imagecodecs.png_encode(labels.astype("u2")))


def write_text_atomically(text: str, path: Path) -> None:
    """Write a text file through a temporary name beside it, so that no reader sees a part.

    Raises
    ------
    LivecountError
        The file cannot be written.
    """
    with _appearing_whole(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def _appearing_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place once all is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".livecount-")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LivecountError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Close it in other programs, or choose another file",
        ) from error
