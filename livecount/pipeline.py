"""From a frame to its count: scale, normalise, infer, find peaks. No disk, no database.

Live watching, backfill, restart, ``livecount count`` and ``livecount evaluate`` all go through
:meth:`FrameCounter.count`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livecount import __version__
from livecount.detection import LOCATION_H, find_peaks
from livecount.errors import EngineError, RefusedFrameError
from livecount.frame import (
    MIN_PROMINENCE,
    Candidates,
    CellShapes,
    FloatArray,
    Frame,
    FrameCount,
    Provenance,
)
from livecount.inference import Engine, Model, TileLimits, infer_tiled
from livecount.normalisation import normalise
from livecount.quality import assess, find_flags
from livecount.resampling import resize
from livecount.segmentation import (
    Labels,
    SegmentationRule,
    confluence_percent,
    find_foreground,
    labels_at,
    measure_shapes,
    segment,
)
from livecount.uncertainty import find_doubts
from livecount.weighing import detection_map

__all__ = ["CountingRule", "FrameCounter"]


@dataclass(frozen=True, slots=True)
class CountingRule:
    """How frames are scaled and which peaks are cells; exactly one diameter is given.

    Attributes
    ----------
    cell_diameter_um
        Cell diameter in micrometres; needs each frame's pixel size.
    cell_diameter_px
        Cell diameter in pixels of the frames, where no pixel size is known.
    h
        Peaks of the detection map (:mod:`livecount.weighing`) with prominence >= h are cells.
    """

    h: float
    cell_diameter_um: float | None = None
    cell_diameter_px: float | None = None
    min_prominence: float = MIN_PROMINENCE

    def __post_init__(self) -> None:
        if (self.cell_diameter_um is None) == (self.cell_diameter_px is None):
            raise ValueError("give the cell diameter either in um or in px")

    def diameter_px(self, frame: Frame) -> float:
        """Give the cell diameter in pixels of this frame.

        Raises
        ------
        RefusedFrameError
            The diameter is in micrometres and the frame's pixel size is not known.
        """
        if self.cell_diameter_px is not None:
            return self.cell_diameter_px
        assert self.cell_diameter_um is not None
        if frame.attributes.pixel_size_um is None:
            raise RefusedFrameError(
                f"{frame.key.display_path}: the cell diameter is set in um, "
                "but this frame's pixel size is not known",
                hint="Give --pixel-size-um, or the diameter in pixels with --cell-diameter-px",
            )
        return self.cell_diameter_um / frame.attributes.pixel_size_um


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
        memory_limit_mb: float = 1500,
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
        maps, _ = self._infer(frame, diameter_px)
        return _at_frame_scale(self._peaks(maps), maps, frame)

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
            As :meth:`count`.
        """
        found, labels = self._count(frame)
        if labels is None:
            raise ValueError("the counter was not made to segment")
        return found, labels_at(labels, (found.height_px, found.width_px))

    def _count(self, frame: Frame) -> tuple[FrameCount, Labels | None]:
        diameter_px = self.rule.diameter_px(frame)
        labels: Labels | None = None
        shapes: CellShapes | None = None
        try:
            maps, normalised = self._infer(frame, diameter_px)
            peaks = self._peaks(maps)
            if self._segmentation is not None:
                labels, shapes = self._segment(maps, normalised, peaks, frame)
        except MemoryError as error:
            raise EngineError(
                f"{frame.key.display_path}: not enough memory to count it",
                hint="Lower `memory_limit_mb` in [counting], or close other programs",
            ) from error
        height, width = frame.pixels.shape
        size_um = frame.attributes.pixel_size_um
        counted = FrameCount(
            key=frame.key,
            attributes=frame.attributes,
            analysis_id=self._analysis_id,
            count=peaks.count_at(self.rule.h),
            candidates=_at_frame_scale(peaks, maps, frame),
            quality=assess(frame),
            height_px=height,
            width_px=width,
            area_mm2=None if size_um is None else height * width * (size_um / 1000) ** 2,
            flags=(*frame.flags, *find_flags(frame.pixels), *self._doubts(peaks)),
            provenance=Provenance(self._engine.runtime, self._engine.precision, __version__),
            confluence_percent=None if labels is None else confluence_percent(labels),
            shapes=shapes,
        )
        return counted, labels

    def _infer(self, frame: Frame, diameter_px: float) -> tuple[FloatArray, FloatArray]:
        """Give a frame's maps (head, y, x) and what the network saw (y, x), at its own scale."""
        scaled = resize(frame.pixels, self.model.cell_diameter_px / diameter_px)
        normalised = normalise(scaled, self.model.normalisation)
        limits = TileLimits.of(self.model, self._engine, self._memory_limit_mb)
        maps = infer_tiled(self._engine.infer, normalised, limits)
        return maps, normalised

    def _peaks(self, maps: FloatArray) -> Candidates:
        """Find every candidate, positions in pixels of the maps."""
        drawn = detection_map(maps, self.model.heads, self.model.weighing)
        return find_peaks(
            drawn, h=min(self.rule.h, LOCATION_H), min_prominence=self.rule.min_prominence
        )

    def _doubts(self, peaks: Candidates) -> tuple[str, ...]:
        calibration = self.model.calibration
        return find_doubts(calibration, peaks.at(self.rule.h).prominence) if calibration else ()

    def _segment(
        self, maps: FloatArray, normalised: FloatArray, peaks: Candidates, frame: Frame
    ) -> tuple[Labels, CellShapes]:
        """Give the cells' labels at the maps' scale, and their shapes in pixels of the frame."""
        assert self._segmentation is not None
        cells = peaks.at(self.rule.h)
        outer = maps[self.model.heads.index("outer")]
        foreground = find_foreground(maps, self.model.heads, self._segmentation)
        labels = segment(outer, foreground, cells, self._segmentation)
        px_per_label_px = float(np.sqrt(frame.pixels.size / labels.size))
        shapes = measure_shapes(labels, normalised, len(cells), px_per_label_px=px_per_label_px)
        return labels, shapes


def _at_frame_scale(peaks: Candidates, maps: FloatArray, frame: Frame) -> Candidates:
    height, width = frame.pixels.shape
    return peaks.scaled(height / maps.shape[1], width / maps.shape[2])
