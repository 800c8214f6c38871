"""Tables as the sheets of one Excel file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livecount.errors import LivecountError
from livecount.export import guard_text

if TYPE_CHECKING:
    import pandas as pd
    from xlsxwriter.workbook import Workbook

__all__ = ["MOST_ROWS", "write_workbook"]

MOST_ROWS: Final = 1_048_575
"""Rows of an Excel sheet below its header."""
_MOST_LETTERS: Final = 32_767


def write_workbook(sheets: Mapping[str, Iterable[pd.DataFrame]], path: Path) -> dict[str, int]:
    """Write tables as sheets; the file appears whole or not at all.

    Times are dates in UTC, absent values empty cells, and text is text: none is run as a formula.

    Parameters
    ----------
    sheets
        Name of a sheet to its table in parts, of which the first names the columns; one part at a
        time is in memory.

    Returns
    -------
    dict
        Name to number of rows, without the header.

    Raises
    ------
    LivecountError
        A table has more rows than a sheet holds, or the file cannot be written.
    """
    import xlsxwriter

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".livecount-") as folder:
            made = Path(folder) / "made.xlsx"
            options = {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "default_date_format": "yyyy-mm-dd hh:mm:ss",
                "tmpdir": folder,
            }
            with xlsxwriter.Workbook(str(made), options) as book:
                rows = {name: _write(book, name, parts, path) for name, parts in sheets.items()}
            made.chmod(0o644)
            made.replace(path)
    except (OSError, xlsxwriter.exceptions.FileCreateError) as error:
        raise LivecountError(
            f"{path} cannot be written: {getattr(error, 'strerror', None) or error}",
            hint="Close it in other programs, or choose another file",
        ) from error
    return rows


def _write(book: Workbook, name: str, parts: Iterable[pd.DataFrame], path: Path) -> int:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    row = 0
    for number, part in enumerate(parts):
        if number == 0:
            for column, title in enumerate(part.columns):
                sheet.write_string(0, column, guard_text(str(title)), bold)
        if row + len(part) > MOST_ROWS:
            raise LivecountError(
                f"{path} cannot hold {name}: an Excel sheet ends after {MOST_ROWS} rows",
                hint=f"Write them as CSV: livecount export {name} -o {name}.csv",
            )
        for record in part.itertuples(index=False, name=None):
            row += 1
            for column, value in enumerate(record):
                _write_cell(sheet, row, column, value)
    return row


def _write_cell(sheet: Any, row: int, column: int, value: Any) -> None:
    import pandas as pd

    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return
    if isinstance(value, pd.Timestamp):
        naive = value.tz_convert("UTC").tz_localize(None) if value.tzinfo else value
        sheet.write_datetime(row, column, naive.to_pydatetime(warn=False))
    elif isinstance(value, str):
        sheet.write_string(row, column, guard_text(value)[:_MOST_LETTERS])
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif value in (float("inf"), float("-inf")):
        sheet.write_string(row, column, str(value))
    else:
        sheet.write_number(row, column, float(value))
