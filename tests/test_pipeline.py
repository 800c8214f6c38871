"""From a frame to its count."""

from dataclasses import replace

import numpy as np
import pytest

from livecount.errors import EngineError, RefusedFrameError
from livecount.frame import AttributeSource, Frame, FrameAttributes, FrameKey
from livecount.inference import find_model, open_engine
from livecount.mask_outlines import polygons_over
from livecount.pipeline import CountingRule, FrameCounter
from livecount.segmentation import SegmentationRule


def frame_of(pixels: np.ndarray, *, level: float | None = None, **known: object) -> Frame:
    attributes = FrameAttributes.from_source(AttributeSource.FILE_TAG, **known)
    return Frame(FrameKey("/frames", b"a.tif", 0, "00"), attributes, pixels, level)


def counter_for(**rule: float) -> FrameCounter:
    model = find_model("deepdistance")
    return FrameCounter(model, open_engine(model), CountingRule(h=model.h, **rule))


def segmenting_counter(**rule: float) -> FrameCounter:
    model = find_model("deepdistance")
    counting = CountingRule(h=model.h, **rule)
    return FrameCounter(model, open_engine(model), counting, segmentation=SegmentationRule())


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    y, x = np.mgrid[:300, :420]
    pixels = np.random.default_rng(1).normal(1000, 20, y.shape)
    for cy in range(50, 300, 70):
        for cx in range(50, 420, 70):
            distance = np.hypot(y - cy, x - cx)
            pixels += 600 * np.exp(-((distance - 16) ** 2) / 20) - 300 * np.exp(-(distance**2) / 90)
    return np.clip(pixels, 0, 65535).astype(np.uint16)


def test_counts_do_not_depend_on_bit_depth_or_gain(blobs: np.ndarray) -> None:
    counter = counter_for(cell_diameter_px=40)
    scaled = ((blobs - blobs.min()) / np.ptp(blobs) * 255).astype(np.uint8)
    counts = [counter.count(frame_of(image)).count for image in (blobs, scaled, blobs / 7.0)]
    assert max(counts) - min(counts) <= 1
    assert counts[0] > 10


def test_micrometres_and_pixels_mean_the_same(blobs: np.ndarray) -> None:
    in_px = counter_for(cell_diameter_px=40).count(frame_of(blobs))
    in_um = counter_for(cell_diameter_um=20).count(frame_of(blobs, pixel_size_um=0.5))
    np.testing.assert_array_equal(in_px.candidates.y_px, in_um.candidates.y_px)
    assert in_um.area_mm2 == pytest.approx(300 * 420 * 0.25e-6)
    assert in_um.density_per_mm2 == pytest.approx(in_um.count / in_um.area_mm2)
    assert in_px.density_per_mm2 is None


def test_positions_are_in_pixels_of_the_frame(blobs: np.ndarray) -> None:
    cells = counter_for(cell_diameter_px=40).count(frame_of(blobs)).candidates
    best_y, best_x = cells.y_px[:5], cells.x_px[:5]
    for y, x in zip(best_y, best_x, strict=True):
        to_grid = np.hypot((y - 50 + 35) % 70 - 35, (x - 50 + 35) % 70 - 35)
        assert to_grid < 8


def test_a_diameter_in_um_needs_a_pixel_size(blobs: np.ndarray) -> None:
    with pytest.raises(RefusedFrameError, match="--pixel-size-um"):
        counter_for(cell_diameter_um=20).count(frame_of(blobs))


@pytest.mark.parametrize("given", [{}, {"cell_diameter_px": 1.0, "cell_diameter_um": 1.0}])
def test_exactly_one_diameter_is_given(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either"):
        CountingRule(h=0.1, **given)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64), np.uint8),
        np.full((1, 1), 9, np.uint16),
        np.full((40, 3), 65535, np.uint16),
        np.full((50, 50), np.nan, np.float32),
    ],
)
def test_frames_without_anything_in_them_count_nothing(pixels: np.ndarray) -> None:
    found = counter_for(cell_diameter_px=26).count(frame_of(pixels, level=65535))
    assert found.count == 0
    assert np.isfinite([found.quality.focus, found.quality.saturated_fraction]).all()


