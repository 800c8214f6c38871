"""What the monitor says of itself and of the run, and who outside was told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from livecount.storage import heartbeat_rows, notice_rows
from livecount.storage.notice_records import Audience, Delivery
from livecount.storage.records import Experiment, Heartbeat
from livecount.storage.writing import CountWriter

__all__ = ["NoticeWriter"]


class NoticeWriter(CountWriter):
    """The part of :class:`CountStore` that keeps heartbeat and notices."""

    _audience = Audience()

    def tell(self, audience: Audience) -> None:
        """Let these targets be told of notices from now on, and of those that last already."""
        self._audience = audience
        with self._writing() as connection:
            notice_rows.add_audience(connection, audience, datetime.now(UTC))

    def begin_notice(
        self,
        code: str,
        text: str,
        *,
        subject: str = "",
        experiment: Experiment | None = None,
        plate: str | None = None,
        well: str | None = None,
    ) -> bool:
        """Say something until it is over.

        Parameters
        ----------
        code
            What kind of notice, for example ``gpu_missing``.
        subject
            What it is about, where several may be at a time, for example a folder.
        experiment, plate, well
            What it concerns, where it does not concern all.

        Returns
        -------
        bool
            Whether it is news; the text of a notice that lasts is brought up to date.
        """
        values = {
            "code": code,
            "subject": subject,
            "text": text,
            "experiment_id": None if experiment is None else experiment.id,
            "plate": plate,
            "well": well,
        }
        with self._writing() as connection:
            return notice_rows.begin_notice(connection, values, self._audience, datetime.now(UTC))

    def end_notice(
        self,
        code: str | None = None,
        *,
        subject: str | None = None,
        experiment: Experiment | None = None,
    ) -> int:
        """End notices that last: those of a code, a subject and an experiment (None: any).

        Returns
        -------
        int
            How many ended.
        """
        chosen = notice_rows.chosen_by(code, subject, None if experiment is None else experiment.id)
        with self._writing() as connection:
            return notice_rows.end_notices(connection, chosen, self._audience, datetime.now(UTC))

    def note_delivered(self, delivered: Iterable[Delivery]) -> None:
        """Keep that a target has taken what it was sent; it is not sent again."""
        numbers = [one.id for one in delivered]
        with self._writing() as connection:
            notice_rows.note_delivered(connection, numbers, datetime.now(UTC))

    def note_undelivered(
        self, target: str, tried: Iterable[Delivery], error: str, again_at: datetime
    ) -> None:
        """Keep that an attempt failed; nothing is sent to this target before ``again_at``.

        Parameters
        ----------
        error
            Why, in words that hold no address.
        """
        numbers = [one.id for one in tried]
        with self._writing() as connection:
            notice_rows.note_undelivered(connection, target, numbers, error, again_at)

    def heartbeat(self, beat: Heartbeat) -> None:
        """Replace what the monitor says of itself."""
        with self._writing() as connection:
            heartbeat_rows.put_heartbeat(connection, beat)
