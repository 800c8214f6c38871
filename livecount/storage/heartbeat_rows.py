"""What the monitor says of itself: its heartbeat."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, insert, select

from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Heartbeat
from livecount.storage.tables import monitor

__all__ = ["put_heartbeat", "read_heartbeat"]


def put_heartbeat(connection: Connection, beat: Heartbeat) -> None:
    """Replace the one heartbeat."""
    connection.execute(delete(monitor))
    connection.execute(
        insert(monitor).values(
            id=1,
            pid=beat.pid,
            host=beat.host,
            livecount_version=beat.livecount_version,
            started_at=to_text(beat.started_at),
            beat_at=to_text(beat.beat_at),
            progress_at=to_text(beat.progress_at),
            doing=beat.doing,
            engine=beat.engine,
            source_states=json.dumps(dict(beat.source_states)),
            stopped_at=to_text(beat.stopped_at),
        )
    )


def read_heartbeat(connection: Connection) -> Heartbeat | None:
    """Read the one heartbeat."""
    row = connection.execute(select(monitor)).one_or_none()
    if row is None:
        return None
    return Heartbeat(
        pid=row.pid,
        host=row.host,
        livecount_version=row.livecount_version,
        started_at=from_text(row.started_at),
        beat_at=from_text(row.beat_at),
        progress_at=from_text(row.progress_at),
        doing=row.doing,
        engine=row.engine,
        source_states=json.loads(row.source_states),
        stopped_at=from_text(row.stopped_at),
    )
