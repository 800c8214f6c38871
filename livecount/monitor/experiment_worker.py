"""The one worker as each experiment asks it: frames are read and counted in its own way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from livecount.counting_rule import CountingRule, DiameterEstimate
from livecount.frame import FrameAttributes, FrameCount, FrameKey
from livecount.monitor.messages import FrameChoices, PageAhead, PageRead
from livecount.monitor.worker import Worker
from livecount.readers import PageLook

__all__ = ["ExperimentWorker"]


class ExperimentWorker:
    """Asks the worker for one experiment; all of :class:`Worker`'s errors come through.

    Parameters
    ----------
    choices
        How this experiment's frames are understood.
    """

    def __init__(self, worker: Worker, choices: FrameChoices) -> None:
        self._worker = worker
        self._choices = choices

    def look(self, path: Path, *, settled: bool) -> PageLook:
        """Ask :meth:`Bench.look`."""
        return self._worker.look(path, settled=settled)

    def read(self, root: Path, relative_path: bytes, page: int) -> PageRead:
        """Ask :meth:`Bench.read`."""
        return self._worker.read(root, relative_path, page, self._choices)

    def count(
        self, page: PageRead, rule: CountingRule, analysis_id: str, ahead: PageAhead | None = None
    ) -> FrameCount:
        """Ask :meth:`Bench.count`."""
        ahead = ahead and replace(ahead, choices=self._choices)
        return self._worker.count(page, rule, analysis_id, ahead, segment=self._choices.segment)

    def estimate_diameter(self, key: FrameKey) -> DiameterEstimate:
        """Ask :meth:`Bench.estimate_diameter`."""
        return self._worker.estimate_diameter(key)

    def draw_scale(self, key: FrameKey, rule: CountingRule, words: str, picture: Path) -> None:
        """Ask :meth:`Bench.draw_scale`."""
        self._worker.draw_scale(key, rule, words, picture)

    def read_attributes(self, root: Path, relative_path: bytes, page: int) -> FrameAttributes:
        """Ask :meth:`Bench.read_attributes`."""
        return self._worker.read_attributes(root, relative_path, page, self._choices)

    def companion_stamps(self, folder: Path) -> tuple[tuple[str, int, int], ...]:
        """Ask :meth:`Bench.companion_stamps`."""
        return self._worker.companion_stamps(folder)

    def is_absent(self, path: Path) -> bool:
        """Ask :meth:`Bench.is_absent`."""
        return self._worker.is_absent(path)
