"""Metadata that is written after the frames: taken in when it comes, without a recount.

Acquisition software writes positions, times and pixel sizes into files beside the frames, some only
every ten frames. Frames of which something is missing are remembered, and looked up again when a
file beside them has changed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from livecount.errors import ReadError, WorkerLostError, WorkerSilentError
from livecount.frame import AttributeSource, FrameAttributes
from livecount.monitor.worker import Worker
from livecount.storage import CountStore, Source

__all__ = ["LateMetadata"]

PageName = tuple[bytes, int]
_BATCH = 200


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
        worker: Worker,
        on_refined: Callable[[bytes, int, FrameAttributes], None],
    ) -> None:
        self._source = source
        self._store = store
        self._worker = worker
        self._on_refined = on_refined
        self._root = Path(source.folder)
        self._lacking: defaultdict[Path, set[PageName]] = defaultdict(set)
        self._stamps: dict[Path, tuple[tuple[str, int, int], ...]] = {}

    def note(self, relative_path: bytes, page: int, attributes: FrameAttributes) -> None:
        """Remember a frame if a file beside it could still say more of it."""
        folder = (self._root / os.fsdecode(relative_path)).parent
        if _is_complete(attributes):
            self._lacking[folder].discard((relative_path, page))
        else:
            self._lacking[folder].add((relative_path, page))

    def remember(self, pages: Iterable[PageName]) -> None:
        """Remember frames of an earlier run of which something is missing."""
        for relative_path, page in pages:
            self._lacking[(self._root / os.fsdecode(relative_path)).parent].add(
                (relative_path, page)
            )

    def look_up(self) -> int:
        """Read anew what lacked something in folders whose companion files have changed.

        Returns
        -------
        int
            How many frames are better known now.
        """
        changed = 0
        for folder, pages in list(self._lacking.items()):
            try:
                stamps = self._worker.companion_stamps(folder) if pages else ()
                if stamps and stamps != self._stamps.get(folder):
                    changed += self.refine(sorted(pages))
                    self._stamps[folder] = stamps
            except (WorkerLostError, WorkerSilentError):  # another look comes soon
                break
        return changed

    def refine(self, pages: Iterable[PageName]) -> int:
        """Read the attributes of these pages anew; those that cannot be read stay as they are."""
        changed = 0
        refined: list[tuple[bytes, int, FrameAttributes]] = []
        for relative_path, page in pages:
            try:
                attributes = self._worker.read_attributes(self._root, relative_path, page)
            except ReadError:
                continue
            self.note(relative_path, page, attributes)
            refined.append((relative_path, page, attributes))
            if len(refined) == _BATCH:
                changed += self._keep(refined)
                refined = []
        return changed + self._keep(refined)

    def _keep(self, refined: list[tuple[bytes, int, FrameAttributes]]) -> int:
        changed = self._store.refine_attributes(self._source, refined)
        for relative_path, page, attributes in refined if changed else ():
            self._on_refined(relative_path, page, attributes)
        return changed


def _is_complete(attributes: FrameAttributes) -> bool:
    """Tell whether a frame's own tags or a companion file have told its time and pixel size."""
    sources = attributes.sources
    if AttributeSource.COMPANION_FILE in sources.values():
        return True
    timed = attributes.acquired_at is not None or attributes.elapsed_s is not None
    return timed and attributes.pixel_size_um is not None
