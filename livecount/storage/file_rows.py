"""Files: seen, pending, done or set aside, always with the stamp that this is true of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, update

from livecount.errors import StoreError
from livecount.platform.files import FileStamp
from livecount.storage.moments import from_text, now_text
from livecount.storage.records import Experiment, Quarantined, Source
from livecount.storage.tables import files, frames, sources

__all__ = [
    "ensure_file",
    "finish_file",
    "list_quarantined",
    "note_pages",
    "note_seen",
    "reopen",
    "set_file_state",
    "waiting_since",
]

_NOTE_SEEN = """
INSERT INTO files (source_id, relative_path, size_bytes, mtime_ns, state, changed_at)
VALUES (?, ?, ?, ?, 'pending', ?)
ON CONFLICT (source_id, relative_path) DO UPDATE SET
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, state = 'pending',
    attempts = 0, reason = NULL, changed_at = excluded.changed_at
WHERE (size_bytes, mtime_ns) <> (excluded.size_bytes, excluded.mtime_ns)
"""
# A page that nobody could read is taken up again when its file changes.
_REOPEN = """
UPDATE frames SET state = 'pending', reason = NULL
WHERE source_id = ? AND state = 'quarantined' AND content_hash IS NULL AND EXISTS (
    SELECT 1 FROM files WHERE files.id = file_id AND state = 'pending' AND changed_at = ?
)
"""


def note_seen(
    connection: Connection, source: Source, seen: Iterable[tuple[bytes, FileStamp]]
) -> None:
    """Make files known; one whose stamp differs from the known one is pending (again)."""
    now = now_text()
    rows = [(source.id, path, stamp.size_bytes, stamp.mtime_ns, now) for path, stamp in seen]
    if rows:
        connection.exec_driver_sql(_NOTE_SEEN, rows)
        connection.exec_driver_sql(_REOPEN, (source.id, now))


def ensure_file(
    connection: Connection, source: Source, relative_path: bytes, stamp: FileStamp
) -> int:
    """Find the file's row, or make it as seen with this stamp."""
    known = (files.c.source_id == source.id) & (files.c.relative_path == relative_path)
    row_id: int | None = connection.execute(select(files.c.id).where(known)).scalar()
    if row_id is None:
        note_seen(connection, source, [(relative_path, stamp)])
        row_id = connection.execute(select(files.c.id).where(known)).scalar_one()
    return row_id


def set_file_state(
    connection: Connection, file_id: int, stamp: FileStamp, state: str, reason: str | None
) -> int:
    """Set what became of a file as a whole, and give how often it was tried in vain."""
    row = connection.execute(select(files).where(files.c.id == file_id)).one()
    unchanged = (row.size_bytes, row.mtime_ns) == (stamp.size_bytes, stamp.mtime_ns)
    attempts: int = row.attempts if unchanged else 0
    if state == "pending":
        attempts += 1
    elif unchanged and (row.state, row.reason) == (state, reason):
        return attempts  # known since its `changed_at`
    now = now_text()
    connection.execute(
        update(files)
        .where(files.c.id == file_id)
        .values(
            size_bytes=stamp.size_bytes,
            mtime_ns=stamp.mtime_ns,
            state=state,
            reason=reason,
            attempts=attempts,
            changed_at=now,
        )
    )
    if state != "pending":
        # From here on the file itself stands for the pages of which nothing became known.
        announced = _of(file_id) & (frames.c.state == "pending")
        connection.execute(delete(frames).where(announced))
    elif not unchanged:
        connection.exec_driver_sql(_REOPEN, (row.source_id, now))
    return attempts


def note_pages(connection: Connection, source: Source, file_id: int, n_pages: int) -> None:
    """Make pages pending of which nothing is known yet."""
    present = set(
        connection.execute(
            select(frames.c.page).where(_of(file_id) & (frames.c.state != "superseded"))
        ).scalars()
    )
    rows = [
        {
            "file_id": file_id,
            "source_id": source.id,
            "page": page,
            "state": "pending",
            "changed_at": now_text(),
        }
        for page in range(n_pages)
        if page not in present
    ]
    if rows:
        connection.execute(insert(frames), rows)
        # A file with pages that nobody looked at needs work, whatever was thought of it before.
        not_pending = (files.c.id == file_id) & (files.c.state != "pending")
        connection.execute(update(files).where(not_pending).values(state="pending", reason=None))


