"""Damage of any kind gives a frame or a ReadError, nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from livecount.errors import ReadError
from livecount.readers import ReadLimits, look, read_frames

PIXELS = (np.arange(48 * 64, dtype=np.uint16) * 17 + 1).reshape(48, 64)
RGB = np.stack([PIXELS % 251, PIXELS % 83, PIXELS % 17], axis=-1).astype(np.uint8)
LIMITS = ReadLimits(max_pixels=4_000_000, max_bytes_decoded=32_000_000, max_pages=200)


def tiff(*pages: np.ndarray, bigtiff: bool = False, imagej: bool = False, **options) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff, imagej=imagej) as tif:
        for page in pages:
            tif.write(page, contiguous=False, **options)
    return buffer.getvalue()


def raster(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB if form == "JPEG" else PIXELS).save(buffer, format=form)
    return buffer.getvalue()


RECORD = json.dumps({"ElapsedTime-ms": 5.0, "Axes": {"time": 1}, "BitDepth": 12})
SOUND = {
    "plain": tiff(PIXELS, PIXELS + 1, metadata=None),
    "big": tiff(PIXELS, bigtiff=True, metadata=None, extratags=[(51123, "s", 0, RECORD, True)]),
    "deflate": tiff(PIXELS, compression="zlib", predictor=True, rowsperstrip=9),
    "lzw tiles": tiff(PIXELS, compression="lzw", tile=(16, 32)),
    "zstd": tiff(PIXELS, compression="zstd"),
    "packbits": tiff(PIXELS.astype("u1"), compression="packbits"),
    "jpeg": tiff(RGB, compression="jpeg", photometric="rgb"),
    "float": tiff(PIXELS.astype("f4"), compression="zlib", predictor=True),
    "planar": tiff(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"),
    "imagej": tiff(np.stack([PIXELS] * 3), imagej=True, metadata={"axes": "TYX"}, truncate=True),
    "png": raster("PNG"),
    "jpg": raster("JPEG"),
}


@pytest.fixture(scope="module")
def survive(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], int]:
    path = tmp_path_factory.mktemp("fuzz") / "frame.tif"

    def read_all(content: bytes) -> int:
        """Read what is there; give the number of frames."""
        path.write_bytes(content)
        n_frames = 0
        try:
            look(path, settled=False, limits=LIMITS)
            for frame in read_frames(path, limits=LIMITS):
                assert frame.pixels.ndim == 2
                assert frame.pixels.size <= LIMITS.max_pixels
                n_frames += 1
        except ReadError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert error.hint  # noqa: PT017
        return n_frames

    return read_all


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_read(name: str, survive: Callable[[bytes], int]):
    assert survive(SOUND[name]) == {"plain": 2, "imagej": 3}.get(name, 1)


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    in_tags=st.booleans(),
)
def test_flipped_bytes(name: str, flips, in_tags: bool, survive: Callable[[bytes], int]):
    content = bytearray(SOUND[name])
    # Half of the examples hit the header and tags, which few bytes of the file are.
    reach = min(len(content), 600) if in_tags else len(content)
    for where, value in flips:
        content[int(where * reach)] = value
    survive(bytes(content))


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1, exclude_max=True), padding=st.sampled_from([0, 1, 100_000]))
def test_truncated_and_padded(name: str, cut: float, padding: int, survive: Callable[[bytes], int]):
    content = SOUND[name]
    survive(content[: int(cut * len(content))] + bytes(padding))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]),
    rest=st.binary(max_size=400),
)
def test_any_bytes_behind_a_signature(start: bytes, rest: bytes, survive: Callable[[bytes], int]):
    survive(start + rest)


def test_damage_is_never_taken_for_pixels_of_a_checked_stream(tmp_path: Path):
    """Deflate carries a checksum: a flipped byte must not pass."""
    content = bytearray(SOUND["deflate"])
    with tifffile.TiffFile(io.BytesIO(SOUND["deflate"])) as tif:
        start, count = tif.pages[0].dataoffsets[2], tif.pages[0].databytecounts[2]
    content[start + count // 2] ^= 0x10
    path = tmp_path / "flipped.tif"
    path.write_bytes(bytes(content))
    with pytest.raises(ReadError):
        list(read_frames(path))
