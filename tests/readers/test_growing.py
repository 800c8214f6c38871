"""What may be said of a file while it is still being written."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.errors import UnreadableFrameError
from livecount.frame import Frame
from livecount.readers import PageLook, look

Read = Callable[..., Frame]


def stack(path: Path, n: int, gradient, **options) -> list[tuple[int, int]]:
    """Write n pages and give (IFD offset, end of data) of each."""
    with tifffile.TiffWriter(path) as tif:
        for t in range(n):
            tif.write(gradient + t, metadata=None, contiguous=False, **options)
    with tifffile.TiffFile(path) as tif:
        return [(p.offset, p.dataoffsets[-1] + p.databytecounts[-1]) for p in tif.pages]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (32, 32)}])
def test_all_but_the_last_page_are_complete_while_growing(options, gradient, tmp_path: Path):
    path = tmp_path / "stack.tif"
    stack(path, 4, gradient, **options)
    assert look(path, settled=False) == PageLook(4, (0, 1, 2))
    assert look(path, settled=True) == PageLook(4, (0, 1, 2, 3))


def test_a_single_page_is_never_certain_before_it_settled(gradient, tmp_path: Path):
    path = tmp_path / "one.tif"
    stack(path, 1, gradient)
    assert look(path, settled=False) == PageLook(1, ())
    png = tmp_path / "one.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert look(png, settled=False) == PageLook(1, ())


def test_every_length_of_a_growing_file_is_judged_right(gradient, tmp_path: Path, read: Read):
    whole = tmp_path / "whole.tif"
    stack(whole, 3, gradient)
    content = whole.read_bytes()
    path = tmp_path / "growing.tif"
    for n_bytes in range(1, len(content) + 1, 997):
        path.write_bytes(content[:n_bytes])
        try:
            seen = look(path, settled=False)
        except UnreadableFrameError:
            continue
        for page in seen.complete_pages:
            np.testing.assert_array_equal(read(path, page).pixels, gradient + page)


def test_a_pre_sized_stack_grows_page_by_page(gradient, tmp_path: Path, read: Read):
    """Micro-Manager extends the file first, fills it with pages, and truncates it at the end."""
    whole = tmp_path / "whole.tif"
    places = stack(whole, 3, gradient, rowsperstrip=70)
    content = whole.read_bytes()
    path = tmp_path / "presized.tif"
    with path.open("wb") as handle:
        handle.truncate(len(content) + 1_000_000)
        for page, (_, end) in enumerate(places):
            half = end - (gradient.nbytes // 2)
            handle.seek(0)
            handle.write(content[:half])
            handle.flush()
            half_written = look(path, settled=False)
            assert half_written.complete_pages == tuple(range(page))
            for done in half_written.complete_pages:
                np.testing.assert_array_equal(read(path, done).pixels, gradient + done)
            handle.seek(0)
            handle.write(content[:end])
            handle.flush()
        handle.write(content[len(handle.name) * 0 + places[-1][1] :])
    np.testing.assert_array_equal(read(path, 2).pixels, gradient + 2)


def test_half_written_pixels_of_full_length_are_flagged(gradient, tmp_path: Path, read: Read):
    path = tmp_path / "half.tif"
    ((_, end),) = stack(path, 1, gradient)
    with path.open("r+b") as handle:
        handle.seek(end - gradient.nbytes // 2)
        handle.write(bytes(gradient.nbytes // 2))
    assert read(path).flags == ("zero_tail",)


def test_a_page_with_a_zero_tail_is_not_complete_though_another_follows(gradient, tmp_path: Path):
    path = tmp_path / "stack.tif"
    places = stack(path, 3, gradient)
    with path.open("r+b") as handle:
        handle.seek(places[1][1] - 500)
        handle.write(bytes(500))
    assert look(path, settled=False).complete_pages == (0,)


def test_an_unwritten_strip_makes_the_frame_suspicious(gradient, tmp_path: Path, read: Read):
    path = tmp_path / "sparse.tif"
    stack(path, 1, gradient, compression="zlib", tile=(32, 32))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tags = tif.pages[0].tags
        offsets, counts = list(tags[324].value), list(tags[325].value)
        offsets[1] = counts[1] = 0
        tags[324].overwrite(offsets)
        tags[325].overwrite(counts)
    frame = read(path)
    assert set(frame.flags) == {"zero_tail", "missing_blocks"}
    assert not frame.pixels[:32, 32:64].any()


def test_an_imagej_stack_that_grows_behind_its_only_directory(gradient, tmp_path: Path, read: Read):
    path = tmp_path / "imagej.tif"
    volume = np.stack([gradient + t for t in range(6)])
    tifffile.imwrite(path, volume, imagej=True, truncate=True)
    n_bytes = path.stat().st_size
    os.truncate(path, n_bytes - 2 * gradient.nbytes - 100)
    seen = look(path, settled=False)
    assert seen == PageLook(4, (0, 1, 2))
    np.testing.assert_array_equal(read(path, 1).pixels, volume[1])
    with pytest.raises(UnreadableFrameError, match="truncated"):
        read(path, 3)
    with pytest.raises(UnreadableFrameError, match="page 4 is asked for, the file has 4, from 0"):
        read(path, 4)


def test_an_ome_tiff_whose_directories_are_written_at_the_end(gradient, tmp_path: Path, read: Read):
    """The way of pymmcore-plus and ome-writers, over tifffile's contiguous writing."""
    path = tmp_path / "run_p000.ome.tiff"
    metadata = {"axes": "TCYX", "Channel": {"Name": ["Phase", "DAPI"]}, "TimeIncrement": 600.0}
    whole = tmp_path / "whole.ome.tiff"
    tifffile.imwrite(whole, np.zeros((3, 2, *gradient.shape), np.uint16), metadata=metadata)
    with tifffile.TiffFile(whole) as tif:
        xml = tif.pages[0].description.encode()
    hashes = {}
    with tifffile.TiffWriter(path, bigtiff=True, ome=False, shaped=False) as tif:
        for n_written in range(1, 7):
            pixels = gradient + n_written - 1
            tif.write(pixels, contiguous=True, description=xml, metadata=None)
            tif._fh.flush()
            seen = look(path, settled=False)
            assert seen == PageLook(n_written, tuple(range(n_written - 1)))
            assert look(path, settled=True).n_pages == n_written
            for page in seen.complete_pages:
                frame = read(path, page)
                said = frame.attributes
                np.testing.assert_array_equal(frame.pixels, gradient + page)
                assert (said.time_point, said.channel) == (page // 2, ("Phase", "DAPI")[page % 2])
                hashes[page] = frame.key.content_hash
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 6
    assert look(path, settled=True).n_pages == 6
    assert len(hashes) == 5
    assert all(read(path, page).key.content_hash == value for page, value in hashes.items())


def test_a_stack_whose_first_page_announces_many_is_no_imagej_stack(gradient, tmp_path: Path):
    """Micro-Manager writes ImageJ's description first and its pages one by one."""
    path = tmp_path / "mm.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(gradient, description="ImageJ=1.53\nimages=50\n", metadata=None)
        tif.write(gradient, metadata=None, contiguous=False)
    assert look(path, settled=True).n_pages == 2


def test_pages_that_form_a_circle_are_refused(gradient, tmp_path: Path):
    path = tmp_path / "circle.tif"
    places = stack(path, 3, gradient)
    content = bytearray(path.read_bytes())
    last = places[-1][0]
    (n_tags,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * n_tags, places[0][0])
    path.write_bytes(content)
    with pytest.raises(Exception, match="circle"):
        look(path, settled=True)


def test_a_long_stack_is_read_page_by_page_in_time(tmp_path: Path, read: Read):
    """Finding page n must not cost n look-ups every time."""
    path = tmp_path / "long.tif"
    with tifffile.TiffWriter(path) as tif:
        for t in range(1500):
            tif.write(np.full((4, 4), t + 1, np.uint16), metadata=None, contiguous=False)
    assert look(path, settled=True).n_pages == 1500
    for page in (1499, 0, 700, 1498):
        assert read(path, page).pixels[0, 0] == page + 1


def test_a_file_replaced_under_the_same_name_is_read_anew(gradient, tmp_path: Path, read: Read):
    path = tmp_path / "stack.tif"
    stack(path, 3, gradient)
    assert read(path, 2).pixels[0, 0] == gradient[0, 0] + 2
    other = tmp_path / "other.tif"
    stack(other, 3, gradient * 2, compression="zlib")
    other.replace(path)
    np.testing.assert_array_equal(read(path, 2).pixels, gradient * 2 + 2)
