"""What computes the network, and the notice that lasts while another had to take its place."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from livecount.monitor.messages import EngineState
from livecount.storage import CountStore

__all__ = ["say_what_counts"]

_REPLACED = "runtime_replaced"


def say_what_counts(state: EngineState, store: CountStore, tell: Callable[[str], None]) -> None:
    """Begin a notice when a runtime failed, and end it when the chosen one counts again.

    Frames go on being counted meanwhile, by the reference, and each count says by what.
    """
    log: structlog.stdlib.BoundLogger = structlog.get_logger("livecount.monitor")
    if not state.trouble:
        if store.end_notice(_REPLACED):
            tell(f"Counting is back on {state.words}")
    elif store.begin_notice(_REPLACED, state.trouble):
        log.warning("runtime replaced", reason=state.trouble)
        tell(state.trouble)
