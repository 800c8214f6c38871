"""``count``: count these images or folders now, without a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AsJson,
    CellDiameterPx,
    CellDiameterUm,
    Channel,
    ConfigFile,
    H,
    ModelName,
    Pattern,
    PixelSizeUm,
    counting_overrides,
    load_settings,
)
from livecount.cli.terminal import FAILED, progress_bar, say, show_error, terminal, write_json
from livecount.errors import LivecountError, ReadError

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.experiment import ChannelRule
    from livecount.frame import Frame, FrameCount
    from livecount.pipeline import FrameCounter


@dataclass(slots=True)
class _Outcome:
    counts: list[FrameCount] = field(default_factory=list)
    failures: list[tuple[str, ReadError]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def count(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of them.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the counts as CSV.")] = None,
    overlay: Annotated[
        Path | None, typer.Option("--overlay", help="Folder for pictures with the cells marked.")
    ] = None,
    config: ConfigFile = None,
    cell_diameter_px: CellDiameterPx = None,
    cell_diameter_um: CellDiameterUm = None,
    pixel_size_um: PixelSizeUm = None,
    pattern: Pattern = None,
    model: ModelName = None,
    h: H = None,
    channel: Channel = None,
    as_json: AsJson = False,
) -> None:
    """Count the cells of images now.

    Example: livecount count frames/ --cell-diameter-px 40 --csv counts.csv --overlay marked/
    """
    settings = load_settings(
        config,
        counting_overrides(
            cell_diameter_px=cell_diameter_px,
            cell_diameter_um=cell_diameter_um,
            pixel_size_um=pixel_size_um,
            pattern=pattern,
            model=model,
            h=h,
            channel=channel,
            z=None,
        ),
    )
    files = [found for path in paths for found in _files_in(path)]
    if not files:
        raise LivecountError(
            f"No image files in {', '.join(str(path) for path in paths)}",
            hint="Name TIFF, PNG or JPEG files, or folders that hold them",
        )
    outcome, rule = _count_files(settings, files, overlay)
    _report(outcome, rule, csv, as_json=as_json)
    if outcome.failures:
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


def _count_files(
    settings: Config, files: list[tuple[Path, Path]], overlay: Path | None
) -> tuple[_Outcome, dict[str, Any]]:
    from livecount.monitor import channel_rule

    outcome, channels = _Outcome(), channel_rule(settings)
    counting: tuple[FrameCounter, dict[str, Any]] | None = None
    seen: set[str] = set()
    with progress_bar("counting", len(files)) as advance:
        for root, file in files:
            try:
                for frame in _frames(settings, root, file):
                    refusal = _refusal(channels, frame, seen)
                    if refusal:
                        outcome.left_out.append((frame.key.display_path, refusal))
                        continue
                    counting = counting or _open_counter(settings, frame)
                    found = counting[0].count(frame)
                    outcome.counts.append(found)
                    if overlay is not None:
                        _draw(overlay, frame, found, counting[0])
            except ReadError as error:
                outcome.failures.append((str(file), error))
            advance()
    return outcome, counting[1] if counting else {}


def _frames(settings: Config, root: Path, file: Path) -> Iterator[Frame]:
    from livecount.monitor import patterns_for, with_pixel_size
    from livecount.readers import ReadLimits, read_frames

    limits = ReadLimits(max_pixels=int(settings.counting.max_frame_megapixels * 1e6))
    for frame in read_frames(file, source=root, patterns=patterns_for(settings), limits=limits):
        yield with_pixel_size(frame, settings)


def _refusal(channels: ChannelRule, frame: Frame, seen: set[str]) -> str | None:
    channel = frame.attributes.channel
    refusal = channels.refusal(channel, sorted(seen))
    if refusal is None and channel is not None:
        seen.add(channel)
    return refusal


def _open_counter(settings: Config, first: Frame) -> tuple[FrameCounter, dict[str, Any]]:
    """Load model and engine; where no diameter was given, read it off the first frame."""
    from livecount.inference import find_model, open_engine
    from livecount.pipeline import CountingRule, FrameCounter, estimate_cell_diameter
    from livecount.platform.process import usable_cores

    counting = settings.counting
    model = find_model(counting.model)
    engine = open_engine(
        model, runtime=counting.runtime, threads=counting.threads or usable_cores()
    )
    um, px = counting.cell_diameter_um, counting.cell_diameter_px
    if um is None and px is None:
        px = estimate_cell_diameter(first, model, engine).diameter_px
        say(
            f"cell diameter: {px:.0f} px, estimated from {first.key.display_path}; "
            "look at --overlay, or give --cell-diameter-px"
        )
    rule = CountingRule(
        h=model.h if counting.h is None else counting.h, cell_diameter_um=um, cell_diameter_px=px
    )
    counter = FrameCounter(model, engine, rule, memory_limit_mb=counting.memory_limit_mb)
    return counter, {
        "experiment": settings.experiment_name,
        "model": model.name,
        "h": rule.h,
        "cell_diameter": um if px is None else px,
        "cell_diameter_unit": "um" if px is None else "px",
    }


def _draw(folder: Path, frame: Frame, found: FrameCount, counter: FrameCounter) -> None:
    from livecount.plots import draw_overlay

    page = f".page{frame.key.page}" if frame.key.page else ""
    name = frame.key.display_path.replace("/", "__").replace("\\", "_")
    draw_overlay(
        frame.pixels,
        found.candidates.at(counter.rule.h),
        folder / f"{name}{page}.png",
        title=frame.key.display_path,
        pixel_size_um=frame.attributes.pixel_size_um,
        cell_diameter_px=counter.rule.diameter_px(frame),
    )


def _report(outcome: _Outcome, rule: dict[str, Any], csv: Path | None, *, as_json: bool) -> None:
    from livecount.experiment import TimeAxis
    from livecount.export import write_csv
    from livecount.tables import table_of

    table = table_of(outcome.counts, rule, TimeAxis())
    if csv is not None:
        write_csv(table, csv)
    for _, error in outcome.failures:
        show_error(error)
    if outcome.left_out:
        path, reason = outcome.left_out[0]
        say(f"{len(outcome.left_out)} frames not counted, the first: {path}: {reason}")
    if as_json:
        write_json(
            {
                "frames": [_row(found) for found in outcome.counts],
                "failed": [{"file": path, "reason": str(why)} for path, why in outcome.failures],
                "not_counted": [{"file": path, "reason": why} for path, why in outcome.left_out],
            }
        )
    elif outcome.counts:
        _show(table)


def _row(found: FrameCount) -> dict[str, Any]:
    return {
        "source": found.key.display_path,
        "page": found.key.page,
        "count": found.count,
        "density_per_mm2": found.density_per_mm2,
        "flags": list(found.flags),
    }


def _show(table: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    shown = Table("frame", "page", "cells", "cells / mm\N{SUPERSCRIPT TWO}", "flags")
    for row in table.itertuples():
        density = f"{row.density_per_mm2:.1f}" if row.density_per_mm2 == row.density_per_mm2 else ""
        shown.add_row(
            Text(row.source), str(row.page), str(row.count), density, str(row.flags or "")
        )
    terminal().print(shown)
