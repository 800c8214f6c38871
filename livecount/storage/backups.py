"""Copies of the database that can be trusted: taken while it is in use, and verified.

Copying the file alone would lose what is still in its write-ahead log; SQLite's own backup takes
both, and each copy is compared with the original before it gets its name.
"""

from __future__ import annotations

import filecmp
import os
import re
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from livecount.errors import StoreError
from livecount.storage.database import plain_errors

__all__ = [
    "back_up",
    "back_up_beside",
    "backup_folder",
    "free_name",
    "kept_backups",
    "take_backup",
]

_STAMP = "%Y%m%dT%H%M%SZ"


def backup_folder(database: Path) -> Path:
    """Name the folder beside a database that its backups go to where no other is set."""
    return database.with_name(f"{database.stem}.backups")


def kept_backups(database: Path, folder: Path) -> list[tuple[datetime, Path]]:
    """List a database's dated backups in a folder, oldest first.

    Returns
    -------
    list of (datetime, Path)
        When each was taken (UTC, from its name), and the file.
    """
    name = re.compile(
        rf"{re.escape(database.stem)}\.(\d{{8}}T\d{{6}}Z){re.escape(database.suffix)}"
    )
    found = []
    with suppress(OSError):
        for path in folder.iterdir():
            if match := name.fullmatch(path.name):
                with suppress(ValueError):
                    taken_at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
                    found.append((taken_at, path))
    return sorted(found)


def take_backup(database: Path, folder: Path, keep: int) -> Path:
    """Put a dated, verified copy of a database into a folder and remove the oldest ones.

    Parameters
    ----------
    folder
        Made where it is missing.
    keep
        How many dated copies of this database stay, at least 1; other files are left alone.

    Returns
    -------
    Path
        The copy; it appears only when whole.

    Raises
    ------
    StoreError
        It could not be written or verified; older copies are then kept.
    """
    stamp = datetime.now(UTC).strftime(_STAMP)
    destination = folder / f"{database.stem}.{stamp}{database.suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder for backups {folder} cannot be made: {error}",
            hint="Name another with `folder` in [backup]",
        ) from error
    back_up(database, destination)
    for _, old in kept_backups(database, folder)[: -max(1, keep)]:
        if old == destination:  # the clock went back, so that it sorts among the old ones
            continue
        with suppress(OSError):
            old.unlink()
    return destination


def back_up(database: Path, destination: Path) -> None:
    """Copy a database that may be in use, write-ahead log included, and verify the copy.

    Parameters
    ----------
    destination
        Appears only when whole; what has this name already is replaced.

    Raises
    ------
    StoreError
        There is no such database, the disk is full, or the copy differs from the original or is
        damaged.
    """
    unfinished = destination.with_name(destination.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        with plain_errors(database):
            problem = _copy(database, unfinished)
        if problem:
            raise StoreError(
                f"The backup of {database} could not be verified ({problem})",
                hint="Check the disk and free space; the database was not changed",
            )
        _flush(unfinished)
        unfinished.replace(destination)
    except OSError as error:
        raise StoreError(
            f"The backup {destination} cannot be written: {error}",
            hint="Check that its folder exists, that you may write to it, and the free space",
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def back_up_beside(database: Path, label: str) -> Path:
    """Copy a database beside itself under a label, or find that an equal copy lies there already.

    What tries the same again and again, as an upgrade that a full disk ends, thus leaves one copy.

    Returns
    -------
    Path
        The copy: ``NAME.LABEL.db``, or ``NAME.LABEL-2.db`` and so on.

    Raises
    ------
    StoreError
        As for :func:`back_up`.
    """
    destination = free_name(database, label)
    back_up(database, destination)
    with suppress(OSError):  # what cannot be compared is kept: the new copy is whole
        for older in sorted(database.parent.iterdir()):
            labelled = older != destination and _is_labelled(older, database, label)
            # SQLite copies page by page: what has not changed has the same bytes.
            if labelled and filecmp.cmp(older, destination, shallow=False):
                destination.unlink()
                return older
    return destination


def _is_labelled(path: Path, database: Path, label: str) -> bool:
    name = rf"{re.escape(database.stem)}\.{re.escape(label)}(-\d+)?{re.escape(database.suffix)}"
    return re.fullmatch(name, path.name) is not None


def free_name(database: Path, label: str) -> Path:
    """Name a file beside the database that does not exist: an older copy is never replaced."""
    candidate, number = database.with_name(f"{database.stem}.{label}{database.suffix}"), 1
    while candidate.exists():
        number += 1
        candidate = database.with_name(f"{database.stem}.{label}-{number}{database.suffix}")
    return candidate


def _copy(database: Path, destination: Path) -> str:
    """Copy and compare; say how the copy differs, or nothing."""
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(destination)) as copy,
    ):
        # A read transaction holds the state that the copy is compared with; copying in one step
        # then needs no restart when somebody writes.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        return _difference(original, copy)


def _difference(original: sqlite3.Connection, copy: sqlite3.Connection) -> str:
    """Say how a copy differs from its original, or nothing."""
    if (verdict := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        return str(verdict)
    names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    tables = [name for (name,) in original.execute(names)]
    if tables != [name for (name,) in copy.execute(names)]:
        return "tables are missing"
    for name in tables:
        rows = f'SELECT count(*) FROM "{name}"'
        if original.execute(rows).fetchone() != copy.execute(rows).fetchone():
            return f"rows of {name} are missing"
    return ""


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
