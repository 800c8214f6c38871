"""What is said of a watched folder: that it is away, hangs, or cannot be looked at everywhere."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from livecount.storage import CountStore
from livecount.watching import Watcher

__all__ = ["HANGS_AFTER_S", "end_what_was_said", "say_how_it_is", "state_of"]

HANGS_AFTER_S = 15.0
"""A file system that does not answer for so long is said to hang, and is not asked for frames."""
_AWAY = "source_offline"
_PASSED_OVER = "not_looked_at"

Tell = Callable[[str], None]


def state_of(watcher: Watcher) -> str:
    """Say in words how a folder is watched, or why it is not."""
    status = watcher.status()
    if status.silent_for_s > HANGS_AFTER_S:
        return f"does not answer for {status.silent_for_s:.0f} s"
    if not status.online:
        return f"offline: {status.offline_reason}"
    waiting = status.settling + status.due + status.waiting + status.in_hand
    return f"watched by {status.mode}, {status.files_seen} files, {waiting} waiting"


def say_how_it_is(folder: str, watcher: Watcher, store: CountStore, tell: Tell) -> None:
    """Begin and end the notices of a folder, and tell each when it begins or is over."""
    _say_if_away(folder, watcher, store, tell)
    _say_what_is_passed_over(folder, watcher, store, tell)


def end_what_was_said(folder: str, store: CountStore) -> None:
    """End the notices of a folder that is not watched any more."""
    for code in (_AWAY, _PASSED_OVER):
        store.end_notice(code, subject=folder)


def _say_if_away(folder: str, watcher: Watcher, store: CountStore, tell: Tell) -> None:
    """Say once that a folder cannot be reached, until it can."""
    status = watcher.status()
    reason = status.offline_reason
    if status.silent_for_s > HANGS_AFTER_S:
        reason = f"it has not answered for {status.silent_for_s:.0f} s"
    if status.online and not reason:
        if store.end_notice(_AWAY, subject=folder):
            tell(f"{folder} can be reached again")
    elif reason:
        text = f"{folder} cannot be reached ({reason}); waiting for it"
        if store.begin_notice(_AWAY, text, subject=folder):
            _log().warning("folder offline", folder=folder, reason=reason)
            tell(text)


def _say_what_is_passed_over(folder: str, watcher: Watcher, store: CountStore, tell: Tell) -> None:
    """Say once which folders and files below cannot be looked at, until all can."""
    status = watcher.status()
    if not status.online:
        return
    if not status.n_problems:
        store.end_notice(_PASSED_OVER, subject=folder)
        return
    more = f" and {status.n_problems - 1} more" if status.n_problems > 1 else ""
    text = f"{folder}: passed over for now: {status.problems[0]}{more}"
    if store.begin_notice(_PASSED_OVER, text, subject=folder):
        _log().warning("passed over", folder=folder, problems=list(status.problems))
        tell(text)


def _log() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("livecount.monitor")
    return logger
