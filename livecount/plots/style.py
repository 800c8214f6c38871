"""How livecount's figures look, and how they are written the same way every time."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
)

from livecount.errors import LivecountError

__all__ = [
    "COLOURS",
    "GREY",
    "MARKERS",
    "MM",
    "TICKS",
    "Ticks",
    "checked_suffix",
    "figure_style",
    "printable",
    "save",
    "tick_log_axis",
    "time_axis",
    "value_axis",
    "writing",
]

MM = 1 / 25.4
"""A millimetre in inches, matplotlib's unit."""

GREY = "#555555"

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C6D1F",
)
"""Okabe & Ito (2008), readable with any colour vision; its yellow, pale on white, is darkened."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")

_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": "livecount"},
    ".pdf": {"CreationDate": None, "ModDate": None, "Creator": "livecount"},
    ".png": {"Software": None},
}
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "text.parse_math": False,
    "svg.hashsalt": "livecount",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}

_TIME_STEPS_H = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 72, 96, 120, 168, 336, 672)

# matplotlib keeps its settings for the whole process, so figures are drawn one at a time.
_DRAWING = threading.Lock()


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply livecount's style, whatever the user's own matplotlib settings are."""
    with _DRAWING, matplotlib.rc_context(), warnings.catch_warnings():
        # Names in other scripts are whole in SVG; elsewhere a box stands for a letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def checked_suffix(path: Path) -> str:
    """Return the suffix of a figure's file in lower case.

    Raises
    ------
    LivecountError
        When it is not .svg, .pdf or .png.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise LivecountError(
            f"a figure cannot be written as {path.name!r}",
            hint="Give a file name that ends in .svg, .pdf or .png",
        )
    return suffix


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix, undated: equal data give equal files."""
    suffix = checked_suffix(path)
    with writing(path):
        figure.savefig(path, format=suffix[1:], dpi=300, metadata=_METADATA[suffix])


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of a picture, and say plainly when the picture cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise LivecountError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Close it in other programs, or choose another file",
        ) from error


def printable(text: str) -> str:
    """Replace what neither a font nor an SVG file can hold."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


@dataclass(frozen=True, slots=True)
class Ticks:
    """How many ticks an axis bears, and how much of it is left free.

    Attributes
    ----------
    times, values
        Most ticks of either axis.
    headroom
        Share of the range of the values that stays free above.
    last
        Share of the time axis up to which there are ticks; below 1 where a neighbour follows.
    """

    times: int
    values: int
    headroom: float
    last: float


TICKS = Ticks(7, 7, 0.05, 1.0)


def time_axis(axes: Axes, first_h: float, last_h: float, ticks: Ticks) -> None:
    """Set ticks at whole hours or days: multiples of 6, 12, 24 ... h where the run is long."""
    margin = 0.02 * (last_h - first_h) or 0.5
    axes.set_xlim(first_h - margin, last_h + margin)
    reach = (last_h - first_h) * ticks.last
    step = next((step for step in _TIME_STEPS_H if reach / step <= ticks.times), None)
    if step is None or reach <= 0:
        axes.xaxis.set_major_locator(MaxNLocator(ticks.times))
        return
    if step > reach:
        step = max((step for step in _TIME_STEPS_H if step <= reach), default=step)
    positions = np.arange(math.ceil(first_h / step), math.floor((first_h + reach) / step) + 1)
    axes.xaxis.set_major_locator(FixedLocator(list(positions * step)))


def value_axis(axes: Axes, lowest: float, highest: float, most: int, *, log: bool) -> None:
    """Set ticks of counts: powers of 2 where enough of them fit, else round numbers."""
    if log:
        axes.set_yscale("log", base=2)
        tick_log_axis(axes.yaxis, lowest, highest, most)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(most))
    axes.set_ylim(lowest, highest)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def tick_log_axis(axis: Axis, lowest: float, highest: float, most: int) -> None:
    """Set ticks of a logarithmic axis, as :func:`value_axis` does; none is written in powers."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator(list(_ticks(lowest, highest, most))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _ticks(low: float, high: float, most: int) -> npt.NDArray[np.float64]:
    first, last = int(np.ceil(np.log2(low))), int(np.floor(np.log2(high)))
    powers = np.arange(first, last + 1)
    if len(powers) >= min(3, most):
        return np.asarray(2.0 ** powers[:: -(-len(powers) // most)], dtype=np.float64)
    rounded = np.asarray(MaxNLocator(min(most, 5)).tick_values(low, high), dtype=np.float64)
    return rounded[(rounded >= low) & (rounded <= high)]
