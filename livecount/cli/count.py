"""``count``: count these images or folders now, without a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from livecount.cli.options import (
    AsJson,
    CellDiameterPx,
    CellDiameterUm,
    Channel,
    ConfigFile,
    FrameIntervalMin,
    H,
    ModelName,
    Pattern,
    PixelSizeUm,
    Segment,
    counting_overrides,
    edge_rule,
    load_settings,
)
from livecount.cli.terminal import FAILED, progress_bar, say, show_error, terminal, write_json
from livecount.errors import LivecountError

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.frame import Frame, FrameCount
    from livecount.pipeline import FrameCounter
    from livecount.segmentation import Labels
    from livecount.uncertainty import Calibration


@dataclass(frozen=True, slots=True)
class _Failure:
    """A page, or a whole file (page None), that gave no count; ``error`` names it."""

    file: Path
    page: int | None
    error: LivecountError


@dataclass(slots=True)
class _Outcome:
    counts: list[FrameCount] = field(default_factory=list)
    failures: list[_Failure] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def add_failure(self, file: Path, page: int | None, error: LivecountError) -> None:
        """Keep an error under the name of its file and page, whoever raised it."""
        from livecount.readers import readable_path

        shown = readable_path(os.fsencode(file))
        name, _, rest = error.message.partition(": ")
        reason = rest if rest and shown.endswith(name) else error.message
        where = shown if page is None else f"{shown}, page {page}"
        named = LivecountError(f"{where}: {reason}", hint=error.hint)
        self.failures.append(_Failure(file, page, named))


Images = Annotated[list[Path], typer.Argument(help="Images, or folders of them.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write the counts as CSV.")]
OverlayFolder = Annotated[
    Path | None, typer.Option("--overlay", help="Folder for pictures with the cells marked.")
]
MaskFolder = Annotated[
    Path | None,
    typer.Option("--masks", help="Folder for 16-bit masks NAME.cells.png; cells are segmented."),
]


def count(
    paths: Images,
    csv: CsvFile = None,
    overlay: OverlayFolder = None,
    masks: MaskFolder = None,
    config: ConfigFile = None,
    cell_diameter_px: CellDiameterPx = None,
    cell_diameter_um: CellDiameterUm = None,
    pixel_size_um: PixelSizeUm = None,
    pattern: Pattern = None,
    frame_interval_min: FrameIntervalMin = None,
    model: ModelName = None,
    h: H = None,
    channel: Channel = None,
    segment: Segment = None,
    as_json: AsJson = False,
) -> None:
    """Count the cells of images now.

    A page that cannot be counted is named and the others are counted; the status is then 1.
    With --segment, --overlay shows the outline of each cell, cyan for those that are bright and
    rounded as dividing and dying cells are, and the table has the confluence.

    Example: livecount count frames/ --cell-diameter-px 40 --csv counts.csv --overlay marked/
    """
    overrides = counting_overrides(
        cell_diameter_px=cell_diameter_px,
        cell_diameter_um=cell_diameter_um,
        pixel_size_um=pixel_size_um,
        pattern=pattern,
        model=model,
        h=h,
        channel=channel,
        z=None,
        segment=True if masks is not None else segment,
    )
    overrides["experiment.frame_interval_min"] = frame_interval_min
    settings = load_settings(config, overrides)
    files = [found for path in paths for found in _files_in(path)]
    if not files:
        raise LivecountError(
            f"No image files in {', '.join(str(path) for path in paths)}",
            hint="Name TIFF, PNG or JPEG files, or folders that hold them",
        )
    counting = _Counting(settings, overlay, masks)
    with progress_bar("counting", len(files)) as advance:
        for root, file in files:
            counting.take_file(root, file)
            advance()
    if counting.engine.reservation:
        say(f"warning: {counting.engine.reservation}")
    _report(counting, csv, as_json=as_json)
    if counting.outcome.failures:
        raise typer.Exit(FAILED)


def _files_in(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (folder, file) of an image, or of all frame files below a folder in order of name."""
    from livecount.readers import is_frame_file

    if not path.is_dir():
        yield path.absolute().parent, path.absolute()
        return
    root = path.absolute()
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            found = Path(folder) / name
            if is_frame_file(os.fsencode(found.relative_to(root).as_posix())):
                yield root, found


