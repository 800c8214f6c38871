"""``validate``: whether these counts can be trusted on these cells, with this objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AnalysisId,
    AsJson,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    chosen_analysis,
    load_settings,
)
from livecount.cli.terminal import progress_bar, say, some_of, terminal, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.picking import FrameFiles
    from livecount.scored_fields import ScoredFields
    from livecount.storage import Said, Validation

validate = typer.Typer(
    name="validate",
    help="Compare the counts with your own clicks on some of the frames.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_WHAT_TO_DO = """\
Click the centre of every cell once; of cells at the border those whose centre is in the frame.
- Fiji: multi-point tool, then Analyze > Measure, save the table as NAME.csv beside NAME.tif, and
  clear the table before the next frame.
- napari: a points layer, then File > Save Selected Layers as NAME.csv beside NAME.tif.
- A frame without cells: an empty file NAME.csv. A frame that you leave out: no file.
Then: livecount validate score {folder}"""
_WHAT_IT_IS_FOR = """\
Compare: livecount validate score {folder} (not blind: the cells that were found were shown).
Teach:   livecount finetune --frames {folder} -o MODEL"""


@validate.command()
def pick(
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder for the copies.")],
    fields: Annotated[int, typer.Option("--fields", min=3, max=1000, help="How many frames.")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other frames.")] = 1,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    as_json: AsJson = False,
) -> None:
    """Copy some counted frames, from sparse to dense, for you to click on.

    The copies show no detections, so that you are not led. The frames themselves are only read.

    Example: livecount validate pick -o to-click --database run.db
    """
    from livecount.centres import SHEET_NAME
    from livecount.errors import NotInStoreError
    from livecount.export import write_csv
    from livecount.picking import FrameFiles, check_output_folder, choose_fields, copy_frames
    from livecount.readers import ReadLimits
    from livecount.storage import CountStore
    from livecount.tables import count_table

    settings = load_settings(config, {"database.file": database})
    limits = ReadLimits(max_pixels=int(settings.counting.max_frame_megapixels * 1e6))
    with CountStore.open(settings.database.file, read_only=True) as store:
        check_output_folder(store, output)
        found, chosen = chosen_analysis(store, experiment, analysis)
        table = count_table(store, found, chosen)
        files = FrameFiles(store.counts(chosen), limits)
    picked = choose_fields(files.without_doubles(table), fields, seed=seed, is_there=files.is_there)
    with progress_bar("copying frames", len(picked)) as advance:
        names, _ = copy_frames(files, picked, output, advance)
    if not names:
        raise NotInStoreError(
            f"Experiment {found.name!r} has no counted frame that can still be read",
            hint="The watched folder must hold the frames: its copies are what you click on",
        )
    write_csv(_sheet(table, names, files), output / SHEET_NAME)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": chosen.id,
                "folder": output,
                "fields": list(names.values()),
                "counted_frames": len(table),
                "seed": seed,
            }
        )
        return
    if len(names) < fields:
        say(f"only {len(names)} frames can be picked, not {fields}")
    say(f"{len(names)} of {len(table)} counted frames (seed {seed}) -> {output}")
    say(_WHAT_TO_DO.format(folder=output))


@validate.command()
def checked(
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder for the copies.")],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    as_json: AsJson = False,
) -> None:
    """Copy the frames that you checked on their pages, with their corrected cells.

    The folder is read by `validate score`, `finetune --frames` and `evaluate`. The frames
    themselves are only read.

    Example: livecount validate checked -o checked --database run.db
    """
    from livecount.centres import SHEET_NAME
    from livecount.checked_fields import find_checked_fields, name_of, write_annotations
    from livecount.errors import NotInStoreError
    from livecount.export import write_csv
    from livecount.picking import FrameFiles, check_output_folder, copy_frames
    from livecount.readers import ReadLimits
    from livecount.storage import CountStore
    from livecount.tables import count_table

    settings = load_settings(config, {"database.file": database})
    limits = ReadLimits(max_pixels=int(settings.counting.max_frame_megapixels * 1e6))
    with CountStore.open(settings.database.file, read_only=True) as store:
        check_output_folder(store, output)
        found, chosen = chosen_analysis(store, experiment, analysis)
        table = count_table(store, found, chosen)
        files = FrameFiles(store.counts(chosen), limits)
        fields = find_checked_fields(store, chosen, table)
        with progress_bar("copying frames", len(fields.checks)) as advance:
            names, unread = copy_frames(files, fields.checks, output, advance)
        left_out = fields.left_out | {name_of(store, one): why for one, why in unread.items()}
    if not names:
        name, why = next(iter(left_out.items()))
        raise NotInStoreError(
            f"None of the {len(left_out)} checked frames can be copied; {name}: {why}",
            hint="The watched folder must hold the frames as they were counted",
        )
    by_and_at = _by_and_at([fields.checks[frame_id].said for frame_id in names])
    write_csv(_sheet(table, names, files, by_and_at), output / SHEET_NAME)
    write_annotations(fields, names, output, f"{found.name}, {output.resolve().name}")
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": chosen.id,
                "folder": output,
                "fields": list(names.values()),
                "cells": {name: len(fields.centres_yx[one]) for one, name in names.items()},
                "left_out": left_out,
            }
        )
        return
    for name, why in left_out.items():
        say(f"left out: {name}: {why}")
    say(f"{len(names)} checked frames -> {output}")
    say(_WHAT_IT_IS_FOR.format(folder=output))


def _by_and_at(said: Sequence[Said]) -> dict[str, list[str]]:
    return {
        "checked_by": [one.made_by for one in said],
        "checked_at": [one.made_at.isoformat() for one in said],
    }


def _sheet(
    table: pd.DataFrame,
    names: dict[int, str],
    files: FrameFiles,
    more: Mapping[str, list[str]] = MappingProxyType({}),
) -> pd.DataFrame:
    """Say which frames the copies are; ``more`` holds further columns."""
    from livecount.validation import SHEET_COLUMNS

    rows = table.loc[list(names)].assign(
        file=list(names.values()), content_hash=[files.content_hash(one) for one in names], **more
    )
    return rows[[*SHEET_COLUMNS, *more]]


@validate.command()
def score(
    folder: Annotated[Path, typer.Argument(help="The folder of `validate pick` or `checked`.")],
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Draw counts against clicks: .svg, .pdf or .png."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who clicked (default: the user logged in).")
    ] = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    analysis: AnalysisId = None,
    as_json: AsJson = False,
) -> None:
    """Compare the counts with the clicks beside the copies, and keep the result.

    From then on every exported count says whether it is validated, and its interval is widened by
    what the comparison showed.

    Example: livecount validate score to-click --database run.db --figure agreement.svg
    """
    from livecount.platform.login import user_name
    from livecount.plots import plot_agreement
    from livecount.storage import CountStore
    from livecount.validation import read_sheet, score_fields

    file = load_settings(config, {"database.file": database}).database.file
    experiment, rows = read_sheet(folder)
    with CountStore.open(file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        scored = score_fields(store, chosen, folder, rows)
    made = scored.validation(by or user_name())
    if figure is not None:
        plot_agreement({found.name: scored.scores}, figure)
    # Its schema is the program's own by now, so that this writes the validation and nothing else.
    with CountStore.open(file) as store:
        store.add_validation(chosen, made, [field.kept for field in scored.fields])
    if as_json:
        write_json({"experiment": found.name, **_result(scored, made)})
    else:
        _show(scored)


def _result(scored: ScoredFields, made: Validation) -> dict[str, Any]:
    from livecount.validated import is_usable

    summary = scored.summary
    return {
        "analysis_id": scored.analysis.id,
        "model": scored.analysis.settings.model_name,
        "model_sha256": made.model_sha256,
        "h": made.h,
        "sentence": scored.sentence,
        "counts_as_validation": is_usable(made),
        **validation_entry(made),
        "bias_slope_percent_per_doubling": summary["bias_slope_percent_per_doubling"],
        "precision": summary["precision_assignment"],
        "recall": summary["recall_assignment"],
        "f_score": summary["f_score_assignment"],
        "by_density": [
            {
                "third": third.name,
                "fields": third.agreement.n,
                "cells_low": third.cells_low,
                "cells_high": third.cells_high,
                "bias_percent": third.agreement.bias_percent,
            }
            for third in scored.by_density
        ],
        "fields": [
            {
                "file": field.file,
                "well": field.well,
                "counted": field.score.detected,
                "annotated": field.score.annotated,
                "true_positives": field.score.tp_assignment,
                "is_blind": field.is_blind,
            }
            for field in scored.fields
        ],
        "not_done": scored.not_done,
        "learnt_from": scored.learnt,
    }


def validation_entry(made: Validation) -> dict[str, Any]:
    """Give a validation as scripts read it, in percent; what is not known is null."""
    from livecount.validated import unusable_because

    found = made.agreement
    bias, limits = found.bias_interval_percent, found.limits_percent
    return {
        "n_fields": made.n_fields,
        "n_compared": found.n,
        "n_in_one_count_alone": len(found.one_sided),
        "unusable_because": unusable_because(made) or None,
        "n_not_blind": made.n_not_blind,
        "bias_percent": found.bias_percent,
        "bias_low_percent": bias and bias[0],
        "bias_high_percent": bias and bias[1],
        "limit_low_percent": limits and limits[0],
        "limit_high_percent": limits and limits[1],
        "density_unit": made.density_unit,
        "density_low": made.density_low,
        "density_high": made.density_high,
        "pixel_size_um": made.pixel_size_um,
        "made_by": made.made_by,
        "made_at": made.made_at,
    }


def _show(scored: ScoredFields) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("field", "well", "counted", "clicked", "paired")
    for each in scored.fields:
        numbers = (each.score.detected, each.score.annotated, each.score.tp_assignment)
        table.add_row(Text(each.file), Text(each.well), *map(str, numbers))
    console = terminal()
    console.print(table)
    for third in scored.by_density:
        bias = third.agreement.bias_percent
        low, high = third.cells_low, third.cells_high
        cells = f"{low} cells" if low == high else f"{low} to {high} cells"
        console.print(f"{third.name} fields ({cells}): bias {bias:+.1f} %")
    summary = scored.summary
    shown = (summary[f"{name}_assignment"] for name in ("precision", "recall", "f_score"))
    texts = ("-" if value is None else f"{value:.1f} %" for value in shown)
    console.print("precision {}, recall {}, f-score {}".format(*texts))
    console.print(scored.sentence, markup=False)
    if scored.learnt:
        say(
            f"{len(scored.learnt)} fields left out, since model "
            f"{scored.analysis.settings.model_name} has learnt from them: {some_of(scored.learnt)}"
        )
    if scored.not_done:
        say(f"{len(scored.not_done)} fields without clicks: {some_of(scored.not_done)}")
