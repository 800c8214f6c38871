"""Every form of TIFF that microscopes write gives the pixels that were put in."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.errors import RefusedFrameError
from livecount.frame import Frame
from livecount.readers import look, read_frames, read_pixels

Read = Callable[..., Frame]
Write = Callable[..., Path]

DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_dtype_and_byte_order(dtype: str, order: str, gradient, read: Read, write: Write):
    pixels = (gradient % 100).astype(dtype)
    frame = read(write(pixels, byteorder=order))
    assert frame.pixels.dtype == np.dtype(dtype)
    assert frame.pixels.dtype.isnative
    np.testing.assert_array_equal(frame.pixels, pixels)
    if dtype.startswith("f"):
        assert frame.saturation_level is None
    else:
        assert frame.saturation_level == float(np.iinfo(dtype).max)


def test_the_hash_does_not_depend_on_storage(gradient, read: Read, write: Write):
    forms = [
        {"byteorder": "<"},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"tile": (32, 32), "bigtiff": True},
    ]
    hashes = {
        read(write(gradient, f"{i}.tif", **form)).key.content_hash for i, form in enumerate(forms)
    }
    assert len(hashes) == 1
    changed = gradient.copy()
    changed[3, 4] += 1
    assert read(write(changed, "c.tif")).key.content_hash not in hashes
    assert read(write(gradient.astype("u4"), "w.tif")).key.content_hash not in hashes
    assert read(write(gradient.reshape(90, 70), "s.tif")).key.content_hash not in hashes


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 7}, {"tile": (32, 48)}, {}])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_compression_and_layout(compression, layout, bigtiff, gradient, read: Read, write: Write):
    predictor = compression in ("zlib", "lzw", "zstd")
    path = write(gradient, compression=compression, predictor=predictor, bigtiff=bigtiff, **layout)
    np.testing.assert_array_equal(read(path).pixels, gradient)


def test_jpeg_in_tiff(gradient, read: Read, write: Write):
    pixels = (gradient // 32).astype(np.uint8)
    path = write(pixels, compression="jpeg", compressionargs={"level": 98})
    assert np.abs(read(path).pixels.astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_becomes_grey(samples, planar, dtype, read: Read, write: Write):
    rgb = np.zeros((20, 30, samples), dtype)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 200, 100, 50
    rgb[5, 5, :3] = 77
    stored = np.moveaxis(rgb, -1, 0) if planar == "separate" else rgb
    frame = read(write(stored, photometric="rgb", planarconfig=planar))
    assert frame.flags == ("colour",)
    assert frame.pixels.dtype == dtype
    assert frame.pixels.shape == (20, 30)
    assert frame.pixels[0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert frame.pixels[5, 5] == 77


def test_a_palette_that_follows_intensity_leaves_the_measurement(read: Read, write: Write):
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    green = np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256) * 257
    frame = read(write(indices, photometric="palette", colormap=green))
    np.testing.assert_array_equal(frame.pixels, indices)
    assert "colour" not in frame.flags
    scrambled = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    frame = read(write(indices, "s.tif", photometric="palette", colormap=scrambled))
    assert "colour" in frame.flags
    expected = scrambled[:, 7] @ [0.299, 0.587, 0.114] / 257
    assert abs(frame.pixels.flat[7] - expected) <= 0.5


def test_white_is_zero_is_turned_over(read: Read, write: Write):
    pixels = np.arange(200, dtype=np.uint8).reshape(10, 20)
    frame = read(write(pixels, photometric="miniswhite"))
    np.testing.assert_array_equal(frame.pixels, 255 - pixels)


def test_bits_and_booleans(read: Read, write: Write):
    bilevel = np.eye(24, dtype=bool)
    frame = read(write(bilevel, photometric="minisblack"))
    np.testing.assert_array_equal(frame.pixels, bilevel)
    assert frame.pixels.dtype == np.uint8
    assert frame.saturation_level == 1


def test_a_camera_s_own_depth_sets_the_saturation_level(read: Read, write: Write):
    pixels = np.full((8, 8), 4000, np.uint16)
    assert read(write(pixels, extratags=[(281, "H", 1, 4095, True)])).saturation_level == 4095
    # The image's own maximum, or a claim that the pixels exceed, is no camera's depth.
    assert (
        read(write(pixels, "m.tif", extratags=[(281, "H", 1, 4000, True)])).saturation_level
        == 65535
    )
    assert (
        read(write(pixels, "l.tif", extratags=[(281, "H", 1, 1023, True)])).saturation_level
        == 65535
    )


def test_grey_with_alpha_is_one_plane(read: Read, write: Write):
    pixels = np.full((12, 14, 2), 255, np.uint8)
    pixels[..., 0] = 9
    path = write(
        pixels, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    )
    assert look(path, settled=True).n_pages == 1
    assert (read(path).pixels == 9).all()


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_channels_in_one_directory_are_planes(planar, gradient, write: Write):
    channels = np.stack([gradient, gradient + 1, gradient + 2])
    stored = channels if planar == "separate" else np.moveaxis(channels, 0, -1)
    path = write(stored, photometric="minisblack", planarconfig=planar)
    for frame, channel in zip(read_frames(path), channels, strict=True):
        np.testing.assert_array_equal(frame.pixels, channel)


@pytest.mark.parametrize(
    "options", [{}, {"tile": (1, 80, 96), "compression": "zlib"}, {"tile": (16, 32, 32)}]
)
def test_a_directory_with_depth_expands_to_planes(options, gradient, write: Write):
    volume = np.stack([gradient + z for z in range(16)])
    path = write(volume, volumetric=True, **options)
    frames = list(read_frames(path))
    assert [frame.key.page for frame in frames] == list(range(16))
    for frame, plane in zip(frames, volume, strict=True):
        np.testing.assert_array_equal(frame.pixels, plane)


@pytest.mark.parametrize("options", [{"imagej": True}, {"metadata": {"axes": "TYX"}}])
def test_planes_behind_one_directory(options, gradient, write: Write):
    stack = np.stack([gradient + t for t in range(5)])
    path = write(stack, truncate=True, **options)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    frames = list(read_frames(path))
    assert len(frames) == 5
    for frame, plane in zip(frames, stack, strict=True):
        np.testing.assert_array_equal(frame.pixels, plane)


def test_pages_differ_in_size_and_thumbnails_are_passed_over(gradient, tmp_path: Path):
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(gradient, metadata=None)
        tif.write(gradient[::8, ::8], subfiletype=1, metadata=None)
        tif.write(gradient[:30], metadata=None)
    shapes = [frame.pixels.shape for frame in read_frames(path)]
    assert shapes == [(70, 90), (30, 90)]


def test_only_the_asked_page_is_read(gradient, read: Read, tmp_path: Path):
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as tif:
        for t in range(4):
            tif.write(gradient + t, metadata=None, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start, count = tif.pages[1].dataoffsets[0], tif.pages[1].databytecounts[0]
    with path.open("r+b") as handle:
        handle.seek(start)
        handle.write(b"\xff" * count)
    for page in (3, 0, 2):
        np.testing.assert_array_equal(read(path, page).pixels, gradient + page)


def test_a_page_beyond_the_last_says_so(gradient, read: Read, write: Write):
    with pytest.raises(Exception, match="page 2 is asked for, the file has 1, from 0"):
        read(write(gradient), 2)


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_pixels_are_refused(dtype, gradient, read: Read, write: Write):
    with pytest.raises(RefusedFrameError, match="complex"):
        read(write(gradient.astype(dtype)))


def test_unknown_compression_is_refused(gradient, read: Read, write: Write):
    path = write(gradient, compression="zlib", byteorder="<")
    content = path.read_bytes()
    assert content.count(struct.pack("<HHII", 259, 3, 1, 8)) == 1
    path.write_bytes(
        content.replace(struct.pack("<HHII", 259, 3, 1, 8), struct.pack("<HHII", 259, 3, 1, 4))
    )
    with pytest.raises(RefusedFrameError, match=r"compression 4 is not read.*Export"):
        read(path)


def test_one_pixel(read: Read, write: Write):
    frame = read(write(np.array([[7]], np.uint16)))
    assert frame.pixels.tolist() == [[7]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_pixels_are_accepted_and_flagged(bad, read: Read, write: Write):
    pixels = np.ones((600, 10), np.float32)
    pixels[500, 3] = bad
    assert read(write(pixels)).flags == ("not_finite",)


def test_a_zero_tail_is_flagged(gradient, read: Read, write: Write):
    for n_rows in (1, 2, 35):
        pixels = gradient.copy()
        pixels[-n_rows:] = 0
        assert read(write(pixels)).flags == ("zero_tail",)
    assert read(write(np.zeros_like(gradient))).flags == ("all_zero",)
    pixels = gradient.copy()
    pixels[-2] = 0
    pixels[:3] = 0
    assert read(write(pixels)).flags == ()


def test_a_last_tile_of_zeros_is_flagged(gradient, read: Read, write: Write):
    pixels = gradient.copy()
    pixels[64:, 64:] = 0
    assert read(write(pixels, tile=(32, 32))).flags == ("zero_tail",)
    assert read(write(pixels)).flags == ()


def test_real_frames(real_images: Path):
    frame = next(read_frames(real_images / "t98g-series" / "20180101ef002xy01t03.tif"))
    assert frame.pixels.shape == (1022, 1024)
    assert frame.pixels.dtype == np.uint16
    for path in sorted(real_images.glob("*/test/*.tif")) + sorted(
        real_images.glob("formats/*/*.tif")
    ):
        pixels = read_pixels(path)
        np.testing.assert_array_equal(pixels, tifffile.imread(path))
