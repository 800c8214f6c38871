"""Many wells in one figure: a small panel each, laid out as on the plate."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from livecount.growth import Verdict
from livecount.plots.curves import (
    BAND_MEANING,
    Curve,
    ValueAxis,
    draw_band,
    draw_points,
    fits_in_words,
    hours,
)
from livecount.plots.events import EventMark, draw_events, events_in_words
from livecount.plots.style import COLOURS, GREY, MM, Ticks, printable

__all__ = ["small_multiples"]

_WELL_NAME = re.compile(r"([A-Z]{1,2})(\d{1,2})")
_LEFT_MM, _RIGHT_MM, _GAP_MM = 13.0, 4.0, 1.0
_AXIS_MM, _LINE_MM, _LETTER_MM = 9.0, 3.4, 1.25
_TALLEST_MM = 240.0
_NARROWEST_WITH_TEXT_MM = 12.0
_NARROWEST_WITH_TIMES_MM = 8.0
_NARROWEST_PANEL_MM = 20.0

_SIGNS = {Verdict.NOT_RESOLVED: "–", Verdict.SHRINKING: "↓", Verdict.NOT_COMPUTED: "×"}

_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the panels lie; names of rows and columns only on a plate."""

    places: tuple[_Place, ...]
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]

    @property
    def shape(self) -> _Place:
        return max(row for row, _ in self.places) + 1, max(col for _, col in self.places) + 1

    def is_lowest(self, place: _Place) -> bool:
        return all(row <= place[0] for row, column in self.places if column == place[1])

    def is_first(self, place: _Place) -> bool:
        return all(column >= place[1] for row, column in self.places if row == place[0])


@dataclass(frozen=True, slots=True)
class _Page:
    """Sizes in millimetres."""

    width: float
    height: float
    panel: tuple[float, float]
    below: float

    @staticmethod
    def panel_width(grid: _Grid, width: float) -> float:
        return (width - _LEFT_MM - _RIGHT_MM) / grid.shape[1] - _GAP_MM

    @classmethod
    def around(cls, grid: _Grid, width: float, *, key_lines: int, titled: bool) -> _Page:
        n_rows = grid.shape[0]
        above = (4.5 if grid.column_names else 1.5) + (5.0 if titled else 0.0)
        below = _AXIS_MM + _LINE_MM * key_lines
        wide = cls.panel_width(grid, width)
        tall = min(max(0.8 * wide, 45.0 / n_rows), (_TALLEST_MM - above - below) / n_rows - _GAP_MM)
        return cls(width, above + below + n_rows * (tall + _GAP_MM), (wide, tall), below)

    def box(self, place: _Place, n_rows: int) -> tuple[float, float, float, float]:
        """Left, bottom, width, height of a panel as fractions of the figure."""
        wide, tall = self.panel
        left = _LEFT_MM + place[1] * (wide + _GAP_MM)
        bottom = self.below + (n_rows - 1 - place[0]) * (tall + _GAP_MM)
        return left / self.width, bottom / self.height, wide / self.width, tall / self.height


def small_multiples(
    curves: Sequence[Curve],
    groups: Sequence[str],
    events: Sequence[EventMark] = (),
    *,
    log: bool,
    width_mm: float,
    title: str,
) -> Figure:
    """Draw each well in a panel of its own, all on the same axes.

    Parameters
    ----------
    curves
        One per well; laid out as on the plate where all lie on one plate, else row by row.
    groups
        Stated replicate groups, shown by colour where there are at most eight.
    events
        A dashed line each in the panels of the wells that they happened to.

    Returns
    -------
    Figure
        With axis labels at the outer panels, and a key below.
    """
    grid = _plate(curves) or _rows(curves, width_mm)
    coloured = list(groups) if 1 < len(groups) <= len(COLOURS) else []
    axis = ValueAxis.over(curves, log=log)
    with_text = _Page.panel_width(grid, width_mm) >= _NARROWEST_WITH_TEXT_MM
    letters = int((width_mm - _LEFT_MM - _RIGHT_MM) / _LETTER_MM)
    words = [_key(axis, curves, with_text=with_text)]
    if events:
        words.append(f"Dashed: {'; '.join(events_in_words(events, numbered=False))}.")
    key = textwrap.wrap("  ".join(words), letters)
    group_lines = math.ceil(len(coloured) / _keys_in_a_line(coloured, width_mm))
    page = _Page.around(grid, width_mm, key_lines=len(key) + group_lines, titled=bool(title))
    figure = Figure(figsize=(page.width * MM, page.height * MM))
    for curve, place in zip(curves, grid.places, strict=True):
        axes = figure.add_axes(page.box(place, grid.shape[0]))
        colour = COLOURS[coloured.index(curve.well.group)] if curve.well.group in coloured else None
        _draw_panel(axes, axis, curves, curve, colour or COLOURS[0], page.panel)
        draw_events(axes, events, well=curve.well.well or "", numbered=False)
        if with_text:
            _write_in_panel(axes, curve, named=not grid.row_names)
        _name_outer(axes, grid, place, page.panel[0])
    _write_around(figure, page, axis.label(curves), key, title)
    _write_groups(figure, page, coloured, above=len(key))
    return figure


