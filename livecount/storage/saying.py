"""What the monitor says: notices that last until they are over, and its heartbeat."""

from __future__ import annotations

import json

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from livecount.storage.moments import from_text, now_text, to_text
from livecount.storage.records import Heartbeat, Notice
from livecount.storage.tables import monitor, notices

__all__ = ["begin_notice", "end_notices", "list_notices", "put_heartbeat", "read_heartbeat"]


def begin_notice(connection: Connection, code: str, subject: str, text: str) -> bool:
    """Begin a notice, or bring the text of one that lasts up to date; say whether it is news."""
    lasting = _lasting(code, subject)
    if connection.execute(select(notices.c.id).where(lasting)).scalar() is not None:
        connection.execute(update(notices).where(lasting).values(text=text))
        return False
    row = {"code": code, "subject": subject, "text": text, "since": now_text()}
    connection.execute(insert(notices).values(**row))
    return True


def end_notices(connection: Connection, code: str | None, subject: str | None) -> int:
    """End the notices that last, of one code and subject or of all; give their number."""
    ending = update(notices).where(_lasting(code, subject)).values(until=now_text())
    return connection.execute(ending).rowcount


def list_notices(connection: Connection, *, with_past: bool) -> list[Notice]:
    """Read notices, oldest first."""
    query = select(notices).order_by(notices.c.id)
    if not with_past:
        query = query.where(_lasting(None, None))
    return [
        Notice(row.code, row.subject, row.text, from_text(row.since), from_text(row.until))
        for row in connection.execute(query)
    ]


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


def _lasting(code: str | None, subject: str | None) -> ColumnElement[bool]:
    lasting: ColumnElement[bool] = notices.c.until.is_(None)
    if code is not None:
        lasting &= notices.c.code == code
    if subject is not None:
        lasting &= notices.c.subject == subject
    return lasting
