"""From a frame to its count: scale, normalise, infer, find peaks. No disk, no database.

Live watching, backfill, restart, ``livecount count`` and ``livecount evaluate`` all go through
:meth:`FrameCounter.count`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from tempfile import gettempdir
from typing import Final

import numpy as np

from livecount import __version__
from livecount.banded_peaks import BandedPeaks
from livecount.counting_rule import CountingRule
from livecount.detection import find_peaks
from livecount.errors import EngineError, EngineReplacedError
from livecount.frame import (
    Candidates,
    CellShapes,
    FloatArray,
    Frame,
    FrameCount,
    Provenance,
)
from livecount.inference import (
    MEMORY_LIMIT_MB,
    Engine,
    Model,
    TileLimits,
    infer_in_bands,
    infer_tiled,
)
from livecount.normalisation import normalised_rows
from livecount.padding import shown_fraction
from livecount.quality import assess, find_flags
from livecount.resampling import scaled_to
from livecount.rows import Rows
from livecount.segmentation import (
    Labels,
    SegmentationRule,
    confluence_percent,
    find_foreground,
    labels_at,
    measure_shapes,
    segment,
    trace_masks,
)
from livecount.uncertainty import find_doubts
from livecount.weighing import detection_bands, detection_map

__all__ = ["CountingRule", "FrameCounter"]

_HELD_PX: Final = 40_000_000
"""Frames of more pixels, at the model's scale, go through in bands: the same peaks, no masks."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What the network saw (y, x) and its maps (head, y, x), at the model's scale."""

    maps: FloatArray
    normalised: FloatArray


@dataclass(frozen=True, slots=True)
class _Found:
    """Peaks of a frame in pixels of the maps, the maps' shape, and the maps where they are held."""

    peaks: Candidates
    shape: tuple[int, int]
    drawn: _Drawn | None = None

    def at_scale_of(self, frame: Frame) -> Candidates:
        """Give the peaks in pixels of the frame."""
        height, width = frame.pixels.shape
        return self.peaks.scaled(height / self.shape[0], width / self.shape[1])