def _plate(curves: Sequence[Curve]) -> _Grid | None:
    """Lay wells out as on their plate, without the rows and columns that are not used."""
    matches = [_WELL_NAME.fullmatch(curve.label) for curve in curves]
    found = [(match[1], int(match[2])) for match in matches if match]
    if len(set(found)) < len(curves):
        return None
    letters = sorted({row for row, _ in found}, key=lambda name: (len(name), name))
    numbers = sorted({column for _, column in found})
    places = tuple((letters.index(row), numbers.index(column)) for row, column in found)
    return _Grid(places, tuple(letters), tuple(map(str, numbers)))


def _rows(curves: Sequence[Curve], width_mm: float) -> _Grid:
    fitting = max(int((width_mm - _LEFT_MM - _RIGHT_MM) / _NARROWEST_PANEL_MM), 1)
    columns = min(fitting, math.ceil(math.sqrt(1.5 * len(curves))))
    return _Grid(tuple(divmod(index, columns) for index in range(len(curves))), (), ())


def _draw_panel(
    axes: Axes,
    axis: ValueAxis,
    curves: Sequence[Curve],
    curve: Curve,
    colour: str,
    panel_mm: tuple[float, float],
) -> None:
    wide, tall = panel_mm
    draw_band(axes, axis, curve, colour=colour)
    draw_points(axes, axis, curve, size=2.6 if wide >= 14 else 1.4, colour=colour, marker="o")
    axis.apply(axes, curves, Ticks(max(int(wide / 7), 1), max(int(tall / 4), 2), 0.28, 0.85))
    axes.tick_params(labelsize=5.5 if wide < 14 else 6, pad=1.5, length=1.5)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.4)


def _write_in_panel(axes: Axes, curve: Curve, *, named: bool) -> None:
    """Write the doubling time, and the well's name where no row and column tell it."""
    row = curve.row
    time = "" if row is None else _SIGNS.get(row.verdict) or hours(row.doubling_time_h or 0)
    text = f"{curve.label}  {time}" if named else time
    # On a ground of its own, so that the line of an event does not cross it.
    ground: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
    place: Any = {"transform": axes.transAxes, "va": "top"}
    axes.text(0.04, 0.97, text, fontsize=6, bbox=ground, **place)


def _name_outer(axes: Axes, grid: _Grid, place: _Place, wide_mm: float) -> None:
    """Label only the outer panels: ticks at the left and below, plate rows and columns.

    Where the times of neighbours would meet, every second column has some.
    """
    has_times = grid.is_lowest(place) and (wide_mm >= _NARROWEST_WITH_TIMES_MM or not place[1] % 2)
    axes.tick_params(labelbottom=has_times, labelleft=grid.is_first(place))
    if not grid.row_names:
        return
    if place[0] == min(row for row, column in grid.places if column == place[1]):
        axes.set_title(grid.column_names[place[1]], fontsize=6.5, pad=2)
    if place[1] == max(column for row, column in grid.places if row == place[0]):
        name = grid.row_names[place[0]]
        axes.annotate(name, (1.03, 0.5), xycoords="axes fraction", fontsize=6.5, va="center")


def _key(axis: ValueAxis, curves: Sequence[Curve], *, with_text: bool) -> str:
    fits = fits_in_words(curves)
    parts = [f"Line: fit, {fits}." if fits else "Line: fit."]
    if with_text:
        parts.append("Number: doubling time in h, without interval (one well).")
        shown = {curve.row.verdict for curve in curves if curve.row is not None}
        parts += [f"{sign} {verdict}." for verdict, sign in _SIGNS.items() if verdict in shown]
    words = {"excluded, not used": "Hollow: excluded.", "0 cells": "▾ 0 cells."}
    words[BAND_MEANING] = f"Band: {BAND_MEANING}."
    parts += [words[text] for _, text in axis.legend_entries(curves)]
    return "  ".join(parts)


def _write_around(figure: Figure, page: _Page, label: str, key: Sequence[str], title: str) -> None:
    centre = (_LEFT_MM + page.width - _RIGHT_MM) / 2 / page.width
    middle = (page.below + page.height) / 2 / page.height
    figure.text(1.5 / page.width, middle, label, rotation=90, va="center", fontsize=7.5)
    axis_y = (page.below - _AXIS_MM + 1.2) / page.height
    figure.text(centre, axis_y, "Time (h)", ha="center", fontsize=7.5)
    for index, line in enumerate(reversed(key)):
        bottom = (1.0 + _LINE_MM * index) / page.height
        figure.text(_LEFT_MM / page.width, bottom, line, fontsize=6, color=GREY)
    if title:
        figure.text(centre, 1 - 1.5 / page.height, title, ha="center", va="top", fontsize=8)


def _keys_in_a_line(groups: Sequence[str], width_mm: float) -> int:
    longest = max(map(len, groups), default=1)
    return max(int((width_mm - _LEFT_MM) / (1.35 * longest + 6)), 1)


def _write_groups(figure: Figure, page: _Page, groups: Sequence[str], *, above: int) -> None:
    columns = _keys_in_a_line(groups, page.width)
    lines = math.ceil(len(groups) / columns)
    for index, name in enumerate(groups):
        line, column = divmod(index, columns)
        left = _LEFT_MM + column * (page.width - _LEFT_MM) / columns
        bottom = 1.0 + _LINE_MM * (above + lines - 1 - line)
        place = (left / page.width, bottom / page.height)
        figure.text(*place, f"● {printable(name)}", fontsize=6.5, color=COLOURS[index])