class _Counting:
    """Counts file after file by one rule; what goes wrong with a page ends with that page."""

    def __init__(self, settings: Config, overlay: Path | None, masks: Path | None) -> None:
        from livecount.inference import find_model, open_engine
        from livecount.monitor import channel_rule, patterns_for
        from livecount.platform.process import usable_cores
        from livecount.readers import ReadLimits

        counting = settings.counting
        self.settings = settings
        self.outcome = _Outcome()
        self._overlay = overlay
        self._masks = masks
        self._mask_files: set[Path] = set()
        self._limits = ReadLimits(max_pixels=int(counting.max_frame_megapixels * 1e6))
        self._patterns = patterns_for(settings)
        self._time_zone = ZoneInfo(settings.experiment.time_zone)
        self._channels = channel_rule(settings)
        self._counted_channels: set[str] = set()
        self._model = find_model(counting.model)
        threads = counting.threads or usable_cores()
        self.engine = open_engine(self._model, runtime=counting.runtime, threads=threads)
        self._counter: FrameCounter | None = None

    def take_file(self, root: Path, file: Path) -> None:
        """Count every page of a file that can be counted, and keep the errors of the others."""
        from livecount.readers import look

        try:
            n_pages = look(file, settled=True, limits=self._limits).n_pages
        except LivecountError as error:
            self.outcome.add_failure(file, None, error)
            return
        for page in range(n_pages):
            try:
                self._take_page(root, file, page)
            except LivecountError as error:
                self.outcome.add_failure(file, page if n_pages > 1 else None, error)

    def _take_page(self, root: Path, file: Path, page: int) -> None:
        frame = self._read(root, file, page)
        channel = frame.attributes.channel
        refusal = self._channels.refusal(channel, sorted(self._counted_channels))
        if refusal:
            self.outcome.left_out.append((frame.key.display_path, refusal))
            return
        counter = self._counter = self._counter or self._open_counter(frame)
        labels: Labels | None = None
        if self._masks is not None:
            found, labels = counter.count_with_labels(frame)
        else:
            found = counter.count(frame)
        self.outcome.counts.append(found)
        if channel is not None:
            self._counted_channels.add(channel)
        if self._overlay is not None:
            _draw(self._overlay, frame, found, counter)
        if self._masks is not None and labels is not None:
            from livecount.export import write_masks

            write_masks(labels, self._mask_file(self._masks, frame))

    def _mask_file(self, folder: Path, frame: Frame) -> Path:
        """Name a frame's masks after it; where two names differ by their ending only, with it."""
        name = _flat_name(frame)
        file = folder / f"{Path(name).stem}{_page(frame)}.cells.png"
        if file in self._mask_files:
            file = folder / f"{name}{_page(frame)}.cells.png"
        self._mask_files.add(file)
        return file

    def _read(self, root: Path, file: Path, page: int) -> Frame:
        from livecount.monitor import with_pixel_size
        from livecount.readers import read_page

        frame = read_page(
            root,
            os.fsencode(file.relative_to(root).as_posix()),
            page,
            patterns=self._patterns,
            limits=self._limits,
            time_zone=self._time_zone,
        )
        return with_pixel_size(frame, self.settings)

    def _open_counter(self, first: Frame) -> FrameCounter:
        """Fix the rule; where no diameter was given, read it off the first frame that has cells."""
        from livecount.cell_size import estimate_cell_diameter
        from livecount.pipeline import CountingRule, FrameCounter
        from livecount.segmentation import SegmentationRule

        counting = self.settings.counting
        um, px = counting.cell_diameter_um, counting.cell_diameter_px
        if um is None and px is None:
            estimate = estimate_cell_diameter(first, self._model, self.engine)
            px = estimate.diameter_px
            say(
                f"cell diameter: {px:.0f} px, estimated from {first.key.display_path}"
                f"{estimate.reservation}; look at --overlay, or give --cell-diameter-px"
            )
        h = self._model.h if counting.h is None else counting.h
        rule = CountingRule(h=h, cell_diameter_um=um, cell_diameter_px=px)
        limit_mb = counting.memory_limit_mb
        return FrameCounter(
            self._model,
            self.engine,
            rule,
            memory_limit_mb=limit_mb,
            segmentation=SegmentationRule.of_card(self._model.card) if counting.segment else None,
        )

    @property
    def calibration(self) -> Calibration | None:
        """How often a peak is a cell, as the model's card says."""
        return self._model.calibration

    def rule_columns(self) -> dict[str, Any]:
        """Give the columns of the table that say how was counted."""
        if self._counter is None:
            return {}
        rule = self._counter.rule
        in_px = rule.cell_diameter_px is not None
        return {
            "experiment": self.settings.experiment_name,
            "model": self._model.name,
            "h": rule.h,
            "cell_diameter": rule.cell_diameter_px if in_px else rule.cell_diameter_um,
            "cell_diameter_unit": "px" if in_px else "um",
        }


