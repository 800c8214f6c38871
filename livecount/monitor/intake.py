"""One watched folder: each file that is due is read, counted and kept, or its trouble is.

This is one frame's way, whether it just appeared, lay there before the start, or comes again after
a restart: ``look`` -> ``read`` -> ``count`` -> ``store.record``. The first three are done by the
worker, in a process that the monitor outlives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

import structlog

from livecount.config import Config
from livecount.errors import (
    LivecountError,
    ReadError,
    StoreError,
    UnreadableFrameError,
    WorkerError,
    WorkerSilentError,
    WorkerStartError,
)
from livecount.experiment import ChannelRule
from livecount.frame import FrameAttributes, FrameCount
from livecount.monitor.choices import channel_rule
from livecount.monitor.counting import Counting
from livecount.monitor.known_pages import appended_pages, is_dealt_with, readable_pages
from livecount.monitor.late import LateMetadata
from livecount.monitor.messages import PageAhead, PageRead
from livecount.monitor.referee import Referee
from livecount.monitor.second_tries import SecondTries
from livecount.monitor.worker import StopAskedError
from livecount.platform.files import FileStamp
from livecount.storage import CountStore, KnownPage, Source
from livecount.watching import Sighting, Watcher

__all__ = ["Intake"]

_SILENT_S = 2.0
"""A share that has not answered the watcher either for so long hangs; else it is the frame."""
_SUSPICIOUS_TAILS = frozenset({"zero_tail", "all_zero"})


class _NotYetError(Exception):
    """A page must be looked at again later."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s


class _Outcome(Enum):
    """What a page turned out to be."""

    NEW = auto()
    SAME = auto()
    REFINED = auto()


