"""What counts again with another h, in a process of its own that ends with its work."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from livecount.errors import LivecountError
from livecount.platform.process import end_with_parent, lower_priority
from livecount.recounting import catch_up
from livecount.storage import CountStore
from livecount.web.picture_child import Failure
from livecount.web.problems import status_of

__all__ = ["count_again"]

_REST: Final = 0.5
"""Between two transactions it rests half as long as the last one took: others write as well."""


def count_again(connection: Connection, database: Path, name: str, analysis_id: str) -> None:
    """Count by an analysis what only others of its family have; runs in the child.

    Sends how many frames were dealt with since the last message, and at the end None or a
    :class:`Failure`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group
    end_with_parent()
    lower_priority()
    with suppress(OSError):  # nobody listens any more
        connection.send(_count(connection, database, name, analysis_id))


def _count(connection: Connection, database: Path, name: str, analysis_id: str) -> Failure | None:
    last_s = time.monotonic()

    def tell(n_frames: int) -> None:
        nonlocal last_s
        connection.send(n_frames)
        time.sleep(_REST * (time.monotonic() - last_s))
        last_s = time.monotonic()

    try:
        with CountStore.open(database) as store:
            experiment = store.experiment(name)
            catch_up(store, experiment, store.analysis(experiment, analysis_id), on_frames=tell)
    except LivecountError as error:
        return Failure(error.message, error.hint, status_of(error))
    except Exception as fault:  # said to who asked; what was counted so far is kept
        return Failure(f"The count again has failed: {fault!r}", "Count again: it goes on", 500)
    return None