def _page(frame: Frame) -> str:
    return f".page{frame.key.page}" if frame.key.page else ""


def _flat_name(frame: Frame) -> str:
    return frame.key.display_path.replace("/", "__").replace("\\", "_")


def _draw(folder: Path, frame: Frame, found: FrameCount, counter: FrameCounter) -> None:
    from livecount.plots import draw_overlay

    draw_overlay(
        frame.pixels,
        found.candidates.at(counter.rule.h),
        folder / f"{_flat_name(frame)}{_page(frame)}.png",
        title=frame.key.display_path,
        pixel_size_um=frame.attributes.pixel_size_um,
        cell_diameter_px=counter.rule.diameter_px(frame),
        masks=found.masks,
        shapes=found.shapes,
        confluence_percent=found.confluence_percent,
    )


def _report(counting: _Counting, csv: Path | None, *, as_json: bool) -> None:
    from livecount.experiment import TimeAxis
    from livecount.export import write_csv
    from livecount.monitor import channel_rule
    from livecount.tables import table_of

    outcome, declared = counting.outcome, counting.settings.experiment
    axis = TimeAxis(declared.t0, declared.frame_interval_min)
    table = table_of(
        outcome.counts,
        counting.rule_columns(),
        axis,
        channels=channel_rule(counting.settings),
        calibration=counting.calibration,
        edges=edge_rule(counting.settings) if csv is not None else None,
    )
    for failure in outcome.failures:
        show_error(failure.error)
    if outcome.left_out:
        path, reason = outcome.left_out[0]
        say(f"{len(outcome.left_out)} frames not counted, the first: {path}: {reason}")
    if as_json:
        write_json(_result(outcome))
    elif outcome.counts:
        _show(table)
    if csv is not None:
        write_csv(table, csv)


def _result(outcome: _Outcome) -> dict[str, Any]:
    return {
        "frames": [_row(found) for found in outcome.counts],
        "failed": [
            {"file": str(failure.file), "page": failure.page, "reason": str(failure.error)}
            for failure in outcome.failures
        ],
        "not_counted": [{"file": path, "reason": why} for path, why in outcome.left_out],
    }


def _row(found: FrameCount) -> dict[str, Any]:
    return {
        "source": found.key.display_path,
        "page": found.key.page,
        "count": found.count,
        "density_per_mm2": found.density_per_mm2,
        "flags": list(found.flags),
        "runtime": None if found.provenance is None else found.provenance.runtime,
        "confluence_percent": found.confluence_percent,
        "bright_rounded_count": None if found.shapes is None else found.shapes.n_bright_rounded,
    }


def _show(table: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    is_segmented = table["confluence_percent"].notna().any()
    further = ("confluence %", "bright rounded") if is_segmented else ()
    shown = Table("frame", "page", "cells", "cells / mm\N{SUPERSCRIPT TWO}", *further, "flags")
    for row in table.itertuples():
        values = [_number(row.density_per_mm2, 1)]
        if is_segmented:
            values += [_number(row.confluence_percent, 1), _number(row.bright_rounded_count, 0)]
        words = (str(row.page), str(row.count), *values, str(row.flags or ""))
        shown.add_row(Text(row.source), *words)
    terminal().print(shown)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value == value else ""
