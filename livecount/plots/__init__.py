"""Figures: growth curves that could go into a paper, frames with their detections, accuracy."""

from livecount.plots.accuracy import plot_agreement, plot_sweep
from livecount.plots.growth_figure import plot_growth
from livecount.plots.overlay import draw_overlay

__all__ = ["draw_overlay", "plot_agreement", "plot_growth", "plot_sweep"]
