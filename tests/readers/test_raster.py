"""PNG and JPEG in the forms in which microscope programs export them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livecount.errors import RefusedFrameError
from livecount.frame import AttributeSource, Frame
from livecount.readers import ReadLimits, look

Read = Callable[..., Frame]
GREY = np.arange(1, 601, dtype=np.uint16).reshape(20, 30)
RGB = np.stack([GREY % 256, GREY % 99, GREY % 7], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png(dtype, tmp_path: Path, read: Read):
    pixels = GREY.astype(dtype) * (1 if dtype == np.uint8 else 100)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    frame = read(tmp_path / "a.png")
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert frame.pixels.dtype == dtype
    assert frame.saturation_level == np.iinfo(dtype).max
    assert frame.flags == ()
    assert look(tmp_path / "a.png", settled=True).n_pages == 1


def test_colour_png_with_and_without_alpha(tmp_path: Path, read: Read):
    expected = np.rint(RGB @ [0.299, 0.587, 0.114])
    alpha = np.dstack([RGB, np.full(GREY.shape, 9, np.uint8)])
    for name, pixels in (("rgb.png", RGB), ("rgba.png", alpha)):
        Image.fromarray(pixels).save(tmp_path / name)
        frame = read(tmp_path / name)
        assert frame.flags == ("colour",)
        assert np.abs(frame.pixels - expected).max() <= 1


def test_grey_with_alpha_and_bilevel(tmp_path: Path, read: Read):
    grey = GREY.astype(np.uint8)
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey * 0 + 7)])
    both.save(tmp_path / "la.png")
    np.testing.assert_array_equal(read(tmp_path / "la.png").pixels, grey)
    Image.fromarray(np.eye(20, dtype=bool)).save(tmp_path / "1.png")
    frame = read(tmp_path / "1.png")
    np.testing.assert_array_equal(frame.pixels, np.eye(20))
    assert frame.saturation_level == 1


def test_palette_png(tmp_path: Path, read: Read):
    indices = (GREY % 200).astype(np.uint8)
    image = Image.fromarray(indices, "L").convert("P")
    image.putpalette([value for i in range(256) for value in (0, i, 0)])
    image.save(tmp_path / "green.png")
    frame = read(tmp_path / "green.png")
    np.testing.assert_array_equal(frame.pixels, indices)
    assert frame.flags == ()
    image.putpalette([(37 * i * j) % 256 for i in range(256) for j in (1, 2, 3)])
    image.save(tmp_path / "wild.png")
    assert read(tmp_path / "wild.png").flags == ("colour",)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(mode: str, tmp_path: Path, read: Read):
    smooth = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    Image.fromarray(smooth).convert(mode).save(tmp_path / "a.jpg", quality=95)
    frame = read(tmp_path / "a.jpg")
    assert np.abs(frame.pixels.astype(int) - smooth).max() <= 3
    assert ("colour" in frame.flags) == (mode == "RGB")


def test_resolution_counts_where_it_makes_sense(tmp_path: Path, read: Read):
    image = Image.fromarray(GREY.astype(np.uint8))
    image.save(tmp_path / "screen.png", dpi=(96, 96))
    assert read(tmp_path / "screen.png").attributes.pixel_size_um is None
    image.save(tmp_path / "scope.png", dpi=(25_400, 25_400))
    said = read(tmp_path / "scope.png").attributes
    assert said.pixel_size_um == pytest.approx(1.0, rel=1e-3)
    assert said.sources["pixel_size_um"] == AttributeSource.FILE_TAG


def test_our_own_limit_holds_and_not_pillow_s(tmp_path: Path, read: Read, monkeypatch):
    Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read(tmp_path / "a.png").pixels.shape == (20, 30)
    with pytest.raises(RefusedFrameError, match="20 x 30 pixels, the limit is 599"):
        read(tmp_path / "a.png", limits=ReadLimits(max_pixels=599))
