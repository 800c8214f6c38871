import os
import pickle
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount import frame
from livecount.frame import (
    AttributeSource,
    Candidates,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    Provenance,
)

positions = st.floats(0, 100_000, width=32)
prominences = st.floats(np.float32(0.02), 1, width=32)
peaks = st.lists(st.tuples(positions, positions, prominences), max_size=30)
heights = st.floats(0.02, 1.0)


def candidates(found: list[tuple[float, float, float]]) -> Candidates:
    rows = np.array(sorted(found, key=lambda peak: -peak[2]), np.float32).reshape(-1, 3)
    return Candidates(rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy())


def test_all_names_what_the_module_offers() -> None:
    public = {
        name
        for name, value in vars(frame).items()
        if getattr(value, "__module__", None) == frame.__name__ and not name.startswith("_")
    }
    assert public <= set(frame.__all__)
    assert all(hasattr(frame, name) for name in frame.__all__)


# --- candidates -----------------------------------------------------------------------------------


@given(peaks, heights)
def test_the_count_is_the_number_of_candidates_kept(
    found: list[tuple[float, float, float]], h: float
) -> None:
    kept = candidates(found).at(h)
    assert len(kept) == candidates(found).count_at(h)
    assert len(kept) == sum(np.float32(peak[2]) >= np.float32(h) for peak in found)
    assert len(kept.y_px) == len(kept.x_px) == len(kept)
    assert kept.count_at(h) == len(kept)


@given(peaks, heights, heights)
def test_a_higher_h_keeps_a_beginning_of_what_a_lower_one_keeps(
    found: list[tuple[float, float, float]], one: float, other: float
) -> None:
    few, many = (candidates(found).at(h) for h in sorted((one, other), reverse=True))
    assert len(few) <= len(many)
    for name in ("y_px", "x_px", "prominence"):
        np.testing.assert_array_equal(getattr(few, name), getattr(many, name)[: len(few)])


@pytest.mark.parametrize("h", [0.1, 0.2, 0.3, 0.7])
def test_a_peak_exactly_at_h_is_a_cell(h: float) -> None:
    # 0.7 in float32 lies below 0.7 in float64: the comparison must not depend on that.
    at_h = candidates([(1.0, 2.0, h)])
    assert at_h.count_at(h) == 1
    assert candidates([(1.0, 2.0, np.nextafter(np.float32(h), np.float32(0)))]).count_at(h) == 0


def test_no_candidates() -> None:
    nothing = candidates([])
    assert len(nothing) == nothing.count_at(0.02) == len(nothing.at(0.5)) == 0
    assert len(nothing.scaled(2, 3)) == 0


def test_scaling_keeps_pixel_centres() -> None:
    # Halving the pixels: pixel 0 of the coarse grid covers fine pixels 0 and 1, centre 0.5.
    scaled = candidates([(0.0, 10.0, 0.5)]).scaled(2, 4)
    assert (scaled.y_px.tolist(), scaled.x_px.tolist()) == ([0.5], [41.5])
    assert scaled.y_px.dtype == scaled.x_px.dtype == np.float32


@given(peaks, st.floats(0.05, 20), st.floats(0.05, 20))
def test_scaling_there_and_back(
    found: list[tuple[float, float, float]], factor_y: float, factor_x: float
) -> None:
    before = candidates(found)
    after = before.scaled(factor_y, factor_x).scaled(1 / factor_y, 1 / factor_x)
    np.testing.assert_allclose(after.y_px, before.y_px, rtol=1e-5, atol=1e-3 + 1 / factor_y * 1e-5)
    np.testing.assert_allclose(after.x_px, before.x_px, rtol=1e-5, atol=1e-3 + 1 / factor_x * 1e-5)
    np.testing.assert_array_equal(after.prominence, before.prominence)


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0, 1))
def test_scaled_positions_stay_within_the_other_grid(coarse: int, fine: int, where: float) -> None:
    position = where * coarse - 0.5
    (scaled,) = candidates([(position, 0.0, 0.5)]).scaled(fine / coarse, 1).y_px
    assert -0.5 - 1e-2 <= scaled <= fine - 0.5 + 1e-2


# --- attributes -----------------------------------------------------------------------------------

