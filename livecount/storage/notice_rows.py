"""The rows of notices, and of who outside is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, true, update

from livecount.storage.moments import from_text, to_text
from livecount.storage.notice_records import Audience, Delivery, Notice
from livecount.storage.tables import deliveries, experiments, notices

__all__ = [
    "add_audience",
    "begin_notice",
    "chosen_by",
    "end_notices",
    "list_deliveries",
    "list_notices",
    "note_delivered",
    "note_undelivered",
]

_LASTING = notices.c.until.is_(None)
_NOTICE = (
    notices.c.id.label("number"),
    notices.c.code,
    notices.c.subject,
    notices.c.text,
    notices.c.since,
    notices.c.until,
    notices.c.said_at,
    notices.c.plate,
    notices.c.well,
    experiments.c.name.label("experiment"),
)


def begin_notice(
    connection: Connection, values: dict[str, Any], audience: Audience, now: datetime
) -> bool:
    """Begin a notice, or bring the text of one that lasts up to date; say whether it is news.

    Parameters
    ----------
    values
        Code, subject, text, experiment_id, plate and well.
    """
    same = _same(values["code"], values["subject"], values["experiment_id"])
    said = {**values, "said_at": to_text(now)}
    known = connection.execute(select(notices.c.id).where(same & _LASTING)).scalar()
    if known is not None:
        connection.execute(update(notices).where(notices.c.id == known).values(said))
        return False
    if not _take_up_again(connection, same, said, audience, now):
        added = connection.execute(insert(notices).values(since=to_text(now), **said))
        assert added.inserted_primary_key is not None
        if values["code"] in audience.codes:
            number = int(added.inserted_primary_key[0])
            _announce(connection, number, "begin", audience.targets, now)
    return True


def _take_up_again(
    connection: Connection,
    same: ColumnElement[bool],
    said: dict[str, Any],
    audience: Audience,
    now: datetime,
) -> bool:
    """Let a notice go on that ended a moment ago, unless somebody was told that it is over."""
    told = exists().where(
        (deliveries.c.notice_id == notices.c.id)
        & (deliveries.c.part == "end")
        & deliveries.c.delivered_at.is_not(None)
    )
    recent = notices.c.until > to_text(now - timedelta(seconds=audience.calm_s))
    query = select(notices.c.id).where(same & recent & ~told).order_by(notices.c.id.desc())
    number = connection.execute(query.limit(1)).scalar()
    if number is None:
        return False
    connection.execute(update(notices).where(notices.c.id == number).values(until=None, **said))
    of_end = (deliveries.c.notice_id == number) & (deliveries.c.part == "end")
    connection.execute(delete(deliveries).where(of_end))
    return True


def end_notices(
    connection: Connection, chosen: ColumnElement[bool], audience: Audience, now: datetime
) -> int:
    """End the notices that last, of those :func:`chosen_by`; whoever hears of the begin hears it.

    Returns
    -------
    int
        How many ended.
    """
    query = select(notices.c.id).where(chosen & _LASTING)
    ending = list(connection.execute(query).scalars())
    for number in ending:
        over = update(notices).where(notices.c.id == number).values(until=to_text(now))
        connection.execute(over)
        begun = (deliveries.c.notice_id == number) & (deliveries.c.part == "begin")
        targets = connection.execute(select(deliveries.c.target).where(begun)).scalars()
        due_at = now + timedelta(seconds=audience.calm_s)
        _announce(connection, number, "end", list(targets), due_at)
    return len(ending)


def _announce(
    connection: Connection, number: int, part: str, targets: Sequence[str], due_at: datetime
) -> None:
    rows = [
        {"notice_id": number, "target": target, "part": part, "due_at": to_text(due_at)}
        for target in targets
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def add_audience(connection: Connection, audience: Audience, now: datetime) -> None:
    """Let targets that are new be told of what lasts."""
    lasting = select(notices.c.id).where(_LASTING & notices.c.code.in_(audience.codes))
    for number in list(connection.execute(lasting).scalars()):
        begun = (deliveries.c.notice_id == number) & (deliveries.c.part == "begin")
        told = set(connection.execute(select(deliveries.c.target).where(begun)).scalars())
        new = [target for target in audience.targets if target not in told]
        _announce(connection, number, "begin", new, now)


def list_notices(connection: Connection, *, with_past: bool) -> list[Notice]:
    """Read notices, oldest first."""
    query = select(*_NOTICE).outerjoin(experiments).order_by(notices.c.id)
    if not with_past:
        query = query.where(_LASTING)
    return [_notice(row) for row in connection.execute(query)]


def list_deliveries(
    connection: Connection, *, target: str | None, only_open: bool
) -> list[Delivery]:
    """Read who is or was to be told of what, in the order in which it came up."""
    query = (
        select(deliveries, *_NOTICE)
        .select_from(deliveries)
        .join(notices, deliveries.c.notice_id == notices.c.id)
        .outerjoin(experiments, notices.c.experiment_id == experiments.c.id)
        .order_by(deliveries.c.id)
    )
    if target is not None:
        query = query.where(deliveries.c.target == target)
    if only_open:
        query = query.where(deliveries.c.delivered_at.is_(None))
    return [
        Delivery(
            id=row.id,
            notice=_notice(row),
            target=row.target,
            part=row.part,
            due_at=from_text(row.due_at),
            attempts=row.attempts,
            last_error=row.last_error,
            delivered_at=from_text(row.delivered_at),
        )
        for row in connection.execute(query)
    ]


def note_delivered(connection: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Keep that a target has taken what it was sent."""
    chosen = deliveries.c.id.in_(numbers)
    connection.execute(update(deliveries).where(chosen).values(delivered_at=to_text(now)))


def note_undelivered(
    connection: Connection, target: str, numbers: Sequence[int], error: str, again_at: datetime
) -> None:
    """Keep that an attempt failed; all that waits for this target waits until then."""
    tried = update(deliveries).where(deliveries.c.id.in_(numbers))
    connection.execute(tried.values(attempts=deliveries.c.attempts + 1, last_error=error))
    waiting = (deliveries.c.target == target) & deliveries.c.delivered_at.is_(None)
    waiting &= deliveries.c.due_at < to_text(again_at)
    connection.execute(update(deliveries).where(waiting).values(due_at=to_text(again_at)))


def chosen_by(
    code: str | None, subject: str | None, experiment_id: int | None
) -> ColumnElement[bool]:
    """Choose notices by what is given of code, subject and experiment; None is "any"."""
    chosen: ColumnElement[bool] = true()
    given = {"code": code, "subject": subject, "experiment_id": experiment_id}
    for name, value in given.items():
        if value is not None:
            chosen &= notices.c[name] == value
    return chosen


def _same(code: str, subject: str, experiment_id: int | None) -> ColumnElement[bool]:
    about = (notices.c.code == code) & (notices.c.subject == subject)
    return about & notices.c.experiment_id.is_not_distinct_from(experiment_id)


def _notice(row: Any) -> Notice:
    return Notice(
        id=row.number,
        code=row.code,
        subject=row.subject,
        text=row.text,
        since=from_text(row.since),
        until=from_text(row.until),
        said_at=from_text(row.said_at),
        experiment=row.experiment,
        plate=row.plate,
        well=row.well,
    )
