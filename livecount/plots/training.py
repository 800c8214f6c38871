"""The figure of a training run: losses and validation f-score against steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from livecount.errors import LivecountError
from livecount.plots.style import (
    COLOURS,
    GREY,
    MM,
    checked_suffix,
    figure_style,
    printable,
    save,
    writing,
)

__all__ = ["plot_losses"]

_OF_TRAINING = "train_"
_TOTALS = {"train_loss": ("training", COLOURS[0]), "loss": ("validation", COLOURS[1])}

_History = Sequence[Mapping[str, float]]


def plot_losses(history: _History, path: Path | str) -> None:
    """Draw a run's losses, and below them its validation f-score if there is one.

    The file is replaced as a whole, so that it may be watched while the run goes on.

    Parameters
    ----------
    history
        One row per validation: ``step``, ``train_loss`` (all heads together, weighted as the
        recipe says), ``train_HEAD`` for each head, and where images were held out ``loss`` and
        perhaps ``f_score`` in percent.
    path
        Ends in .svg, .pdf or .png.

    Raises
    ------
    LivecountError
        Another suffix, no row, or a file that cannot be written.
    """
    path = Path(path)
    checked_suffix(path)
    if not history:
        raise LivecountError("the run has no losses yet", hint="Wait for its first validation")
    scored = any("f_score" in row for row in history)
    with figure_style():
        height_mm = 95 if scored else 65
        figure = Figure(figsize=(120 * MM, height_mm * MM), layout="constrained")
        ratios = [2, 1] if scored else [1]
        grid = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)
        _draw_losses(grid[0, 0], history)
        if scored:
            _draw_f_scores(grid[1, 0], history)
        grid[-1, 0].set_xlabel("step")
        grid[-1, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        part = path.with_name(f".{path.stem}.part{path.suffix}")
        save(figure, part)
    with writing(path):
        part.replace(path)


def _draw_losses(axes: Axes, history: _History) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    heads = [
        name.removeprefix(_OF_TRAINING)
        for name in names
        if name.startswith(_OF_TRAINING) and name not in _TOTALS
    ]
    steps = _column(history, "step")
    for name, (label, colour) in _TOTALS.items():
        if name in names:
            axes.plot(steps, _column(history, name), ".-", color=colour, label=label)
    if len(heads) > 1:
        for number, head in enumerate(heads, start=len(_TOTALS)):
            axes.plot(
                steps, _column(history, _OF_TRAINING + head), ":", linewidth=0.9,
                color=COLOURS[number % len(COLOURS)], label=printable(f"training, {head}"),
            )  # fmt: skip
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylabel("loss")


def _draw_f_scores(axes: Axes, history: _History) -> None:
    steps, scores = _column(history, "step"), _column(history, "f_score")
    axes.plot(steps, scores, ".-", color=COLOURS[1])
    best = int(np.nanargmax(scores))
    axes.axhline(scores[best], color=GREY, linewidth=0.5, linestyle="--")
    axes.set_title(f"best {scores[best]:.1f} % at step {steps[best]:.0f}", loc="right", fontsize=7)
    axes.set_ylabel("f-score, %")


def _column(history: _History, name: str) -> npt.NDArray[np.float64]:
    return np.array([row.get(name, np.nan) for row in history], np.float64)
