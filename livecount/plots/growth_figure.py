"""Growth curves as figures: wells, replicate groups, or a whole plate in small multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from livecount.growth import (
    ALL_WELLS,
    GrowthRow,
    GrowthSeries,
    Identity,
    Reference,
    WellSeries,
    bases_of,
    group_curve,
    growth_table,
    relative_wells,
    wells_of,
)
from livecount.plots.bands import Band, bands_of
from livecount.plots.curves import (
    Curve,
    ValueAxis,
    curves_of,
    doubling_text,
    draw_band,
    draw_excluded,
    draw_points,
    fits_in_words,
)
from livecount.plots.events import EventMark, draw_events, events_in_words
from livecount.plots.small_multiples import small_multiples
from livecount.plots.style import COLOURS, MM, checked_suffix, figure_style, printable, save

__all__ = ["growth_figure", "plot_growth"]

_MOST_CURVES = 8
_MOST_FIELDS_DRAWN = 25
_MOST_BANDS = 1
"""Bands of several wells in one panel hide each other."""
_WIDE_MM = 140.0
_LEGEND_LINE_MM = 3.7

_Entry = tuple[Artist, str]


def plot_growth(
    counts: pd.DataFrame,
    growth: Sequence[GrowthRow] | None,
    path: Path | str,
    *,
    events: Sequence[EventMark] = (),
    reference: Reference | None = None,
    log: bool = True,
    width_mm: float = 183.0,
    title: str = "",
) -> None:
    """Draw growth curves with their fits and doubling times.

    Up to eight wells share one panel; stated replicate groups, up to eight, are drawn as means with
    the 95 % interval of the mean across wells; more wells become small multiples in the layout of
    the plate. A well alone in its panel shows the interval of its counts as a band, where
    ``counts`` holds it. Excluded counts are hollow, counts of 0 lie as triangles on the floor of a
    logarithmic axis.

    Parameters
    ----------
    counts
        The columns of ``export counts``, as for :func:`livecount.growth.growth_table`.
    growth
        Rows of that table; computed where None.
    path
        Ends in .svg (text stays text), .pdf or .png; equal input gives an equal file.
    events
        What was done to the cells: a dashed, numbered line each.
    reference
        The moment whose value is 1 in every well, as in ``growth``; None for values as measured.
    log
        Logarithmic (base 2) or linear axis of the counts.
    width_mm
        Width of the figure: 89 for one column of a journal, 183 for two.
    title
        Written above; default none, as journals ask.

    Raises
    ------
    LivecountError
        When the suffix is another one or the counts lack a needed column.
    """
    path = Path(path)
    checked_suffix(path)
    rows = growth_table(counts, reference=reference) if growth is None else list(growth)
    # Where the counts name groups themselves, the same well of two plates may be in two of them.
    stated = [row for row in rows if row.level == "well" and "group" not in counts]
    groups = {row.well: row.group for row in stated if row.well and row.group}
    wells = wells_of(counts, groups=groups or None)
    bands = bands_of(counts, groups or None)
    if reference:
        bases = bases_of(wells, reference)
        wells = relative_wells(wells, bases, reference)
        bands = {key: band.divided(bases[key].value) for key, band in bands.items()}
    with figure_style():
        figure = growth_figure(
            wells,
            rows,
            bands,
            events,
            log=log,
            width_mm=width_mm,
            title=printable(title),
        )
        save(figure, path)


def growth_figure(
    wells: Sequence[WellSeries],
    rows: Sequence[GrowthRow],
    bands: Mapping[Identity, Band] | None = None,
    events: Sequence[EventMark] = (),
    *,
    log: bool,
    width_mm: float,
    title: str,
) -> Figure:
    """Build the figure that :func:`plot_growth` writes; call it within :func:`figure_style`."""
    curves = curves_of(wells, rows, bands)
    groups = list(dict.fromkeys(curve.well.group for curve in curves if curve.well.group))
    by_group = _can_be_averaged(curves, groups)
    if len(curves) > _MOST_CURVES and not by_group:
        return small_multiples(curves, groups, events, log=log, width_mm=width_mm, title=title)
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    if by_group or len(curves) > _MOST_BANDS:
        curves = [replace(curve, band=None) for curve in curves]
    axis = ValueAxis.over(curves, log=log)
    entries: list[_Entry] = []
    if by_group:
        found = {row.group: row for row in rows if row.level == "group"}
        for name, colour in zip(groups, COLOURS, strict=False):
            members = [curve for curve in curves if curve.well.group == name]
            entries.append(_draw_group(axes, axis, members, found.get(name), colour))
        entries += _left_out(curves)
    else:
        entries += [_draw_well(axes, axis, curve, alone=len(curves) == 1) for curve in curves]
        entries = _with_fits(entries, curves)
        entries += _all_wells(rows)
    axis.apply(axes, curves)
    axes.set_xlabel("Time (h)")
    axes.set_ylabel(axis.label(curves))
    fits = fits_in_words(curves)
    entries += [(_nothing(), f"fit: {fits}")] if fits and (by_group or "," not in fits) else []
    entries += _without_base(wells)
    entries += axis.legend_entries(curves)
    draw_events(axes, events)
    entries += [(_nothing(), words) for words in events_in_words(events)]
    _lay_out(figure, entries, _heading(curves, by_group=by_group), width_mm, title)
    return figure


def _can_be_averaged(curves: Sequence[Curve], groups: Sequence[str]) -> bool:
    """Only wells that differ in nothing but the plate may be drawn as the mean of a group."""
    alike = len({(curve.well.replicate_key, curve.well.metric) for curve in curves}) == 1
    return alike and 0 < len(groups) <= _MOST_CURVES


def _draw_well(axes: Axes, axis: ValueAxis, curve: Curve, *, alone: bool) -> _Entry:
    if alone and 1 < len(curve.well.fields) <= _MOST_FIELDS_DRAWN:
        for field in curve.well.fields:
            values = axis.placed(field.used.counts)
            axes.plot(field.used.times_h, values, color=curve.colour, alpha=0.25, linewidth=0.5)
    draw_band(axes, axis, curve)
    draw_points(axes, axis, curve)
    line = Line2D([], [], color=curve.colour, marker=curve.marker, markersize=3.4, linewidth=1.1)
    return line, f"{curve.label}: {doubling_text(curve.row)}"


def _with_fits(entries: Sequence[_Entry], curves: Sequence[Curve]) -> list[_Entry]:
    """Say each well's kind of curve where they differ."""
    fits = [curve.row.fit if curve.row else "none" for curve in curves]
    if len({*fits} - {"none"}) < 2:
        return list(entries)
    return [
        (line, text if fit == "none" else f"{text}, {fit}")
        for (line, text), fit in zip(entries, fits, strict=True)
    ]


