"""What every growth figure shares: the curves with their looks, and the axis they stand on."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from livecount.growth import (
    GrowthRow,
    GrowthSeries,
    Identity,
    Metric,
    Verdict,
    WellCurve,
    WellSeries,
    well_curve,
)
from livecount.growth.series import Series
from livecount.plots.bands import Band
from livecount.plots.style import (
    COLOURS,
    GREY,
    MARKERS,
    TICKS,
    Ticks,
    printable,
    time_axis,
    value_axis,
)

__all__ = [
    "BAND_MEANING",
    "Curve",
    "ValueAxis",
    "curves_of",
    "doubling_text",
    "draw_band",
    "draw_excluded",
    "draw_points",
    "fits_in_words",
    "fitted_line",
    "hours",
]

_UNITS: Mapping[Metric, str] = {
    "count": "Cells per field",
    "density_per_mm2": "Cells / mm²",
    "count_inside": "Cells per field, edges left out",
    "density_inside_per_mm2": "Cells / mm², edges left out",
}
BAND_MEANING = "95 % interval of a count, as exported"
_MANY_POINTS = 60
_FIT_POINTS = 100
_LONGEST_MOMENT = 20
"""A longer name of an event does not fit beside the axis; the key has it in full."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One well to draw: its data, its mean field, its row of the growth table and its look."""

    label: str
    well: WellSeries
    mean: WellCurve
    row: GrowthRow | None
    colour: str
    marker: str
    band: Band | None = None

    @property
    def excluded(self) -> GrowthSeries:
        """The excluded points of all fields."""
        parts = [field.excluded for field in self.well.fields]
        return GrowthSeries(
            np.concatenate([part.times_h for part in parts]),
            np.concatenate([part.counts for part in parts]),
        )

    @property
    def drawn(self) -> Series:
        """All values that a figure may show: mean, fields, what is excluded, and the band."""
        fields = [field.used.counts for field in self.well.fields]
        ends = [] if self.band is None else [self.band.low, self.band.high]
        return np.concatenate([self.mean.values, self.excluded.counts, *fields, *ends])


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """The axis of the counts: its range, and where zeros lie when it is logarithmic."""

    low: float
    high: float
    log: bool

    @classmethod
    def over(cls, curves: Sequence[Curve], *, log: bool) -> ValueAxis:
        """Span all points of all curves, and the fits as far as they stay near the points."""
        values = np.concatenate([np.empty(0), *(curve.drawn for curve in curves)])
        positive = values[values > 0]
        if not len(positive):
            return cls(0.5, 2.0, log)
        low, high = float(positive.min()), float(positive.max())
        fits = np.concatenate([np.empty(0), *(fitted_line(curve.row)[1] for curve in curves)])
        near = fits[(fits > low / 2) & (fits < high * 2)]
        low, high = min(low, near.min(initial=low)), max(high, near.max(initial=high))
        if log and high < 2 * low:
            middle = (low * high) ** 0.5
            low, high = min(low, middle / 1.5), max(high, middle * 1.5)
        return cls(low / 1.5 if (values == 0).any() else low, high, log)

    def placed(self, values: Series) -> Series:
        """Put zeros on the floor of a logarithmic axis, where they can be seen."""
        return np.where(values <= 0, self.low, values) if self.log else values

    def apply(self, axes: Axes, curves: Sequence[Curve], ticks: Ticks = TICKS) -> None:
        """Set limits and ticks of both axes."""
        parts = [
            times for curve in curves for times in (curve.mean.times_h, curve.excluded.times_h)
        ]
        times = np.concatenate([np.empty(0), *parts])
        time_axis(axes, float(times.min(initial=0.0)), float(times.max(initial=0.0)), ticks)
        folds = self.high / self.low
        low = self.low / folds**0.05 if self.log else 0.0
        high = self.high * (folds**ticks.headroom if self.log else 1 + ticks.headroom)
        value_axis(axes, low, high, ticks.values, log=self.log)

    def label(self, curves: Sequence[Curve]) -> str:
        """Name the quantity with its unit."""
        moments = sorted({curve.well.relative_to or "" for curve in curves} - {""})
        metrics = sorted({curve.well.metric for curve in curves})
        name = " or ".join(_UNITS[metric] for metric in metrics) or "Cells"
        if moments:
            moment = printable(" or ".join(moments))
            name = f"Relative to {textwrap.shorten(moment, _LONGEST_MOMENT, placeholder='…')}"
        return f"{name} (log₂ axis)" if self.log else name

    def legend_entries(self, curves: Sequence[Curve]) -> list[tuple[Artist, str]]:
        """Explain bands, hollow points and triangles, where there are any."""
        entries: list[tuple[Artist, str]] = []
        if any(curve.band is not None for curve in curves):
            entries.append((Patch(color=GREY, alpha=0.25, linewidth=0), BAND_MEANING))
        if any(len(curve.excluded) for curve in curves):
            hollow = _point("o", markerfacecolor="none", markeredgewidth=0.7)
            entries.append((hollow, "excluded, not used"))
        if self.log and any((curve.mean.values == 0).any() for curve in curves):
            entries.append((_point("v"), "0 cells"))
        return entries


