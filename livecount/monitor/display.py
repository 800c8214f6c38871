"""What is shown while the monitor runs must not end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

__all__ = ["undisturbed"]

_Shown = TypeVar("_Shown")


def undisturbed(show: Callable[[_Shown], None]) -> Callable[[_Shown], None]:
    """Let a display that goes away, as a closed terminal or pipe does, not end a run of weeks."""
    is_gone = False

    def shown(what: _Shown) -> None:
        nonlocal is_gone
        if is_gone:
            return
        try:
            show(what)
        except (OSError, ValueError, SystemExit) as error:  # rich ends the program on a closed pipe
            is_gone = True
            structlog.get_logger("livecount.monitor").warning("display gone", reason=repr(error))

    return shown