def _all_wells(rows: Sequence[GrowthRow]) -> list[_Entry]:
    """Add the mean over wells that nobody has grouped, where there are several."""
    found = [row for row in rows if row.level == "group" and row.group == ALL_WELLS]
    several = len(found) > 1
    return [
        (_nothing(), f"{row.experiment if several else ALL_WELLS}: {doubling_text(row)}")
        for row in found
    ]


def _draw_group(
    axes: Axes, axis: ValueAxis, curves: Sequence[Curve], row: GrowthRow | None, colour: str
) -> _Entry:
    """Draw the wells thinly, their mean, and the 95 % interval of the mean across wells."""
    for curve in curves:
        values = axis.placed(curve.mean.values)
        axes.plot(curve.mean.times_h, values, color=colour, alpha=0.35, linewidth=0.5)
        draw_excluded(axes, axis, curve, size=2.6, colour=colour)
    mean = group_curve([GrowthSeries(c.mean.times_h, c.mean.values) for c in curves])
    low, high = axis.placed(mean.low), axis.placed(mean.high)
    axes.fill_between(mean.times_h, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(mean.times_h, axis.placed(mean.values), color=colour)
    line = Line2D([], [], color=colour)
    wells = " (1 well)" if len(curves) == 1 else ""
    return line, f"{printable(curves[0].well.group or '')}{wells}: {doubling_text(row)}"


def _nothing() -> Artist:
    """Stand beside a line of the key that is only text."""
    return Line2D([], [], linestyle="none")


def _left_out(curves: Sequence[Curve]) -> list[_Entry]:
    """Say how many wells are in no group: blanks, and wells of which nobody said anything."""
    n = sum(not curve.well.group for curve in curves)
    wells = "1 well" if n == 1 else f"{n} wells"
    return [(_nothing(), f"not drawn: {wells} in no group")] if n else []


def _without_base(wells: Sequence[WellSeries]) -> list[_Entry]:
    """Say how many wells have no value at the moment that the others are relative to."""
    empty = [well for well in wells if well.relative_to and not any(map(len, well.used))]
    if not empty:
        return []
    number = "1 well" if len(empty) == 1 else f"{len(empty)} wells"
    words = f"not drawn: {number} without a value at {printable(empty[0].relative_to or '')}"
    return [(_nothing(), words)]


def _heading(curves: Sequence[Curve], *, by_group: bool) -> str:
    if not curves:
        return "No counts to show"
    if by_group:
        return "Mean, 95 % CI across wells; doubling time"
    return "Doubling time (single well: no interval)"


def _lay_out(
    figure: Figure, entries: Sequence[_Entry], heading: str, width_mm: float, title: str
) -> None:
    """Put the legend beside a wide figure and below a narrow one, where it hides nothing."""
    wide = width_mm >= _WIDE_MM
    legend_mm = _LEGEND_LINE_MM * (len(entries) + 1)
    height_mm = max(75.0, legend_mm + 8) if wide else 58.0 + legend_mm
    figure.set_size_inches(width_mm * MM, (height_mm + (5 if title else 0)) * MM)
    if title:
        figure.suptitle(title, fontsize=8)
    figure.legend(
        [line for line, _ in entries],
        [text for _, text in entries],
        title=heading,
        title_fontsize=6.5,
        alignment="left",
        loc="outside right upper" if wide else "outside lower left",
        handlelength=1.8,
        labelspacing=0.35,
    )
