"""Settings of runs that are drawn in no time, and what is read back of them."""

from pathlib import Path

import numpy as np
import tifffile

from livecount.simulation import Manner, Scheme, SimulationSettings

PAIRS = [
    (scheme, manner)
    for scheme in Scheme
    for manner in Manner
    if (
        manner in (Manner.GROWING, Manner.PRE_SIZED)
        if scheme.is_stack
        else manner is not Manner.GROWING
    )
]
"""Every scheme with each manner in which its files can come to be."""


def small(**changes) -> SimulationSettings:
    chosen = {
        "wells": ("A1", "B12"),
        "fields_per_well": 2,
        "n_time_points": 3,
        "founders": 5,
        "height_px": 64,
        "width_px": 80,
        "cell_diameter_px": 10.0,
        "write_seconds": 0.0,
        "death_rate_per_h": 0.01,
    } | changes
    return SimulationSettings(**chosen)


def pixels_of(folder: Path, truth) -> np.ndarray:
    with tifffile.TiffFile(folder / truth.source) as tiff:
        return tiff.pages[truth.page].asarray()