def _point(marker: str, **look: Any) -> Line2D:
    return Line2D([], [], linestyle="none", marker=marker, color=GREY, markersize=4, **look)


def curves_of(
    wells: Sequence[WellSeries],
    rows: Sequence[GrowthRow],
    bands: Mapping[Identity, Band] | None = None,
) -> list[Curve]:
    """Give each well that has points its label, colour, marker, row and band."""
    shown = [well for well in wells if any(len(f.used) + len(f.excluded) for f in well.fields)]
    names = ("experiment", "plate", "channel", "z", "analysis_id")
    telling = [name for name in names if len({getattr(well, name) for well in shown}) > 1]
    found = {row.identity: row for row in rows if row.level == "well"}
    return [
        Curve(
            _label(well, telling),
            well,
            well_curve(well.used),
            found.get(well.identity),
            COLOURS[index % len(COLOURS)],
            MARKERS[index % len(MARKERS)],
            (bands or {}).get(well.identity),
        )
        for index, well in enumerate(shown)
    ]


def _label(well: WellSeries, telling: Sequence[str]) -> str:
    fields = len(well.fields)
    unnamed = "" if telling else "1 field" if fields == 1 else f"mean of {fields} fields"
    parts = [getattr(well, name) for name in telling] + [well.well or unnamed]
    return printable(" ".join(part for part in parts if part)) or "?"


def draw_points(
    axes: Axes,
    axis: ValueAxis,
    curve: Curve,
    *,
    size: float = 3.4,
    colour: str | None = None,
    marker: str | None = None,
) -> None:
    """Draw a well's mean counts, zeros as triangles, excluded counts hollow, and its fit."""
    colour, marker = colour or curve.colour, marker or curve.marker
    size = size * 0.6 if len(curve.mean.values) > _MANY_POINTS else size
    zero = (curve.mean.values == 0) & axis.log
    placed = axis.placed(curve.mean.values)
    for shape, chosen in ((marker, ~zero), ("v", zero)):
        if not chosen.any():
            continue
        look: Any = {"marker": shape, "markersize": size, "markeredgewidth": 0, "alpha": 0.45}
        times = curve.mean.times_h[chosen]
        axes.plot(times, placed[chosen], linestyle="none", color=colour, **look)
    draw_excluded(axes, axis, curve, size=size, colour=colour)
    axes.plot(*fitted_line(curve.row), color=colour)


def draw_band(axes: Axes, axis: ValueAxis, curve: Curve, *, colour: str | None = None) -> None:
    """Draw how far a well's counts may be off, under its points."""
    if curve.band is None:
        return
    low, high = axis.placed(curve.band.low), axis.placed(curve.band.high)
    look: Any = {"alpha": 0.16, "linewidth": 0, "zorder": 0.5}
    axes.fill_between(curve.band.times_h, low, high, color=colour or curve.colour, **look)


def draw_excluded(axes: Axes, axis: ValueAxis, curve: Curve, *, size: float, colour: str) -> None:
    """Draw excluded counts hollow."""
    if not len(curve.excluded):
        return
    hollow: Any = {"markerfacecolor": "none", "markeredgecolor": colour, "markeredgewidth": 0.6}
    times, values = curve.excluded.times_h, axis.placed(curve.excluded.counts)
    axes.plot(times, values, linestyle="none", marker="o", markersize=size, **hollow)


def fitted_line(row: GrowthRow | None) -> tuple[Series, Series]:
    """Return times and values of a fitted curve over its window; empty where there is none."""
    if row is None or row.curve is None or row.start_h is None or row.end_h is None:
        return np.empty(0), np.empty(0)
    times = np.linspace(row.start_h, row.end_h, _FIT_POINTS)
    return times, row.curve.values(times)


def fits_in_words(curves: Sequence[Curve]) -> str:
    """Name the kinds of curve that were fitted, with how many wells each where there are several.

    Returns
    -------
    str
        As in "quasi-Poisson" or "logistic (3), Gompertz (1)"; empty where nothing was fitted.
    """
    fits = Counter(curve.row.fit for curve in curves if curve.row and curve.row.fit != "none")
    if len(fits) == 1:
        return next(iter(fits))
    return ", ".join(f"{name} ({n})" for name, n in fits.most_common())


def doubling_text(row: GrowthRow | None) -> str:
    """Say a row's doubling time with its interval, or why there is none."""
    if row is None:
        return "no fit"
    if row.doubling_time_h is None:
        return row.reason if row.verdict is Verdict.NOT_COMPUTED else _without_number(row)
    low, high = row.doubling_time_low_h, row.doubling_time_high_h
    text = f"{hours(row.doubling_time_h)} h"
    if low is None or high is None or row.confidence is None:
        return text
    interval = f"{100 * row.confidence:g} %"
    return f"{text} ({interval} CI {hours(low)}–{hours(high)} h, n = {row.n_wells} wells)"


def _without_number(row: GrowthRow) -> str:
    return "shrinking" if row.verdict is Verdict.SHRINKING else str(row.verdict)


def hours(value: float) -> str:
    """Write hours with a sensible number of digits."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