class Intake:
    """Takes the files of one watched folder into the store.

    Parameters
    ----------
    between_pages
        Called before each page, so that a long stack holds up neither heartbeat nor stop; may
        raise :class:`~livecount.monitor.worker.StopAskedError`.
    on_count
        Called after each newly kept count, for display.
    on_notice
        Called with what the user should know at once: frames that were set aside.
    on_scale_known
        Called once the cell diameter was read off a frame.
    """

    def __init__(
        self,
        source: Source,
        watcher: Watcher,
        store: CountStore,
        counting: Counting,
        referee: Referee,
        config: Config,
        *,
        between_pages: Callable[[], None],
        on_count: Callable[[FrameCount], None],
        on_notice: Callable[[str], None],
        on_scale_known: Callable[[], None],
    ) -> None:
        self.source = source
        self.watcher = watcher
        self.late = LateMetadata(source, store, counting.worker, self._reconsider)
        self._root = Path(source.folder)
        self._store = store
        self._counting = counting
        self._referee = referee
        self._worker = counting.worker
        self._config = config
        self._channels: ChannelRule = channel_rule(config)
        self._counted_channels: set[str] = set(store.counted_channels(source))
        self._between_pages = between_pages
        self._on_count = on_count
        self._on_notice = on_notice
        self._on_scale_known = on_scale_known
        self._gone: dict[bytes, FileStamp] = {}
        self._second_tries = SecondTries(config.watch.retry.again_after_s)
        self._log = structlog.get_logger("livecount.monitor").bind(folder=source.folder)

    def note_news(self) -> None:
        """Make pending in the store what has settled, and say of what went away that it is gone."""
        settled, gone = self.watcher.take_news()
        self._gone |= gone  # told once only: kept until the store has them
        if settled:
            self._store.note_seen(self.source, settled.items())
        for relative_path in list(self._gone):
            self._store.quarantine(
                self.source,
                relative_path,
                self._gone[relative_path],
                "The file went away before it could be counted",
            )
            del self._gone[relative_path]

    def take(self, sighting: Sighting) -> None:
        """Deal with one file that is due; whatever is wrong with it ends here, said and kept.

        Raises
        ------
        StoreError, WorkerStartError
            The database cannot be written, or no worker started; the file is for the caller to
            hold back.
        """
        try:
            self._take_pages(sighting)
        except (StoreError, WorkerStartError, StopAskedError):
            raise
        except ReadError as error:
            if isinstance(error, UnreadableFrameError):
                self._try_again_or_set_aside(sighting, error)
            else:
                self._set_aside(sighting, error)
        except WorkerError as error:
            self._try_again_or_set_aside(sighting, error)
        except Exception as fault:  # no file, whatever a library makes of it, may end the run
            self._log.exception("unexpected", path=repr(sighting.relative_path))
            self._try_again_or_set_aside(sighting, _unexpected(fault))

    def _take_pages(self, sighting: Sighting) -> None:
        path = self._root / os.fsdecode(sighting.relative_path)
        found = self._worker.look(path, settled=sighting.settled)
        known = self._known_pages(sighting)
        nuclei = self._referee.known_pages(self.source, sighting.relative_path)
        trusted = appended_pages(known, sighting, found.n_pages)
        if self._second_tries.is_second(sighting.relative_path, sighting.stamp):
            trusted |= readable_pages(known, sighting)
        outcomes: set[_Outcome] = set()
        waits_s: list[float] = []
        troubled: dict[int, LivecountError] = {}
        for page in sorted(found.complete_pages, key=trusted.__contains__):
            if page in trusted or is_dealt_with(known.get(page), sighting):
                continue
            self._between_pages()
            try:
                ahead = self._foresee(sighting, page + 1, found.n_pages)
                either = known.get(page), nuclei.get(page)
                outcome = self._take_page(sighting, page, either, ahead)
                outcomes.add(outcome)
                if outcome is _Outcome.NEW and page in known:
                    trusted = frozenset()
            except _NotYetError as later:
                waits_s.append(later.after_s)
            except (StoreError, StopAskedError, WorkerStartError):
                raise
            except WorkerSilentError:  # the file's other pages would hang as well
                raise
            except UnreadableFrameError as error:
                troubled[page] = error
            except ReadError as error:
                self._quarantine(sighting, page, error)
            except Exception as fault:  # one page must end neither its stack nor the run
                troubled[page] = fault if isinstance(fault, WorkerError) else _unexpected(fault)
                self._log.exception("unexpected", path=repr(sighting.relative_path), page=page)
        if _Outcome.REFINED in outcomes:
            self.late.want((sighting.relative_path, page) for page in trusted)
        if sighting.settled:
            self._conclude(sighting, found.n_pages, waits_s, troubled)

    def _conclude(
        self,
        sighting: Sighting,
        n_pages: int,
        waits_s: list[float],
        troubled: dict[int, LivecountError],
    ) -> None:
        """Hold a settled file back, retry it, or be done with it."""
        if waits_s:
            self.watcher.look_again(sighting.relative_path, min(waits_s))
        elif not troubled or self._gives_up(sighting, next(iter(troubled.values()))):
            if not troubled:
                self._second_tries.forget(sighting.relative_path)
            for page, reason in troubled.items():
                self._quarantine(sighting, page, reason)
            if troubled:
                self._put_off(sighting, *troubled.values())
            self._store.file_done(self.source, sighting.relative_path, sighting.stamp, n_pages)
            self.watcher.mark_done(sighting.relative_path, sighting.stamp)

    def _known_pages(self, sighting: Sighting) -> dict[int, KnownPage]:
        analysis = self._counting.analysis
        if analysis is None:
            return {}
        return self._store.known_pages(self.source, sighting.relative_path, analysis)

    def _foresee(self, sighting: Sighting, page: int, n_pages: int) -> PageAhead | None:
        """Name the page whose turn is probably next: of this file, or the first of another."""
        if sighting.settled and page < n_pages:
            return PageAhead(self._root, sighting.relative_path, page, sighting.stamp)
        foreseen = self.watcher.foresee()
        return foreseen and PageAhead(self._root, foreseen[0], 0, foreseen[1])

    def _take_page(
        self,
        sighting: Sighting,
        page: int,
        either: tuple[KnownPage | None, KnownPage | None],
        ahead: PageAhead | None,
    ) -> _Outcome:
        """Take one page, while the one ahead is read; tell whether it is as it was known.

        ``either`` is what is known of it as a frame of cells, and as one of stained nuclei.
        """
        frame = self._worker.read(self._root, sighting.relative_path, page)
        if sighting.settled and frame.stamp != sighting.stamp:
            raise _NotYetError(0.0)
        self._wait_for_empty_tail(frame, sighting)
        self.late.note(sighting.relative_path, page, frame.attributes)
        shows_nuclei = self._referee.is_for(frame.attributes.channel)
        known = either[shows_nuclei]
        same = known is not None and known.content_hash == frame.key.content_hash
        if known and known.is_counted and same:
            refined = (sighting.relative_path, page, frame.attributes)
            changed = self._store.refine_attributes(self.source, [refined])
            return _Outcome.REFINED if changed else _Outcome.SAME
        refusal = self._channels.refusal(frame.attributes.channel, sorted(self._counted_channels))
        if shows_nuclei:
            self._count_nuclei(frame, sighting.stamp, ahead)
        elif refusal:
            self._store.ignore(
                self.source,
                sighting.relative_path,
                sighting.stamp,
                refusal,
                page=page,
                content_hash=frame.key.content_hash,
                attributes=frame.attributes,
            )
        else:
            self._count(frame, sighting.stamp, ahead)
        return _Outcome.SAME if same else _Outcome.NEW

    def _reconsider(self, relative_path: bytes, page: int, attributes: FrameAttributes) -> None:
        """Take up a page that was not to be counted for what only its name said of its channel."""
        if self._referee.is_for(attributes.channel):
            known = self._referee.known_pages(self.source, relative_path).get(page)
            if known is None or not known.is_counted:
                self.watcher.look_again(relative_path, 0.0)
            return
        if self._channels.refusal(attributes.channel, sorted(self._counted_channels)):
            return
        if self._store.is_ignored(self.source, relative_path, page):
            self.watcher.look_again(relative_path, 0.0)

    def _wait_for_empty_tail(self, frame: PageRead, sighting: Sighting) -> None:
        """Hold a frame back whose end is empty: a mosaic's margin, or a file not yet filled."""
        if not _SUSPICIOUS_TAILS.intersection(frame.flags):
            return
        missing_s = self._config.watch.zero_tail_wait_s - sighting.unchanged_for_s
        if missing_s > 0 or not sighting.settled:
            raise _NotYetError(max(missing_s, 0.1))

    def _count(self, frame: PageRead, stamp: FileStamp, ahead: PageAhead | None) -> None:
        was_unknown = self._counting.rule is None
        count = self._counting.count(frame, ahead)
        if was_unknown:
            self._on_scale_known()
        self._record(count, stamp)
        if frame.attributes.channel is not None:
            self._counted_channels.add(frame.attributes.channel)

    def _count_nuclei(self, frame: PageRead, stamp: FileStamp, ahead: PageAhead | None) -> None:
        was_unknown = self._referee.rule is None
        count = self._referee.count(frame, ahead)
        if was_unknown:
            self._on_scale_known()
        self._record(count, stamp)

    def _record(self, count: FrameCount, stamp: FileStamp) -> None:
        self._store.record(self.source, count, stamp=stamp)
        self._log.info(
            "counted", frame=count.key.display_path, page=count.key.page, count=count.count
        )
        self._on_count(count)

    def take_up_set_aside(self) -> None:
        """Show again what was set aside because no cell diameter could be read off it."""
        for item in self._store.quarantined():
            if item.folder == self.source.folder:
                self.watcher.look_again(item.relative_path, 0.0)

    def try_one_again(self) -> None:
        """Show a file again that could not be read, when its turn has come."""
        path = self._second_tries.take(time.monotonic())
        if path is not None:
            self.watcher.look_again(path, 0.0)

    def _try_again_or_set_aside(self, sighting: Sighting, error: LivecountError) -> None:
        if sighting.settled and self._gives_up(sighting, error):
            self._set_aside(sighting, error)
            self._put_off(sighting, error)

    def _put_off(self, sighting: Sighting, *errors: LivecountError) -> None:
        """Arrange another, much later try of what could not be read; not of what ends a worker."""
        path, stamp = sighting.relative_path, sighting.stamp
        is_unreadable = any(isinstance(error, UnreadableFrameError) for error in errors)
        if is_unreadable or self._second_tries.is_second(path, stamp):
            self._second_tries.put_off(path, stamp, time.monotonic())

    def _gives_up(self, sighting: Sighting, error: LivecountError) -> bool:
        """Retry with growing pauses while the file may still be written; True when tried enough."""
        retry = self._config.watch.retry
        if self._is_absent(sighting) or self._share_hangs(error):
            # The watcher forgets it if it is gone, and shows it again if only the share was.
            self.watcher.look_again(sighting.relative_path, retry.first_wait_s)
            return False
        if self._second_tries.is_second(sighting.relative_path, sighting.stamp):
            return True
        attempts = self._store.retry_later(
            self.source, sighting.relative_path, sighting.stamp, str(error)
        )
        if attempts >= retry.attempts:
            return True
        self._log.info("will be read again", reason=str(error), attempt=attempts)
        self.watcher.look_again(sighting.relative_path, retry.wait_s(attempts))
        return False

    def _is_absent(self, sighting: Sighting) -> bool:
        try:
            return self._worker.is_absent(self._root / os.fsdecode(sighting.relative_path))
        except WorkerError:
            return False

    def _share_hangs(self, error: LivecountError) -> bool:
        """Tell whether it is the share that does not answer, which is not the frame's fault."""
        return (
            isinstance(error, WorkerSilentError)
            and self.watcher.status().on_network
            and self.watcher.silent_for_s() > _SILENT_S
        )

    def _quarantine(self, sighting: Sighting, page: int | None, error: LivecountError) -> None:
        self._store.quarantine(
            self.source, sighting.relative_path, sighting.stamp, str(error), page=page
        )
        if self._second_tries.is_second(sighting.relative_path, sighting.stamp):
            return  # said when it was set aside
        self._log.warning("set aside", reason=str(error))
        self._on_notice(f"set aside: {error}")

    def _set_aside(self, sighting: Sighting, error: LivecountError) -> None:
        """Quarantine a whole file until it changes."""
        self._quarantine(sighting, None, error)
        self.watcher.mark_done(sighting.relative_path, sighting.stamp)


def _unexpected(fault: BaseException) -> UnreadableFrameError:
    if isinstance(fault, LivecountError):
        return UnreadableFrameError(fault.message, hint=fault.hint)
    return UnreadableFrameError(
        f"Unexpected {type(fault).__name__} while counting: {fault}",
        hint="See the log, and report it",
    )
