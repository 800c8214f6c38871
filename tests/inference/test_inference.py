"""Models, the ONNX runtime and tiling, with the shipped network."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.detection import find_peaks
from livecount.errors import EngineError, ModelError
from livecount.inference import Engine, Model, find_model, list_models, open_engine, read_model
from livecount.inference.tiling import TileLimits, infer_tiled, plan_tiles
from livecount.normalisation import normalise


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model("deepdistance")


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, threads=1)


@pytest.fixture(scope="module")
def textured(model: Model) -> np.ndarray:
    """A frame with blobs of about a cell's size, normalised as frames are."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:560, :700]
    pixels = rng.normal(100, 3, y.shape)
    for cy, cx in rng.uniform((0, 0), y.shape, (70, 2)):
        distance = np.hypot(y - cy, x - cx)
        pixels += 40 * np.exp(-((distance - 11) ** 2) / 12) - 25 * np.exp(-(distance**2) / 60)
    return normalise(pixels, model.normalisation)


def test_tiles_give_the_maps_and_counts_of_the_whole_frame(
    model: Model, engine: Engine, textured: np.ndarray
) -> None:
    tile = (model.halo_px, model.multiple_px)
    whole = infer_tiled(engine.infer, textured, TileLimits(10**9, *tile))
    tiled = infer_tiled(engine.infer, textured, TileLimits((3 * model.halo_px) ** 2, *tile))
    assert whole.shape == (len(model.heads), *textured.shape)
    np.testing.assert_allclose(tiled, whole, atol=2e-5)
    found, again = (
        find_peaks(np.ascontiguousarray(maps[model.inner_index]), h=model.h)
        for maps in (whole, tiled)
    )
    assert found.count_at(model.h) == again.count_at(model.h) > 0


def test_a_smaller_halo_would_change_the_result(
    model: Model, engine: Engine, textured: np.ndarray
) -> None:
    whole = infer_tiled(engine.infer, textured, TileLimits(10**9, model.halo_px, 16))
    cut = infer_tiled(engine.infer, textured, TileLimits(256**2, 16, 16))
    assert float(np.abs(cut - whole).max()) > 1e-3


@settings(max_examples=60)
@given(
    height=st.integers(1, 60), width=st.integers(1, 60), max_px=st.integers(1, 300_000),
    halo=st.integers(0, 4), longest=st.none() | st.integers(9, 40),
)  # fmt: skip
def test_every_pixel_is_in_exactly_one_core_with_its_halo_in_a_window_of_the_one_size(
    height: int, width: int, max_px: int, halo: int, longest: int | None
) -> None:
    limits = TileLimits(max_px, 16 * halo, 16, longest and 16 * longest)
    covered = np.zeros((16 * height, 16 * width), int)
    sizes = set()
    for tile in plan_tiles(*covered.shape, limits):
        covered[tile.core] += 1
        for window, core, length in zip(tile.window, tile.core, covered.shape, strict=True):
            assert window.start % 16 == 0
            assert window.start == 0 or core.start - window.start >= 16 * halo
            assert window.stop == length or window.stop - core.stop >= 16 * halo
            assert core.start < core.stop <= length
        sizes.add(tuple(interval.stop - interval.start for interval in tile.window))
    assert (covered == 1).all()
    ((tall, wide),) = sizes
    assert tall % 16 == wide % 16 == 0
    assert max(tall, wide) <= (limits.max_side_px or max(covered.shape))


@settings(max_examples=40)
@given(height=st.integers(1, 90), width=st.integers(1, 90), max_px=st.integers(256, 6000))
def test_any_size_of_frame_is_given_back_in_its_own_size(
    height: int, width: int, max_px: int
) -> None:
    image = np.random.default_rng(height * width).normal(size=(height, width)).astype(np.float32)

    def double(part: np.ndarray) -> np.ndarray:
        assert part.shape[0] % 16 == 0
        assert part.shape[1] % 16 == 0
        return np.stack([part, 2 * part])

    maps = infer_tiled(double, image, TileLimits(max_px, 16, 16))
    np.testing.assert_array_equal(maps[1], 2 * image)


@settings(max_examples=25)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_no_side_is_longer_than_a_runtime_takes(height: int, width: int) -> None:
    image = np.random.default_rng(height * width).normal(size=(height, width)).astype(np.float32)

    def doubled(part: np.ndarray) -> np.ndarray:
        assert max(part.shape) <= 128
        return 2 * part[np.newaxis]

    limits = TileLimits(10**9, halo_px=16, multiple_px=16, max_side_px=128)
    np.testing.assert_array_equal(infer_tiled(doubled, image, limits)[0], 2 * image)


def test_the_network_sees_the_frame_mirrored_beyond_each_edge() -> None:
    image = np.random.default_rng(2).normal(size=(70, 50)).astype(np.float32)
    seen = []

    def keep(part: np.ndarray) -> np.ndarray:
        seen.append(part)
        return part[np.newaxis]

    infer_tiled(keep, image, TileLimits(10**6, 16, 16))
    (part,) = seen
    np.testing.assert_array_equal(part[32 : 32 + 70, 32 : 32 + 50], image)
    np.testing.assert_array_equal(part[:32, 32 : 32 + 50], image[:32][::-1])
    np.testing.assert_array_equal(part[32 : 32 + 70, :32], image[:, :32][:, ::-1])
    np.testing.assert_array_equal(part[32 + 70 : 64 + 70, 32 : 32 + 50], image[-32:][::-1])
    np.testing.assert_array_equal(part[32 : 32 + 70, 32 + 50 : 64 + 50], image[:, -32:][:, ::-1])


def test_tiles_stay_within_the_memory_allowed() -> None:
    for max_px in (300_000, 1_000_000, 4_000_000):
        for tile in plan_tiles(2112, 3200, TileLimits(max_px, 128, 16)):
            height, width = (interval.stop - interval.start for interval in tile.window)
            assert height * width <= max_px


def test_shipped_models_are_found_and_whole() -> None:
    models = list_models()
    assert "deepdistance" in [model.name for model in models]
    for model in models:
        assert model.checked_onnx()
        assert "inner" in model.heads
        assert 0.02 <= model.h <= 1
        assert max(file.stat().st_size for file in model.folder.iterdir()) < 8_000_000
        assert model.card["licence"]
        assert all(item["licence"] == "MIT" for item in model.card["training_data"])


def test_a_changed_network_is_refused(model: Model, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(model.folder, copied)
    content = bytearray((copied / "model.onnx").read_bytes())
    content[-9] ^= 1
    (copied / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        open_engine(read_model(copied))


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("name = ", "not TOML"),
        ('name = "x"', "lacks"),
        (None, "No model card"),
    ],
)
def test_a_bad_card_is_one_clear_line(card: str | None, said: str, tmp_path: Path) -> None:
    if card is not None:
        (tmp_path / "model.toml").write_text(card)
    with pytest.raises(ModelError, match=said) as error:
        read_model(tmp_path)
    assert "\n" not in str(error.value)


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(ModelError, match="deepdistance"):
        find_model("no such model")
    with pytest.raises(EngineError, match="onnxruntime"):
        open_engine(find_model("deepdistance"), runtime="no such runtime")