def test_segmenting_adds_masks_and_changes_no_count(blobs: np.ndarray) -> None:
    frame = frame_of(blobs)
    plain = counter_for(cell_diameter_px=40).count(frame)
    counter = segmenting_counter(cell_diameter_px=40)
    found, labels = counter.count_with_labels(frame)
    assert found.count == plain.count > 10
    for name in ("y_px", "x_px", "prominence"):
        np.testing.assert_array_equal(
            getattr(found.candidates, name), getattr(plain.candidates, name)
        )
    assert (plain.confluence_percent, plain.shapes, plain.masks) == (None, None, None)
    assert found.shapes is not None
    assert len(found.shapes) == found.count
    assert labels.shape == blobs.shape
    areas = np.bincount(labels.ravel(), minlength=found.count + 1)[1:]
    np.testing.assert_allclose(np.nan_to_num(found.shapes.area_px), areas, rtol=0.1, atol=30)
    assert found.confluence_percent == pytest.approx(100 * np.mean(labels > 0), abs=0.5)
    cells = found.candidates.at(counter.rule.h)
    here = labels[cells.y_px.round().astype(int), cells.x_px.round().astype(int)]
    assert np.mean(here == np.arange(1, found.count + 1)) > 0.95
    assert found.masks is not None
    polygons = polygons_over(found.masks, blobs.shape)
    areas = np.zeros(found.count)
    for cell, corners in zip(polygons.cell, polygons.split(), strict=True):
        y, x = corners.astype(float).T
        areas[cell] += (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    np.testing.assert_allclose(np.nan_to_num(found.shapes.area_px), areas, rtol=0.02, atol=5)


def test_an_empty_field_has_no_confluence() -> None:
    found, labels = segmenting_counter(cell_diameter_px=26).count_with_labels(
        frame_of(np.full((80, 90), 500, np.uint16))
    )
    assert (found.count, found.confluence_percent, labels.max()) == (0, 0.0, 0)
    assert found.shapes is not None
    assert len(found.shapes) == 0


def test_a_model_without_an_outer_map_cannot_segment() -> None:
    model = replace(find_model("deepdistance"), heads=("inner",))
    engine = open_engine(find_model("deepdistance"))
    rule = CountingRule(h=model.h, cell_diameter_px=26)
    FrameCounter(model, engine, rule)
    with pytest.raises(EngineError, match="cannot segment"):
        FrameCounter(model, engine, rule, segmentation=SegmentationRule())


def test_a_frame_too_large_to_be_held_has_the_same_cells(
    blobs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model("deepdistance")
    rule = CountingRule(h=model.h, cell_diameter_px=13)
    counter = FrameCounter(model, open_engine(model), rule, memory_limit_mb=100)
    large = np.tile(blobs, (2, 2))
    held = counter.count(frame_of(large))
    monkeypatch.setattr("livecount.pipeline._HELD_PX", 1000)
    monkeypatch.setattr("livecount.rows._GROUP_PX", 30_000)
    banded = counter.count(frame_of(large))
    assert banded.count == held.count > 40
    for name in ("y_px", "x_px", "prominence"):
        np.testing.assert_array_equal(
            getattr(banded.candidates, name), getattr(held.candidates, name)
        )
    assert banded.flags == held.flags
    assert banded.quality.focus == pytest.approx(held.quality.focus)


def test_masks_of_a_frame_too_large_to_be_held_are_refused_and_its_count_says_so(
    blobs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = segmenting_counter(cell_diameter_px=40)
    monkeypatch.setattr("livecount.pipeline._HELD_PX", 1000)
    found = counter.count(frame_of(blobs))
    assert "too_large_to_segment" in found.flags
    assert found.masks is None
    with pytest.raises(EngineError, match=r"a\.tif: too large to segment \(420 x 300 pixels\)"):
        counter.count_with_labels(frame_of(blobs))


def test_a_full_temporary_folder_is_said(
    blobs: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livecount.pipeline._HELD_PX", 1000)
    monkeypatch.setattr("livecount.banded_peaks.tempfile.tempdir", "/nowhere")
    with pytest.raises(EngineError, match="cannot be kept in /nowhere") as said:
        counter_for(cell_diameter_px=40).count(frame_of(blobs))
    assert "TMPDIR" in str(said.value)
