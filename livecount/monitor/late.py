"""Metadata that is written after the frames: taken in when it comes, without a recount.

Acquisition software writes positions, times and pixel sizes into files beside the frames, some only
every ten frames. Frames of which something is missing are remembered, and queued to be read anew
when a file beside them has changed. The queue is worked off a little at a time, between frames.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from livecount.errors import (
    LivecountError,
    ReadError,
    StoreError,
    WorkerError,
    WorkerLostError,
    WorkerSilentError,
    WorkerStartError,
)
from livecount.frame import AttributeSource, FrameAttributes
from livecount.monitor.experiment_worker import ExperimentWorker
from livecount.monitor.worker import StopAskedError
from livecount.storage import CountStore, Source

__all__ = ["LateMetadata"]

PageName = tuple[bytes, int]
_Refined = tuple[bytes, int, FrameAttributes]
_BATCH = 200
_TURN_S = 0.5
"""How long a turn may keep new frames waiting."""
_TRIES = 3
"""A page that ends the worker, or holds it, so often is left as it is known."""


class LateMetadata:
    """The frames of one watched folder of which more may become known.

    Parameters
    ----------
    worker
        Reads what stands beside the frames.
    on_refined
        Called with each page that was read anew, once the store knows of it.
    """

    def __init__(
        self,
        source: Source,
        store: CountStore,
        worker: ExperimentWorker,
        on_refined: Callable[[bytes, int, FrameAttributes], None],
    ) -> None:
        self._source = source
        self._store = store
        self._worker = worker
        self._on_refined = on_refined
        self._root = Path(source.folder)
        self._lacking: defaultdict[Path, set[PageName]] = defaultdict(set)
        self._since_look: defaultdict[Path, set[PageName]] = defaultdict(set)
        self._stamps: dict[Path, tuple[tuple[str, int, int], ...]] = {}
        self._queue: dict[PageName, None] = {}
        self._to_visit: list[Path] = []
        self._tries: Counter[PageName] = Counter()
        self._log = structlog.get_logger("livecount.monitor").bind(folder=source.folder)

    @property
    def n_queued(self) -> int:
        """How many pages are queued to be read anew."""
        return len(self._queue)

    def note(self, relative_path: bytes, page: int, attributes: FrameAttributes) -> None:
        """Remember a frame if a file beside it could still say more of it.

        The frame was read a while ago: what was written beside it since then may have been looked
        at already, so that the next look asks for it even where nothing changed.
        """
        if not self._sort((relative_path, page), attributes):
            self._since_look[self._folder_of(relative_path)].add((relative_path, page))

    def remember(self, pages: Iterable[PageName]) -> None:
        """Remember frames of an earlier run of which something is missing."""
        for relative_path, page in pages:
            self._lacking[self._folder_of(relative_path)].add((relative_path, page))

    def want(self, pages: Iterable[PageName]) -> None:
        """Queue pages to be read anew, whatever is known of them."""
        self._queue.update(dict.fromkeys(pages))

    def look_up(self, *, in_full: bool = False) -> None:
        """Queue what lacks something in folders whose companion files have changed.

        Parameters
        ----------
        in_full
            Ask in every folder; else as many at a time as fit in a turn, going round.
        """
        if in_full or not self._to_visit:
            self._to_visit = [folder for folder, pages in self._lacking.items() if pages]
        ends_s = math.inf if in_full else time.monotonic() + _TURN_S
        while self._to_visit and time.monotonic() < ends_s:
            folder = self._to_visit[-1]
            try:
                stamps = self._worker.companion_stamps(folder)
            except (WorkerLostError, WorkerSilentError):  # another look comes soon
                return
            self._to_visit.pop()
            noted = self._since_look.pop(folder, set()) & self._lacking[folder]
            if stamps:
                has_changed = stamps != self._stamps.get(folder)
                self.want(sorted(self._lacking[folder] if has_changed else noted))
                self._stamps[folder] = stamps

    def advance(self) -> int:
        """Read queued pages anew for a moment and keep what is known of them now.

        Pages that cannot be read stay as they are known; where the folder itself is away, they stay
        queued.

        Returns
        -------
        int
            How many frames are better known now.

        Raises
        ------
        StoreError, WorkerStartError, StopAskedError
            What was not kept is still queued.
        """
        refined: list[_Refined] = []
        ends_s = time.monotonic() + _TURN_S
        for name in list(self._queue)[:_BATCH]:
            if time.monotonic() >= ends_s:
                break
            try:
                attributes = self._worker.read_attributes(self._root, *name)
            except (StopAskedError, WorkerStartError):
                self._keep(refined)
                raise
            except WorkerError as error:
                self._try_later(name, error)
                break
            except Exception as fault:  # whatever one page says must not end the run
                if self._is_away():
                    break
                self._leave(name, fault)
                continue
            refined.append((*name, attributes))
        return self._keep(refined)

    def _is_away(self) -> bool:
        try:
            return self._worker.is_absent(self._root)
        except (WorkerLostError, WorkerSilentError):
            return True

    def _try_later(self, name: PageName, error: WorkerError) -> None:
        self._tries[name] += 1
        if self._tries[name] >= _TRIES:
            self._leave(name, error)
        else:
            self._queue.pop(name)
            self._queue[name] = None

    def _leave(self, name: PageName, fault: Exception) -> None:
        """Leave a page as it is known."""
        self._queue.pop(name, None)
        if not isinstance(fault, ReadError):  # a file that is locked now may be read another time
            self._lacking[self._folder_of(name[0])].discard(name)
        told = str(fault) if isinstance(fault, LivecountError) else repr(fault)
        self._log.warning("not read anew", path=repr(name[0]), page=name[1], reason=told)

    def _keep(self, refined: list[_Refined]) -> int:
        """Keep a batch; where something in it cannot be kept, page by page."""
        if not refined:
            return 0
        try:
            changed = self._store.refine_attributes(self._source, refined)
        except StoreError:
            raise
        except Exception as fault:  # such as a number that no column holds
            if len(refined) == 1:
                self._leave(refined[0][:2], fault)
                return 0
            return sum(self._keep([one]) for one in refined)
        for relative_path, page, attributes in refined:
            self._queue.pop((relative_path, page), None)
            self._sort((relative_path, page), attributes)
            if changed:
                self._on_refined(relative_path, page, attributes)
        return changed

    def _sort(self, name: PageName, attributes: FrameAttributes) -> bool:
        """Keep a page among those that lack something or not; tell whether it is complete."""
        lacking = self._lacking[self._folder_of(name[0])]
        if _is_complete(attributes):
            lacking.discard(name)
            return True
        lacking.add(name)
        return False

    def _folder_of(self, relative_path: bytes) -> Path:
        return (self._root / os.fsdecode(relative_path)).parent


def _is_complete(attributes: FrameAttributes) -> bool:
    """Tell whether a frame's own tags or a companion file have told its time and pixel size."""
    sources = attributes.sources
    if AttributeSource.COMPANION_FILE in sources.values():
        return True
    timed = attributes.acquired_at is not None or attributes.elapsed_s is not None
    return timed and attributes.pixel_size_um is not None
