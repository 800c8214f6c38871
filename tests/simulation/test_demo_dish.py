"""The demo counts with the diameter that its cells have, not with one that suits the counts."""

import tomllib
from importlib import import_module

import pytest

from livecount.simulation import Scheme, SimulationSettings, simulate

# by its full name: the package's attribute of that name is the command itself
demo = import_module("livecount.cli.demo")


def test_the_demo_is_told_the_diameter_that_its_first_frames_have(tmp_path):
    settings = SimulationSettings(
        wells=demo._WELLS,
        n_time_points=demo._TIME_POINTS,
        frame_interval_min=demo._FRAME_INTERVAL_MIN,
        doubling_time_h=demo._DOUBLING_TIME_H,
        founders=demo._FOUNDERS,
        cell_diameter_px=demo._SPREAD_DIAMETER_PX,
        height_px=demo._SIZE_PX,
        width_px=demo._SIZE_PX,
        scheme=Scheme.INCUCYTE,
        seed=demo._SEED,
        write_annotations=True,
    )
    taken = []
    simulate(settings, tmp_path, on_frame=taken.append, stop=lambda: len(taken) == 4)
    assert len(taken) == 4
    assert {frame.well for frame in taken} == set(demo._WELLS)
    card = tomllib.loads((tmp_path / "dataset.toml").read_text())
    assert pytest.approx(card["cell_diameter_px"], abs=0.5) == demo._CELL_DIAMETER_PX
