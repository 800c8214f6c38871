"""One watched folder: each file that is due is read, counted and kept, or its trouble is.

This is one frame's way, whether it just appeared, lay there before the start, or comes again after
a restart: ``look`` -> ``read_page`` -> ``counter.count`` -> ``store.record``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from livecount.config import Config
from livecount.errors import LivecountError, ReadError, StoreError, UnreadableFrameError
from livecount.experiment import ChannelRule
from livecount.frame import Frame, FrameAttributes, FrameCount
from livecount.monitor.counting import (
    Counting,
    channel_rule,
    completed_pixel_size,
    patterns_for,
    with_pixel_size,
)
from livecount.monitor.late import LateMetadata
from livecount.platform.files import FileStamp, stat_shared
from livecount.readers import ReadLimits, look, read_attributes, read_page
from livecount.storage import CountStore, FrameState, KnownPage, Source
from livecount.watching import Sighting, Watcher

__all__ = ["Intake", "StopAskedError"]

_SUSPICIOUS_TAILS = frozenset({"zero_tail", "all_zero"})


class StopAskedError(Exception):
    """The monitor is to end: the file in hand is left as it is and taken up at the next start."""


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
        raise :class:`StopAskedError`.
    on_count
        Called after each newly kept count, for display.
    on_notice
        Called with what the user should know at once: frames that were set aside.
    """

    def __init__(
        self,
        source: Source,
        watcher: Watcher,
        store: CountStore,
        counting: Counting,
        config: Config,
        *,
        between_pages: Callable[[], None],
        on_count: Callable[[FrameCount], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self.source = source
        self.watcher = watcher
        self.late = LateMetadata(source, store, self._read_attributes, self._reconsider)
        self._root = Path(source.folder)
        self._store = store
        self._counting = counting
        self._config = config
        self._patterns = patterns_for(config)
        self._limits = ReadLimits(max_pixels=int(config.counting.max_frame_megapixels * 1e6))
        self._channels: ChannelRule = channel_rule(config)
        self._counted_channels: set[str] = set(store.counted_channels(source))
        self._time_zone = ZoneInfo(config.experiment.time_zone)
        self._between_pages = between_pages
        self._on_count = on_count
        self._on_notice = on_notice
        self._log = structlog.get_logger("livecount.monitor").bind(folder=source.folder)

    def note_news(self) -> None:
        """Make pending in the store what has settled, and say of what went away that it is gone."""
        settled, gone = self.watcher.take_news()
        if settled:
            self._store.note_seen(self.source, settled.items())
        for relative_path, stamp in gone.items():
            self._store.quarantine(
                self.source, relative_path, stamp, "The file went away before it could be counted"
            )

    def take(self, sighting: Sighting) -> None:
        """Deal with one file that is due; whatever is wrong with it ends here, said and kept.

        Raises
        ------
        StoreError
            The database cannot be written; the file stays due.
        """
        try:
            self._take_pages(sighting)
        except StoreError:
            raise
        except ReadError as error:
            if isinstance(error, UnreadableFrameError):
                self._try_again_or_set_aside(sighting, error)
            else:
                self._set_aside(sighting, error)
        except (LivecountError, OSError, MemoryError, ValueError, ArithmeticError) as fault:
            self._try_again_or_set_aside(sighting, _unexpected(fault))

    def _take_pages(self, sighting: Sighting) -> None:
        path = self._root / os.fsdecode(sighting.relative_path)
        found = look(path, settled=sighting.settled, limits=self._limits)
        known = self._known_pages(sighting)
        trusted = _appended_to(known, sighting, found.n_pages)
        outcomes: set[_Outcome] = set()
        waits_s: list[float] = []
        troubled: dict[int, LivecountError] = {}
        for page in sorted(found.complete_pages, key=trusted.__contains__):
            if page in trusted or _is_dealt_with(known.get(page), sighting):
                continue
            self._between_pages()
            try:
                outcome = self._take_page(path, sighting, page, known.get(page))
                outcomes.add(outcome)
                if outcome is _Outcome.NEW and page in known:
                    trusted = frozenset()
            except _NotYetError as later:
                waits_s.append(later.after_s)
            except (StoreError, StopAskedError):
                raise
            except UnreadableFrameError as error:
                troubled[page] = error
            except ReadError as error:
                self._quarantine(sighting, page, error)
            except Exception as fault:  # one page must end neither its stack nor the run
                troubled[page] = _unexpected(fault)
                self._log.exception("unexpected", path=repr(sighting.relative_path), page=page)
        if _Outcome.REFINED in outcomes:
            self.late.refine((sighting.relative_path, page) for page in trusted)
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
            for page, reason in troubled.items():
                self._quarantine(sighting, page, reason)
            self._store.file_done(self.source, sighting.relative_path, sighting.stamp, n_pages)
            self.watcher.mark_done(sighting.relative_path, sighting.stamp)

    def _known_pages(self, sighting: Sighting) -> dict[int, KnownPage]:
        analysis = self._counting.analysis
        if analysis is None:
            return {}
        return self._store.known_pages(self.source, sighting.relative_path, analysis)

    def _take_page(
        self, path: Path, sighting: Sighting, page: int, known: KnownPage | None
    ) -> _Outcome:
        """Take one page; tell whether it is as it was known."""
        frame = read_page(
            self._root,
            sighting.relative_path,
            page,
            patterns=self._patterns,
            limits=self._limits,
            time_zone=self._time_zone,
        )
        if sighting.settled and _has_changed(path, sighting.stamp):
            raise _NotYetError(0.0)
        self._wait_for_empty_tail(frame, sighting)
        frame = with_pixel_size(frame, self._config)
        self.late.note(sighting.relative_path, page, frame.attributes)
        same = known is not None and known.content_hash == frame.key.content_hash
        if known and known.is_counted and same:
            refined = (sighting.relative_path, page, frame.attributes)
            changed = self._store.refine_attributes(self.source, [refined])
            return _Outcome.REFINED if changed else _Outcome.SAME
        refusal = self._channels.refusal(frame.attributes.channel, sorted(self._counted_channels))
        if refusal:
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
            self._count(frame, sighting.stamp)
        return _Outcome.SAME if same else _Outcome.NEW

    def _read_attributes(self, relative_path: bytes, page: int) -> FrameAttributes:
        attributes = read_attributes(
            self._root,
            relative_path,
            page,
            patterns=self._patterns,
            limits=self._limits,
            time_zone=self._time_zone,
        )
        return completed_pixel_size(attributes, self._config)

    def _reconsider(self, relative_path: bytes, page: int, attributes: FrameAttributes) -> None:
        """Take up a page that was not to be counted for what only its name said of its channel."""
        if self._channels.refusal(attributes.channel, sorted(self._counted_channels)):
            return
        if self._store.is_ignored(self.source, relative_path, page):
            self.watcher.look_again(relative_path, 0.0)

    def _wait_for_empty_tail(self, frame: Frame, sighting: Sighting) -> None:
        """Hold a frame back whose end is empty: a mosaic's margin, or a file not yet filled."""
        if not _SUSPICIOUS_TAILS.intersection(frame.flags):
            return
        missing_s = self._config.watch.zero_tail_wait_s - sighting.unchanged_for_s
        if missing_s > 0 or not sighting.settled:
            raise _NotYetError(max(missing_s, 0.1))

    def _count(self, frame: Frame, stamp: FileStamp) -> None:
        was_unknown = self._counting.counter is None
        count = self._counting.counter_for(frame).count(frame)
        if was_unknown:
            self._take_up_set_aside()
        self._store.record(self.source, count, stamp=stamp)
        if frame.attributes.channel is not None:
            self._counted_channels.add(frame.attributes.channel)
        self._log.info(
            "counted", frame=frame.key.display_path, page=frame.key.page, count=count.count
        )
        self._on_count(count)

    def _take_up_set_aside(self) -> None:
        """Show again what was set aside because no cell diameter could be read off it."""
        for item in self._store.quarantined():
            if item.folder == self.source.folder:
                self.watcher.look_again(item.relative_path, 0.0)

    def _try_again_or_set_aside(self, sighting: Sighting, error: UnreadableFrameError) -> None:
        if sighting.settled and self._gives_up(sighting, error):
            self._set_aside(sighting, error)

    def _gives_up(self, sighting: Sighting, error: LivecountError) -> bool:
        """Retry with growing pauses while the file may still be written; True when tried enough."""
        retry = self._config.watch.retry
        if _is_absent(self._root / os.fsdecode(sighting.relative_path)):
            # The watcher forgets it if it is gone, and shows it again if only the share was.
            self.watcher.look_again(sighting.relative_path, retry.first_wait_s)
            return False
        attempts = self._store.retry_later(
            self.source, sighting.relative_path, sighting.stamp, str(error)
        )
        if attempts >= retry.attempts:
            return True
        self._log.info("will be read again", reason=str(error), attempt=attempts)
        self.watcher.look_again(sighting.relative_path, retry.wait_s(attempts))
        return False

    def _quarantine(self, sighting: Sighting, page: int | None, error: LivecountError) -> None:
        self._store.quarantine(
            self.source, sighting.relative_path, sighting.stamp, str(error), page=page
        )
        self._log.warning("set aside", reason=str(error))
        self._on_notice(f"set aside: {error}")

    def _set_aside(self, sighting: Sighting, error: ReadError) -> None:
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


def _is_absent(path: Path) -> bool:
    """Tell whether a path is known to be absent; what cannot be asked is not."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _has_changed(path: Path, stamp: FileStamp) -> bool:
    try:
        return stat_shared(path) != stamp
    except OSError:
        return True


def _appended_to(
    known: Mapping[int, KnownPage], sighting: Sighting, n_pages: int
) -> frozenset[int]:
    """Name the known pages of a grown stack that need not be read again at each growth.

    A stack that gained a page every ten minutes would otherwise be read whole every ten minutes.
    Its first and last known pages are read: if they are what they were, so are those between.
    Pre-sized stacks gain pages at an unchanged size.
    """
    pages = sorted(page for page, found in known.items() if found.state is not FrameState.PENDING)
    grown = n_pages > len(pages) or all(
        found.stamp is not None and found.stamp.size_bytes < sighting.stamp.size_bytes
        for found in known.values()
    )
    return frozenset(pages[1:-1]) if sighting.settled and grown else frozenset()


def _is_dealt_with(known: KnownPage | None, sighting: Sighting) -> bool:
    """Pages of a growing file are read once while it grows, and once more when it has settled."""
    if known is None or known.state is FrameState.PENDING:
        return False
    return not sighting.settled