class FrameCounter:
    """Counts frames with one model, one engine and one rule.

    Parameters
    ----------
    analysis_id
        Kept with every count; empty where no database is involved.
    memory_limit_mb
        Working memory that inference may take; larger frames are tiled.
    segmentation
        How cells get their masks; None: they get none, and counting takes no longer for it. The
        count is the same either way.

    Raises
    ------
    EngineError
        Cells are to be segmented, but the model has no outer distance map.
    """

    def __init__(
        self,
        model: Model,
        engine: Engine,
        rule: CountingRule,
        *,
        analysis_id: str = "",
        memory_limit_mb: float = MEMORY_LIMIT_MB,
        segmentation: SegmentationRule | None = None,
    ) -> None:
        if segmentation is not None and "outer" not in model.heads:
            raise EngineError(
                f"Model {model.name!r} has no outer distance map, so it cannot segment cells",
                hint="Count without segmentation, or choose another model",
            )
        self.model = model
        self.rule = rule
        self._engine = engine
        self._analysis_id = analysis_id
        self._segmentation = segmentation
        self._memory_limit_mb = memory_limit_mb

    def find_candidates(self, frame: Frame, diameter_px: float) -> Candidates:
        """Find every candidate of a frame, positions in pixels of the frame as acquired."""
        return self._find(frame, diameter_px).at_scale_of(frame)

    def count(self, frame: Frame) -> FrameCount:
        """Count the cells of one frame; segment them where that was asked for.

        Raises
        ------
        RefusedFrameError
            The rule needs a pixel size that the frame does not have.
        EngineError
            The runtime failed, or memory ran out.
        """
        return self._count(frame)[0]

    def count_with_labels(self, frame: Frame) -> tuple[FrameCount, Labels]:
        """Count the cells of one frame and give their masks too.

        Returns
        -------
        FrameCount, Labels
            Labels have the frame's shape: ``k`` on the cell of candidate ``k - 1``, else 0.

        Raises
        ------
        RefusedFrameError, EngineError
            As :meth:`count`; and EngineError where the frame is too large for masks.
        """
        if self._segmentation is None:
            raise ValueError("the counter was not made to segment")
        found, labels = self._count(frame)
        if labels is None:
            raise EngineError(
                f"{frame.key.display_path}: too large to segment "
                f"({found.width_px} x {found.height_px} pixels)",
                hint="Count it without masks, or cut it into parts",
            )
        return found, labels_at(labels, (found.height_px, found.width_px))

    def _count(self, frame: Frame) -> tuple[FrameCount, Labels | None]:
        diameter_px = self.rule.diameter_px(frame)
        labels: Labels | None = None
        shapes: CellShapes | None = None
        try:
            found = self._find(frame, diameter_px)
            if self._segmentation is not None and found.drawn is not None:
                labels, shapes = self._segment(found.drawn, found.peaks, frame)
        except MemoryError as error:
            raise EngineError(
                f"{frame.key.display_path}: not enough memory to count it",
                hint="Lower `memory_limit_mb` in [counting], or close other programs",
            ) from error
        height, width = frame.pixels.shape
        size_um = frame.attributes.pixel_size_um
        shown = shown_fraction(frame.pixels)
        padded = ("padding",) if shown < 1 else ()
        counted = FrameCount(
            key=frame.key,
            attributes=frame.attributes,
            analysis_id=self._analysis_id,
            count=found.peaks.count_at(self.rule.h),
            candidates=found.at_scale_of(frame),
            quality=assess(frame),
            height_px=height,
            width_px=width,
            area_mm2=None if size_um is None else height * width * shown * (size_um / 1000) ** 2,
            flags=(*frame.flags, *padded, *find_flags(frame.pixels), *self._doubts(found)),
            provenance=Provenance(self._engine.runtime, self._engine.precision, __version__),
            confluence_percent=None if labels is None else _of_shown(labels, shown),
            shapes=shapes,
            masks=None if labels is None else trace_masks(labels),
        )
        return counted, labels

    def _find(self, frame: Frame, diameter_px: float) -> _Found:
        """Find every candidate, also where the engine is replaced in the middle of the frame."""
        try:
            return self._find_once(frame, diameter_px)
        except EngineReplacedError:
            return self._find_once(frame, diameter_px)

    def _find_once(self, frame: Frame, diameter_px: float) -> _Found:
        """Find every candidate; hold what the network saw and drew where that is not too large."""
        factor = self.model.cell_diameter_px / diameter_px
        image = normalised_rows(
            scaled_to(frame.pixels, factor), self.model.normalisation, held_px=_HELD_PX
        )
        limits = TileLimits.of(self.model, self._engine, self._memory_limit_mb)
        height, width = image.shape
        if height * width > _HELD_PX:
            try:
                return _Found(self._peaks_in_bands(image, limits), image.shape)
            except OSError as error:
                raise EngineError(
                    f"{frame.key.display_path}: its map cannot be kept in {gettempdir()}: {error}",
                    hint="Free space there, or let TMPDIR name a folder on a larger disk",
                ) from error
        normalised = image.rows(0, height)
        maps = infer_tiled(self._engine.infer, normalised, limits)
        inner = detection_map(maps, self.model.heads, self.model.weighing)
        peaks = find_peaks(inner, min_prominence=self.rule.min_prominence)
        return _Found(peaks, image.shape, _Drawn(maps, normalised))

    def _peaks_in_bands(self, image: Rows, limits: TileLimits) -> Candidates:
        bands = (band for _, band in infer_in_bands(self._engine.infer, image, limits))
        finder = BandedPeaks(image.shape[1], min_prominence=self.rule.min_prominence)
        with closing(finder) as peaks:
            for inner in detection_bands(bands, self.model.heads, self.model.weighing):
                peaks.add(inner)
            return peaks.finish()

    def _doubts(self, found: _Found) -> tuple[str, ...]:
        unmasked = self._segmentation is not None and found.drawn is None
        too_large = ("too_large_to_segment",) if unmasked else ()
        calibration = self.model.calibration
        if calibration is None:
            return too_large
        return (*too_large, *find_doubts(calibration, found.peaks.at(self.rule.h).prominence))

    def _segment(self, drawn: _Drawn, peaks: Candidates, frame: Frame) -> tuple[Labels, CellShapes]:
        """Give the cells' labels at the maps' scale, and their shapes in pixels of the frame."""
        assert self._segmentation is not None
        cells = peaks.at(self.rule.h)
        outer = drawn.maps[self.model.heads.index("outer")]
        foreground = find_foreground(drawn.maps, self.model.heads, self._segmentation)
        labels = segment(outer, foreground, cells, self._segmentation)
        px_per_label_px = float(np.sqrt(frame.pixels.size / labels.size))
        shapes = measure_shapes(
            labels, drawn.normalised, len(cells), px_per_label_px=px_per_label_px
        )
        return labels, shapes


def _of_shown(labels: Labels, shown: float) -> float:
    """Give the confluence of the part of a frame that shows anything."""
    return min(100.0, confluence_percent(labels) / shown)