values: dict[str, st.SearchStrategy[Any]] = {
    "plate": st.text(),
    "well": st.sampled_from(["A1", "AF48"]),
    "field": st.text(),
    "position": st.text(),
    "time_point": st.integers(0),
    "channel": st.text(),
    "z": st.integers(0),
    "acquired_at": st.datetimes(timezones=st.just(UTC)),
    "elapsed_s": st.floats(0, 1e9),
    "pixel_size_um": st.floats(0.01, 10),
    "stage_x_um": st.floats(-1e5, 1e5),
    "stage_y_um": st.floats(-1e5, 1e5),
}
attributes = st.builds(
    FrameAttributes.from_source,
    st.sampled_from(AttributeSource),
    **{name: st.none() | value for name, value in values.items()},
)
NAMES = sorted(values)


def test_the_strategies_above_know_every_attribute() -> None:
    assert {item.name for item in fields(FrameAttributes)} == {*NAMES, "sources"}


def test_attributes_of_one_source() -> None:
    built = FrameAttributes.from_source(AttributeSource.FILE_NAME, well="A1", z=0, field=None)
    assert (built.well, built.z, built.field) == ("A1", 0, None)
    assert built.sources == {"well": AttributeSource.FILE_NAME, "z": AttributeSource.FILE_NAME}
    with pytest.raises(TypeError):
        FrameAttributes.from_source(AttributeSource.FILE_NAME, wel="A1")


@given(attributes, attributes)
def test_completing_fills_gaps_and_overwrites_nothing(
    first: FrameAttributes, second: FrameAttributes
) -> None:
    both = first.completed_by(second)
    for name in NAMES:
        giver = first if getattr(first, name) is not None else second
        assert getattr(both, name) == getattr(giver, name)
        assert both.sources.get(name) == giver.sources.get(name)


@given(attributes, attributes, attributes)
def test_completing_is_a_chain_of_preferences(
    first: FrameAttributes, second: FrameAttributes, third: FrameAttributes
) -> None:
    one = first.completed_by(second).completed_by(third)
    assert one == first.completed_by(second.completed_by(third))
    assert first.completed_by(first) is first
    assert first.completed_by(FrameAttributes()) is first
    assert FrameAttributes().completed_by(first) == first


def test_completing_leaves_both_givers_as_they_were() -> None:
    name = FrameAttributes.from_source(AttributeSource.FILE_NAME, well="A1")
    tag = FrameAttributes.from_source(AttributeSource.FILE_TAG, well="B2", pixel_size_um=0.65)
    both = name.completed_by(tag)
    assert (both.well, both.pixel_size_um) == ("A1", 0.65)
    assert name.sources == {"well": AttributeSource.FILE_NAME}
    assert set(tag.sources) == {"well", "pixel_size_um"}
    with pytest.raises(FrozenInstanceError):
        name.well = "C3"  # type: ignore[misc]


# --- keys and counts ------------------------------------------------------------------------------


def key(relative_path: bytes, page: int = 0) -> FrameKey:
    return FrameKey("/scans", relative_path, page, "00" * 16)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"A1/t0.tif", "A1/t0.tif"),
        ("Zählung µm.tif".encode(), "Zählung µm.tif"),
        (b"caf\xe9.tif", "caf\\xe9.tif"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"cut \xe2\x82.tif", "cut \\xe2\\x82.tif"),
    ],
)
def test_any_name_can_be_shown(path: bytes, shown: str) -> None:
    assert key(path).display_path == shown


@given(st.binary(min_size=1, max_size=40))
def test_names_survive_and_can_be_shown_whatever_they_are(path: bytes) -> None:
    key(path).display_path.encode("utf-8")
    if os.name != "nt":
        assert os.fsencode(key(path).file_system_path) == path
    assert pickle.loads(pickle.dumps(key(path))) == key(path)


def test_keys_differ_by_page_and_sort() -> None:
    assert key(b"a.tif", 1) != key(b"a.tif", 0)
    pages = [key(b"b.tif", 0), key(b"a.tif", 2), key(b"a.tif", 1)]
    assert sorted(pages) == pages[::-1]
    assert len({*pages, key(b"a.tif", 1)}) == 3


@pytest.mark.parametrize(("area_mm2", "density"), [(None, None), (0.5, 6.0)])
def test_density_needs_an_area(area_mm2: float | None, density: float | None) -> None:
    found = candidates([(0.0, 0.0, 0.5)] * 3)
    count = FrameCount(
        key=key(b"a.tif"),
        attributes=FrameAttributes(acquired_at=datetime(2026, 10, 5, tzinfo=UTC)),
        analysis_id="0",
        count=3,
        candidates=found,
        quality=FrameQuality(1.0, 0.5, 0.0),
        height_px=10,
        width_px=10,
        area_mm2=area_mm2,
        flags=(),
        provenance=Provenance("onnxruntime", "fp32", "0"),
    )
    assert count.density_per_mm2 == density
