"""Figures of accuracy: scores against h, and agreement of counts with people's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from livecount.agreement import agree
from livecount.errors import LivecountError
from livecount.evaluation import FrameScore
from livecount.plots.style import (
    COLOURS,
    GREY,
    MARKERS,
    MM,
    checked_suffix,
    figure_style,
    printable,
    save,
    tick_log_axis,
)

__all__ = ["plot_agreement", "plot_sweep"]

_PANELS_PER_ROW = 4
_MOST_TICKS = 7
_PANEL_MM = 40.0
_LINES = {
    "f_score_assignment": ("f-score", "-", COLOURS[0], 1.4),
    "precision_assignment": ("precision", "--", COLOURS[1], 0.9),
    "recall_assignment": ("recall", ":", COLOURS[2], 1.1),
}
_Sweep = Mapping[float, Mapping[str, float | int | None]]


def plot_sweep(sweeps: Mapping[str, _Sweep], h: float, path: Path | str) -> None:
    """Draw f-score, precision and recall against h, a panel for each data set.

    The counterpart of Fig. 5 of the DeepDistance paper, with cells paired one to one.

    Parameters
    ----------
    sweeps
        Name of the data set -> h -> what :func:`livecount.evaluation.summarise` gives.
    h
        The h at which the model counts, drawn as a line.
    path
        Ends in .svg, .pdf or .png.

    Raises
    ------
    LivecountError
        Another suffix, nothing to draw, or a file that cannot be written.
    """
    path = Path(path)
    checked_suffix(path)
    if not sweeps:
        raise LivecountError("there is no data set to draw", hint="Name folders with annotations")
    with figure_style():
        columns = min(_PANELS_PER_ROW, len(sweeps))
        rows = -(-len(sweeps) // columns)
        size = (max(2, columns) * _PANEL_MM + 8, rows * _PANEL_MM + 10)
        figure = Figure(figsize=(size[0] * MM, size[1] * MM), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel, (name, sweep) in zip(grid.flat, sweeps.items(), strict=False):
            _draw_sweep(panel, name, sweep, h)
        for number in range(len(sweeps), rows * columns):
            grid.flat[number].set_axis_off()
            grid.flat[number - columns].tick_params(labelbottom=True)  # the last of its column
        figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        figure.supxlabel("h, prominence from which a peak is a cell", fontsize=7.5)
        figure.supylabel("%", fontsize=7.5)
        save(figure, path)


def _draw_sweep(axes: Axes, name: str, sweep: _Sweep, h: float) -> None:
    for score, (label, line, colour, width) in _LINES.items():
        values = [np.nan if found[score] is None else found[score] for found in sweep.values()]
        axes.plot(list(sweep), values, line, color=colour, linewidth=width, label=label)  # type: ignore[arg-type]
    axes.axvline(h, color=GREY, linewidth=0.6, label=f"the model's h, {h:g}")
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(printable(name))


def plot_agreement(sets: Mapping[str, Sequence[FrameScore]], path: Path | str) -> None:
    """Draw how far counts lie from people's counts, frame by frame.

    Differences of log counts against their mean (Bland & Altman 1986, 1999): the ratio of the
    count to the annotation over the geometric mean of both, with the mean ratio of all frames and
    the limits between which 95 % of ratios lie. Frames where either is 0 have no ratio; their
    number is written below.

    Parameters
    ----------
    sets
        Name of the data set -> its frames.
    path
        Ends in .svg, .pdf or .png.

    Raises
    ------
    LivecountError
        Another suffix, no frame with cells, or a file that cannot be written.
    """
    path = Path(path)
    checked_suffix(path)
    ratios = {name: _ratios(frames) for name, frames in sets.items()}
    every = np.concatenate(list(ratios.values()) or [np.empty((0, 2))])
    if not len(every):
        raise LivecountError(
            "no frame has both annotated and counted cells, so that there is nothing to compare",
            hint="Check the annotations and the cell diameter in dataset.toml",
        )
    with figure_style():
        figure = Figure(figsize=(150 * MM, 85 * MM), layout="constrained")
        axes = figure.subplots()
        for number, (name, found) in enumerate(ratios.items()):
            axes.plot(
                *found.T, _marker(number), color=COLOURS[number % len(COLOURS)],
                markersize=3.2, alpha=0.75, markeredgewidth=0, label=printable(name),
            )  # fmt: skip
        _draw_limits(axes, sets.values())
        axes.set_xscale("log")
        axes.set_yscale("log", base=2)
        tick_log_axis(axes.xaxis, *axes.get_xlim(), _MOST_TICKS)
        tick_log_axis(axes.yaxis, *axes.get_ylim(), _MOST_TICKS)
        below = "".join(f"\n{text}" for text in _said_of_zeros(sets.values()))
        axes.set_xlabel(f"cells in the frame (geometric mean of count and annotation){below}")
        axes.set_ylabel("count / annotation")
        figure.legend(loc="outside right upper")
        save(figure, path)


def _marker(number: int) -> str:
    """Choose a marker so that colour and marker together tell 64 sets apart."""
    return MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]


def _ratios(frames: Sequence[FrameScore]) -> npt.NDArray[np.float64]:
    """Give geometric mean and ratio of count and annotation, shape (frames with both, 2)."""
    pairs = [(frame.detected, frame.annotated) for frame in frames]
    both = [(math.sqrt(found * true), found / true) for found, true in pairs if found and true]
    return np.array(both, np.float64).reshape(-1, 2)


def _said_of_zeros(sets: Iterable[Sequence[FrameScore]]) -> list[str]:
    """Say how many frames have no ratio: one that both call empty agrees, the others do not."""
    pairs = [(frame.detected, frame.annotated) for frames in sets for frame in frames]
    n_one_sided = len(agree(pairs).one_sided)
    n_empty = sum(not max(pair) for pair in pairs)
    parts = {"no cells in one of the two": n_one_sided, "no cells in either": n_empty}
    return [f"not drawn: {n} frames with {what}" for what, n in parts.items() if n]


def _draw_limits(axes: Axes, sets: Iterable[Sequence[FrameScore]]) -> None:
    found = agree((frame.detected, frame.annotated) for frames in sets for frame in frames)
    assert found.mean_log_ratio is not None
    axes.axhline(1.0, color=GREY, linewidth=0.5)
    mean = math.exp(found.mean_log_ratio)
    axes.axhline(mean, color="black", linewidth=0.9, label="mean of these frames")
    for number, limit in enumerate(found.log_limits or ()):
        label = None if number else "95 % limits of agreement"
        axes.axhline(math.exp(limit), color="black", linewidth=0.7, linestyle="--", label=label)
