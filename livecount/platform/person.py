"""Who sits at this computer, for what people say and change."""

from __future__ import annotations

import getpass

__all__ = ["user_name"]


def user_name() -> str:
    """Name who is logged in."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
