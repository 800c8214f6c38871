"""The virtual microscope: growing cells, drawn as phase contrast, written as real software does.

It proves plumbing: that every frame is found, read whole, counted once and put in its place. Its
frames never stand as evidence of accuracy on cells.
"""

from livecount.simulation.acquisition import simulate
from livecount.simulation.plan import Scheme
from livecount.simulation.settings import SimulationSettings
from livecount.simulation.truth import FrameTruth, GroundTruth, WellTruth, fitted_doubling_time_h
from livecount.simulation.writers import Manner

__all__ = [
    "FrameTruth",
    "GroundTruth",
    "Manner",
    "Scheme",
    "SimulationSettings",
    "WellTruth",
    "fitted_doubling_time_h",
    "simulate",
]