def reopen(connection: Connection, source: Source, state: str) -> int:
    """Make pending again what was set aside; give the number of files."""
    aside = (frames.c.source_id == source.id) & (frames.c.state == state)
    paged = select(frames.c.file_id).where(aside)
    reopened = connection.execute(
        update(files)
        .where(files.c.source_id == source.id)
        .where((files.c.state == state) | files.c.id.in_(paged))
        .values(state="pending", reason=None, attempts=0, changed_at=now_text())
    )
    connection.execute(update(frames).where(aside).values(state="pending", reason=None))
    return reopened.rowcount


def finish_file(
    connection: Connection,
    file_id: int,
    stamp: FileStamp,
    n_pages: int,
) -> None:
    """Mark a file as dealt with at a stamp; pages that it no longer has are superseded."""
    gone = _of(file_id) & (frames.c.page >= n_pages) & (frames.c.state != "superseded")
    connection.execute(delete(frames).where(gone & (frames.c.state == "pending")))
    connection.execute(update(frames).where(gone).values(state="superseded", changed_at=now_text()))
    settled = frames.c.state.not_in(("superseded", "pending"))
    n_settled = connection.execute(
        select(func.count()).select_from(frames).where(_of(file_id) & settled)
    ).scalar_one()
    if n_pages < 1 or n_settled != n_pages:
        raise StoreError(
            f"A file of {n_pages} pages was called done, but {n_settled} are dealt with",
            hint="This is a fault of livecount: report it",
        )
    at_stamp = {"size_bytes": stamp.size_bytes, "mtime_ns": stamp.mtime_ns}
    # All pages were looked at since the file changed, hence they are what they are at this stamp.
    connection.execute(
        update(frames)
        .where(_of(file_id) & settled)
        .where((frames.c.mtime_ns != stamp.mtime_ns) | (frames.c.size_bytes != stamp.size_bytes))
        .values(**at_stamp)
    )
    connection.execute(
        update(files)
        .where(files.c.id == file_id)
        .values(**at_stamp, state="done", n_pages=n_pages, reason=None, changed_at=now_text())
    )


def waiting_since(connection: Connection, experiment: Experiment) -> datetime | None:
    """Tell since when the longest waiting file waits to be dealt with; None if none does."""
    ids = select(sources.c.id).where(sources.c.experiment_id == experiment.id)
    pending = files.c.source_id.in_(ids) & (files.c.state == "pending")
    return from_text(
        connection.execute(select(func.min(files.c.changed_at)).where(pending)).scalar()
    )


def _of(file_id: int) -> ColumnElement[bool]:
    return frames.c.file_id == file_id


def list_quarantined(connection: Connection, chosen: Iterable[Source]) -> list[Quarantined]:
    """List what of some watched folders was given up on, by path and page."""
    folders = {source.id: source.folder for source in chosen}
    paged = (
        select(
            files.c.source_id,
            files.c.relative_path,
            frames.c.page,
            frames.c.reason,
            files.c.attempts,
            frames.c.changed_at,
        )
        .join(files, frames.c.file_id == files.c.id)
        .where(frames.c.source_id.in_(folders) & (frames.c.state == "quarantined"))
    )
    # Said twice, so that the index of files that are not done is used.
    not_done = (files.c.state == "quarantined") & (files.c.state != "done")
    whole = select(
        files.c.source_id,
        files.c.relative_path,
        literal(None).label("page"),
        files.c.reason,
        files.c.attempts,
        files.c.changed_at,
    ).where(files.c.source_id.in_(folders) & not_done)
    rows = [*connection.execute(whole), *connection.execute(paged)]
    found = [
        Quarantined(folders[row[0]], row[1], row[2], row[3] or "", row[4], from_text(row[5]))
        for row in rows
        if row[0] in folders
    ]
    return sorted(found, key=lambda one: (one.folder, one.relative_path, one.page or 0))
