"""Figures: growth curves for a paper, frames with their detections, accuracy, training runs."""

from livecount.plots.accuracy import plot_agreement, plot_sweep
from livecount.plots.dose_figure import dose_curves, plot_doses
from livecount.plots.events import EventMark
from livecount.plots.growth_figure import plot_growth
from livecount.plots.overlay import draw_overlay
from livecount.plots.training import plot_losses

__all__ = [
    "EventMark",
    "dose_curves",
    "draw_overlay",
    "plot_agreement",
    "plot_doses",
    "plot_growth",
    "plot_losses",
    "plot_sweep",
]
