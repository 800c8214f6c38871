"""Dose responses as figures: each well a point, the fitted curve, and where it is half."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from livecount.growth import sigmoid
from livecount.plots.style import COLOURS, GREY, MM, checked_suffix, figure_style, printable, save

__all__ = ["DoseCurve", "dose_curves", "plot_doses"]

_CURVE_POINTS = 200
_MOST_CURVES = len(COLOURS)


@dataclass(frozen=True, slots=True)
class DoseCurve:
    """One treatment of one kind of cells.

    Attributes
    ----------
    label, unit
        In the key, and of the doses.
    points
        (dose, GR value) of each well; dose 0 for controls.
    fit
        ``gr_inf``, ``gec50``, ``hill`` of the fitted curve; None where there is none.
    gr50
        Estimate, low and high end; None where there is none or it is not bounded.
    """

    label: str
    unit: str
    points: Sequence[tuple[float, float]]
    fit: Mapping[str, float] | None = None
    gr50: tuple[float, float | None, float | None] | None = None

    @property
    def is_a_series(self) -> bool:
        """Whether there are two doses at least, without which there is nothing to see."""
        return len({dose for dose, _ in self.points if dose > 0}) > 1


def dose_curves(
    doses: pd.DataFrame, points: Sequence[Sequence[tuple[float, float]]]
) -> list[DoseCurve]:
    """Give what :func:`plot_doses` draws.

    Parameters
    ----------
    doses, points
        Results of :func:`livecount.treatments.dose_table` and ``gr_points``.
    """
    return [
        _curve(row, of_row) for row, of_row in zip(doses.to_dict("records"), points, strict=True)
    ]


def _curve(row: Mapping[Any, Any], points: Sequence[tuple[float, float]]) -> DoseCurve:
    known = {name: value for name, value in row.items() if value is not None and value == value}
    names = ("cell_line", "treatment", "further_treatments")
    fit = None
    if {"gr_inf", "gec50", "gr_hill"} <= set(known):
        fit = {"gr_inf": known["gr_inf"], "gec50": known["gec50"], "hill": known["gr_hill"]}
    gr50 = None
    if "gr50" in known:
        gr50 = (known["gr50"], known.get("gr50_low"), known.get("gr50_high"))
    label = " ".join(str(known[name]) for name in names if name in known)
    return DoseCurve(label, str(known.get("concentration_unit", "")), points, fit, gr50)


def plot_doses(curves: Sequence[DoseCurve], path: Path | str, *, width_mm: float = 120.0) -> None:
    """Draw GR values over doses; controls stand at the left, before the break of the axis.

    Raises
    ------
    LivecountError
        When the suffix is not .svg, .pdf or .png.
    """
    path = Path(path)
    checked_suffix(path)
    with figure_style():
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        shown = curves[:_MOST_CURVES]
        lowest = min((d for curve in shown for d, _ in curve.points if d > 0), default=1.0)
        entries = [_draw(axes, curve, COLOURS[at], lowest) for at, curve in enumerate(shown)]
        _finish(axes, shown, lowest)
        height_mm = 72.0 + 3.7 * len(entries)
        figure.set_size_inches(width_mm * MM, height_mm * MM)
        figure.legend(*zip(*entries, strict=True), loc="outside lower left", alignment="left")
        save(figure, path)


def _draw(axes: Axes, curve: DoseCurve, colour: str, lowest: float) -> tuple[Line2D, str]:
    placed = [(dose or _control_place(lowest), gr) for dose, gr in curve.points]
    axes.plot(*zip(*placed, strict=True), "o", color=colour, markersize=3, alpha=0.5, mew=0)
    text = f"{printable(curve.label)}: "
    if curve.fit is not None:
        doses = np.geomspace(lowest / 2, 2 * max(dose for dose, _ in curve.points), _CURVE_POINTS)
        fitted = sigmoid(doses, curve.fit["gr_inf"], curve.fit["gec50"], curve.fit["hill"])
        axes.plot(doses, fitted, color=colour)
    if curve.gr50 is None:
        text += "no GR50"
    else:
        value, low, high = curve.gr50
        axes.plot([value], [0.5], marker="|", markersize=9, color=colour)
        ends = ("open" if end is None else f"{end:.3g}" for end in (low, high))
        text += f"GR50 {value:.3g} {printable(curve.unit)} (95 % CI {'–'.join(ends)})"
    return Line2D([], [], color=colour, marker="o", markersize=3), text


def _control_place(lowest: float) -> float:
    return lowest / 10**0.75


def _finish(axes: Axes, curves: Sequence[DoseCurve], lowest: float) -> None:
    axes.set_xscale("log")
    for gr in (0.0, 0.5, 1.0):
        axes.axhline(gr, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)), zorder=0.5)
    units = sorted({printable(curve.unit) for curve in curves if curve.unit})
    axes.set_xlabel(f"Dose ({' or '.join(units)})" if units else "Dose")
    axes.set_ylabel("GR value")
    highest = max((dose for curve in curves for dose, _ in curve.points), default=lowest)
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(max(highest, lowest)))
    ticks = [10.0**power for power in range(first, last + 1) if 10.0**power >= lowest / 2]
    axes.set_xticks([_control_place(lowest), *ticks], ["0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()
    axes.set_xlim(_control_place(lowest) / 1.6, 2 * highest)
