"""What a worker does when asked: all that touches frame files, and all that computes.

It runs in a process of its own, which may hang with a share or end with a frame while the monitor
goes on. The frame last read stays here; only what is known of it leaves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from livecount.cell_size import estimate_cell_diameter
from livecount.config import Config
from livecount.counting_rule import CountingRule, DiameterEstimate
from livecount.errors import UnreadableFrameError
from livecount.frame import Frame, FrameAttributes, FrameCount, FrameKey
from livecount.inference import LongRunEngine, find_model
from livecount.monitor.choices import completed_pixel_size, patterns_for, with_pixel_size
from livecount.monitor.messages import EngineState, PageAhead, PageRead
from livecount.monitor.read_ahead import ReadAhead
from livecount.nuclei import NucleiRule, count_nuclei, estimate_nucleus_diameter
from livecount.pipeline import FrameCounter
from livecount.platform.files import stat_shared
from livecount.platform.process import release_memory, usable_cores
from livecount.readers import (
    PageLook,
    ReadLimits,
    companion_stamps,
    look,
    read_attributes,
    read_page,
)
from livecount.segmentation import SegmentationRule

__all__ = ["Bench"]


class _Choices:
    """What one experiment's settings choose of frames and of how cells are counted."""

    def __init__(self, config: Config, limits: ReadLimits, card: Mapping[str, Any]) -> None:
        self.config = config
        self.reading: dict[str, Any] = {
            "patterns": patterns_for(config),
            "limits": limits,
            "time_zone": ZoneInfo(config.experiment.time_zone),
        }
        self.segmentation = SegmentationRule.of_card(card) if config.counting.segment else None


class Bench:
    """Reads and counts one frame after the other, each by the settings of its experiment.

    Parameters
    ----------
    mistrust
        Why only the reference may compute, in words; empty where the chosen runtime may.

    Raises
    ------
    ModelError, EngineError
        The model or the runtime cannot be used.
    """

    def __init__(self, config: Config, mistrust: str = "") -> None:
        counting = config.counting
        self._config = config
        self._limits = ReadLimits(max_pixels=int(counting.max_frame_megapixels * 1e6))
        self._model = find_model(counting.model)
        threads = counting.threads or usable_cores()
        self._engine = LongRunEngine(
            self._model, runtime=counting.runtime, threads=threads, mistrust=mistrust
        )
        self._choices = [
            _Choices(one, self._limits, self._model.card) for one in config.each_experiment
        ]
        self._number_of: dict[Path, int] = {}
        self._frame: Frame | None = None
        self._ahead = ReadAhead(self._read_page)

    @property
    def engine_state(self) -> EngineState:
        """What computes the network now."""
        engine = self._engine
        return EngineState(engine.words, engine.trouble, engine.counting.is_reference)

    def look(self, path: Path, settled: bool) -> PageLook:
        """Count a file's pages and tell which are whole."""
        self._ahead.wait()
        return look(path, settled=settled, limits=self._limits)

    def read(self, root: Path, relative_path: bytes, page: int, number: int = 0) -> PageRead:
        """Read one page by the settings of experiment ``number``; keep it, say what is known."""
        self._frame = None
        self._number_of[root] = number
        read_ahead = self._ahead.take(root, relative_path, page)
        if read_ahead is not None:
            frame, stamp = read_ahead
        else:
            frame, stamp = self._read_page(root, relative_path, page), None
            with suppress(OSError):
                stamp = stat_shared(root / os.fsdecode(relative_path))
        self._frame = frame
        return PageRead(frame.key, frame.attributes, frame.flags, frame.pixels.size, stamp)

    def _read_page(self, root: Path, relative_path: bytes, page: int) -> Frame:
        choices = self._choices_for(root)
        frame = read_page(root, relative_path, page, **choices.reading)
        return with_pixel_size(frame, choices.config)

    def _choices_for(self, root: Path) -> _Choices:
        return self._choices[self._number_of.get(root, 0)]

    def count(
        self, key: FrameKey, rule: CountingRule, analysis_id: str, ahead: PageAhead | None = None
    ) -> tuple[FrameCount, EngineState]:
        """Count the cells of the page that was read last, and say what computed it.

        Meanwhile the page that is probably next is read.
        """
        if ahead is not None:
            self._ahead.start(ahead)
        self._engine.go_over_when_built()
        found = FrameCounter(
            self._model,
            self._engine.counting,
            rule,
            analysis_id=analysis_id,
            memory_limit_mb=self._config.counting.memory_limit_mb,
            segmentation=self._choices_for(Path(key.source)).segmentation,
        ).count(self._kept(key))
        release_memory()
        return found, self.engine_state

    def estimate_diameter(self, key: FrameKey) -> DiameterEstimate:
        """Read the cell diameter off the page that was read last."""
        return estimate_cell_diameter(self._kept(key), self._model, self._engine.counting)

    def count_nuclei(
        self, key: FrameKey, rule: NucleiRule, analysis_id: str, ahead: PageAhead | None = None
    ) -> FrameCount:
        """Count the stained nuclei of the page that was read last, while the next is read."""
        if ahead is not None:
            self._ahead.start(ahead)
        found = count_nuclei(self._kept(key), rule, analysis_id=analysis_id)
        release_memory()
        return found

    def estimate_nucleus_diameter(self, key: FrameKey) -> float:
        """Read the nucleus diameter off the page that was read last, in pixels."""
        return estimate_nucleus_diameter(self._kept(key))

    def draw_scale(self, key: FrameKey, rule: CountingRule, words: str, picture: Path) -> None:
        """Draw the page that was read last with the cells that a diameter gives."""
        from livecount.plots import draw_overlay

        frame = self._kept(key)
        diameter_px = rule.diameter_px(frame)
        counter = FrameCounter(self._model, self._engine.counting, rule)
        draw_overlay(
            frame.pixels,
            counter.find_candidates(frame, diameter_px).at(rule.h),
            picture,
            title=f"{key.display_path}, {words}",
            pixel_size_um=frame.attributes.pixel_size_um,
            cell_diameter_px=diameter_px,
        )

    def read_attributes(
        self, root: Path, relative_path: bytes, page: int, number: int = 0
    ) -> FrameAttributes:
        """Gather what is known of a page by now, without its pixels."""
        self._ahead.wait()
        self._number_of[root] = number
        choices = self._choices_for(root)
        attributes = read_attributes(root, relative_path, page, **choices.reading)
        return completed_pixel_size(attributes, choices.config)

    def companion_stamps(self, folder: Path) -> tuple[tuple[str, int, int], ...]:
        """Tell the state of the companion files that speak of a folder's frames."""
        self._ahead.wait()
        return companion_stamps(folder)

    def is_absent(self, path: Path) -> bool:
        """Tell whether a path is known to be absent; what cannot be asked is not."""
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False

    def _kept(self, key: FrameKey) -> Frame:
        if self._frame is None or self._frame.key != key:
            raise UnreadableFrameError(
                f"{key.display_path}: the process that had read it ended", hint="It is read again"
            )
        return self._frame
