"""Who sits at this computer."""

from __future__ import annotations

import getpass

__all__ = ["user_name"]


def user_name() -> str:
    """Name who is logged in, for what people say and change."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
