"""The token that opens the dashboard: one for each user of this computer, kept over restarts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from platformdirs import user_data_path

from livecount.errors import LivecountError

__all__ = ["dashboard_token"]

_FEWEST_CHARACTERS = 32


def dashboard_token() -> str:
    """Give the user's token, made at first need in a file that only this user can read.

    It is not in the database, which people copy and send to each other.

    Raises
    ------
    LivecountError
        The file cannot be read or written.
    """
    file = user_data_path("livecount", appauthor=False) / "dashboard.token"
    try:
        return _kept(file) or _made(file)
    except OSError as error:
        raise LivecountError(
            f"The dashboard's token cannot be kept in {file}: {error.strerror or error}",
            hint="Make that folder writable, or run with --no-dashboard",
        ) from error


def _kept(file: Path) -> str | None:
    try:
        found = file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    return found if len(found) >= _FEWEST_CHARACTERS else None


def _made(file: Path) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(token)
    fresh.replace(file)
    return _kept(file) or token
