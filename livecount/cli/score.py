"""``evaluate``: how well a model counts images that people annotated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import AsJson, H, ModelName, load_settings
from livecount.cli.terminal import progress_bar, say, some_of, terminal, write_json

if TYPE_CHECKING:
    from livecount.scoring import ModelScores

_H_VALUES = tuple(round(0.02 * step, 2) for step in range(1, 26))
"""What a sweep tries: from the smallest prominence that is kept to a half."""
_OF_FRAME = ("annotated", "detected", "tp_assignment", "tp_paper")
_SHOWN = {
    "images": "images",
    "annotated": "cells",
    "precision_assignment": "precision",
    "recall_assignment": "recall",
    "f_score_assignment": "f-score",
    "f_score": "f-score (paper)",
    "f_score_ceiling": "its ceiling",
    "count_bias_percent": "bias %",
    "bias_slope_percent_per_doubling": "bias % per doubling",
}


def evaluate(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders with NAME.tif + NAME.centres.csv + dataset.toml.")
    ],
    model: ModelName = None,
    h: H = None,
    sweep: Annotated[
        Path | None, typer.Option("--sweep", help="Draw the scores against h: .svg, .pdf, .png.")
    ] = None,
    agreement: Annotated[
        Path | None,
        typer.Option("--agreement", help="Draw counts against annotations (Bland-Altman)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on annotated images: precision, recall, f-score, bias of the count.

    Needs no torch. Frames are counted exactly as in a run.

    Example: livecount evaluate annotated/ --sweep scores.svg --agreement agreement.svg --json
    """
    from livecount.annotations import find_datasets
    from livecount.errors import AnnotationError
    from livecount.inference import find_model, open_engine
    from livecount.platform.process import usable_cores
    from livecount.plots import plot_agreement, plot_sweep
    from livecount.scoring import score_model

    settings = load_settings(None, {"counting.model": model, "counting.h": h}).counting
    datasets, skipped = find_datasets(folders)
    if not datasets:
        raise AnnotationError(
            f"No annotated images below {', '.join(map(str, folders))}",
            hint="Put NAME.centres.csv (columns y_px,x_px) beside each NAME.tif",
        )
    chosen = find_model(settings.model)
    engine = open_engine(
        chosen, runtime=settings.runtime, threads=settings.threads or usable_cores()
    )
    with progress_bar("scoring", sum(len(dataset.images) for dataset in datasets)) as advance:
        scores = score_model(chosen, engine, datasets, h=settings.h, on_image=advance)
    if scores.learnt:
        n_images = sum(len(found) for found in scores.frames.values())
        say(
            f"model {chosen.name} has learnt from {len(scores.learnt)} of {n_images} images, which "
            f"say nothing of others: {some_of(scores.learnt)}"
        )
    if sweep is not None:
        curves = {name: found.sweep(_H_VALUES) for name, found in scores.sets.items()}
        plot_sweep(curves, scores.h, sweep)
    if agreement is not None:
        plot_agreement(scores.frames, agreement)
    if engine.reservation:
        say(f"warning: {engine.reservation}")
    if as_json:
        by = {name: getattr(engine, name) for name in ("runtime", "precision", "reservation")}
        write_json(_result(scores, skipped) | by)
    else:
        _show(scores, skipped)


def _result(scores: ModelScores, skipped: list[Path]) -> dict[str, Any]:
    return {
        "datasets": {
            name: {key: _rounded(value) for key, value in found.items()}
            for name, found in scores.datasets.items()
        },
        "frames": [
            {"dataset": name, "image": frame.name} | {key: getattr(frame, key) for key in _OF_FRAME}
            for name, found in scores.frames.items()
            for frame in found
        ],
        "h": scores.h,
        "mean_f_score": _rounded(scores.mean("f_score")),
        "mean_f_score_assignment": _rounded(scores.mean("f_score_assignment")),
        "learnt_from": scores.learnt,
        "skipped": [str(path) for path in skipped],
    }


def _rounded(value: float | None) -> float | None:
    return round(value, 3) if isinstance(value, float) else value


def _show(scores: ModelScores, skipped: list[Path]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("data set", *_SHOWN.values())
    for name, found in scores.datasets.items():
        table.add_row(Text(name), *(_shown(found[key]) for key in _SHOWN))
    console = terminal()
    console.print(table)
    console.print(f"mean f-score (one to one): {_shown(scores.mean('f_score_assignment'))}")
    for path in skipped:
        console.print(f"skipped, no annotations: {path}", markup=False)


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)
