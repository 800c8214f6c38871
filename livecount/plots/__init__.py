"""Figures: growth curves that could go into a paper, and frames with their detections."""

from livecount.plots.growth_figure import plot_growth
from livecount.plots.overlay import draw_overlay

__all__ = ["draw_overlay", "plot_growth"]
