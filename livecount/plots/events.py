"""Events on the time axis: a numbered line each, explained in the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from livecount.plots.style import GREY, printable

__all__ = ["EventMark", "draw_events", "events_in_words"]


@dataclass(frozen=True, slots=True)
class EventMark:
    """Something that was done to the cells, where a figure shows it.

    Attributes
    ----------
    name
        In the user's words.
    at_h
        On the time axis of the figure.
    wells
        Wells that it happened to; empty for all.
    """

    name: str
    at_h: float
    wells: tuple[str, ...] = ()

    def met(self, well: str | None) -> bool:
        """Tell whether it happened to a well."""
        return not self.wells or well in self.wells


def draw_events(
    axes: Axes, marks: Sequence[EventMark], *, well: str | None = None, numbered: bool = True
) -> None:
    """Draw the events that lie on the axis, of one well (None: of any), under the curves.

    Parameters
    ----------
    marks
        In the order in which :func:`events_in_words` explains them.
    """
    first, last = axes.get_xlim()
    for number, mark in enumerate(marks, 1):
        if not first <= mark.at_h <= last or (well is not None and not mark.met(well)):
            continue
        axes.axvline(mark.at_h, color=GREY, linewidth=0.6, linestyle=(0, (4, 2)), zorder=0.6)
        if numbered:
            axes.text(
                *(mark.at_h, 1.0, str(number)),
                transform=axes.get_xaxis_transform(),
                fontsize=6,
                color=GREY,
                ha="center",
                va="bottom",
            )


def events_in_words(marks: Sequence[EventMark], *, numbered: bool = True) -> list[str]:
    """Explain the lines, with their numbers where they bear any.

    Examples
    --------
    >>> events_in_words([EventMark("drug added", 24.5, ("A1", "A2"))])
    ['1: drug added, 24.5 h (A1, A2)']
    """
    return [
        (f"{number}: " if numbered else "")
        + f"{printable(mark.name)}, {mark.at_h:.4g} h"
        + _which(mark.wells)
        for number, mark in enumerate(marks, 1)
    ]


def _which(wells: Sequence[str]) -> str:
    if not wells:
        return ""
    return f" ({', '.join(wells)})" if len(wells) <= 4 else f" ({len(wells)} wells)"
