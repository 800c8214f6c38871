"""The cell diameter that is read off a frame: its rule, and on painted and real frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livecount.annotations import find_datasets
from livecount.cell_size import _crossing, estimate_cell_diameter
from livecount.counting_rule import DiameterEstimate
from livecount.errors import EngineError, RefusedFrameError
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.readers import read_frames

TRIED = np.log([10.0, 20.0, 40.0, 80.0])


@pytest.mark.parametrize(
    ("seen", "diameter_px", "steepness"),
    [
        ([2.0, 1.0, 0.5, 0.25], 20.0, 1.0),
        ([1.0, 2.0, 0.5, 0.25], 28.28, 2.0),
        ([0.8, 1.25, 0.8, 1.1], 28.28, 0.644),
        ([0.5, 0.4, 0.3, 0.2], 5.0, 0.0),
        ([1.2, 1.3, 1.4, 1.5], 120.0, 0.0),
    ],
    ids=["one size", "parts below", "again above", "smaller than tried", "larger than tried"],
)
def test_the_estimate_is_where_cells_fall_to_the_size_that_was_tried(
    seen: list[float], diameter_px: float, steepness: float
) -> None:
    found = _crossing(TRIED, np.log(seen))
    assert found.diameter_px == pytest.approx(diameter_px, rel=1e-3)
    assert found.steepness == pytest.approx(steepness, abs=1e-3)


def test_what_is_not_clear_is_said() -> None:
    assert DiameterEstimate(20.0, 0.9).reservation == ""
    assert "other sizes" in DiameterEstimate(20.0, 0.1).reservation


@pytest.fixture(scope="module")
def counting() -> tuple[Model, Engine]:
    model = find_model("deepdistance")
    return model, open_engine(model, threads=1)


@pytest.mark.parametrize("name", ["usiigaci-large/val", "usiigaci-small/val"])
def test_on_cells_that_stand_apart_it_is_close_to_what_people_drew(
    real_images: Path, name: str, counting: tuple[Model, Engine]
) -> None:
    (dataset,), _ = find_datasets([real_images / name])
    (frame,) = read_frames(dataset.images[0].path)
    found = estimate_cell_diameter(frame, *counting)
    assert 0.75 < found.diameter_px / dataset.cell_diameter_px < 1.33
    assert found.reservation == ""


def test_the_same_field_at_twice_the_pixels_has_cells_twice_as_large(
    real_images: Path, counting: tuple[Model, Engine]
) -> None:
    (dataset,), _ = find_datasets([real_images / "usiigaci-small/val"])
    (frame,) = read_frames(dataset.images[0].path)
    whole = estimate_cell_diameter(frame, *counting).diameter_px
    doubled = replace(frame, pixels=np.repeat(np.repeat(frame.pixels, 2, axis=0), 2, axis=1))
    assert estimate_cell_diameter(doubled, *counting).diameter_px == pytest.approx(
        2 * whole, rel=0.12
    )


def test_a_frame_without_cells_is_refused(
    real_images: Path, counting: tuple[Model, Engine]
) -> None:
    (dataset,), _ = find_datasets([real_images / "usiigaci-small/val"])
    (frame,) = read_frames(dataset.images[0].path)
    blank = replace(frame, pixels=np.full((300, 300), 7, np.uint16))
    with pytest.raises(RefusedFrameError, match="nothing looks like a cell"):
        estimate_cell_diameter(blank, *counting)


def test_a_model_without_an_outer_map_cannot_tell(
    real_images: Path, counting: tuple[Model, Engine]
) -> None:
    (dataset,), _ = find_datasets([real_images / "usiigaci-small/val"])
    (frame,) = read_frames(dataset.images[0].path)
    model, engine = counting
    with pytest.raises(EngineError, match="cannot estimate"):
        estimate_cell_diameter(frame, replace(model, heads=("inner",)), engine)
