"""Bad files give one clear line each, within bounded memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.frame import Frame
from livecount.readers import ReadLimits, look, read_frames

Read = Callable[..., Frame]
posix_only = pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")


def header(width: int, height: int, *, compression: int = 1, strip: bytes = b"\1" * 64) -> bytes:
    """Make a TIFF file of one strip that claims any size."""
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 16),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
    ]
    offset = 8 + len(strip)
    directory = struct.pack("<H", len(tags))
    for code, kind, value in tags:
        directory += struct.pack("<HHII", code, kind, 1, value)
    return b"II*\0" + struct.pack("<I", offset) + strip + directory + bytes(4)


def png_claiming(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def sound_tiff() -> bytes:
    return header(40, 25, strip=bytes(range(1, 251)) * 8)


UNREADABLE = {
    "empty": b"",
    "one byte": b"I",
    "header only": b"II*\0",
    "header and offset": b"II*\0\x08\0\0\0",
    "zeros": bytes(5000),
    "text": b"Dear all, this is no image. " * 50,
    "html": b"<html><body>404</body></html>",
    "truncated tiff": sound_tiff()[:1000],
    "tiff without its last byte of pixels": header(40, 25, strip=b"\1" * 1999),
    "offset beyond the end": b"II*\0\xff\xff\xff\x7f" + bytes(100),
    "bigtiff offset beyond everything": b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(100),
    "png signature only": b"\x89PNG\r\n\x1a\n",
    "png cut": png_claiming(30, 20, bytes(31 * 20))[:-30],
    "jpeg cut": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "deflate garbage": header(40, 25, compression=8, strip=b"\x99" * 300),
    "lzw garbage": header(40, 25, compression=5, strip=b"\x99" * 300),
}
REFUSED = {
    "a header that claims 100,000 x 100,000": header(100_000, 100_000),
    "a deflate header that claims 100,000 x 100,000": header(100_000, 100_000, compression=8),
    "a header that claims 4 billion x 4 billion": header(2**32 - 1, 2**32 - 1),
    "a png that claims 100,000 x 100,000": png_claiming(100_000, 100_000, bytes(100)),
    "a compression nobody reads": header(40, 25, compression=4711),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable(content: bytes, tmp_path: Path, read: Read, capfd):
    path = tmp_path / "bad.tif"
    path.write_bytes(content)
    with pytest.raises(UnreadableFrameError) as caught:
        read(path)
    check_message(caught.value, path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_refused(content: bytes, tmp_path: Path, read: Read, capfd):
    path = tmp_path / "bad.tif"
    path.write_bytes(content)
    with pytest.raises(RefusedFrameError) as caught:
        read(path)
    check_message(caught.value, path)
    assert capfd.readouterr() == ("", "")


def check_message(error: ReadError, path: Path) -> None:
    assert str(path) in error.message
    assert error.hint
    assert "\n" not in str(error)
    assert len(str(error)) < 600


def test_a_sound_file_of_the_same_maker_reads(tmp_path: Path, read: Read):
    path = tmp_path / "good.tif"
    path.write_bytes(sound_tiff())
    assert read(path).pixels.shape == (25, 40)


def test_formats_are_told_by_content_not_by_name(tmp_path: Path, read: Read):
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
    for name, form in (("png.tif", "PNG"), ("tiff.png", "TIFF"), ("jpeg.tif", "JPEG")):
        Image.fromarray(pixels).save(tmp_path / name, format=form)
        assert read(tmp_path / name).pixels.shape == (20, 30)


def test_a_png_with_too_few_rows_is_suspicious(tmp_path: Path, read: Read):
    path = tmp_path / "short.png"
    path.write_bytes(png_claiming(30, 20, (b"\0" + b"\7" * 30) * 5))
    assert read(path).flags == ("zero_tail",)


def test_absent_and_folder(tmp_path: Path, read: Read):
    with pytest.raises(UnreadableFrameError, match="no such file"):
        read(tmp_path / "absent.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(RefusedFrameError, match="not a regular file"):
        read(tmp_path / "folder.tif")


@posix_only
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, read: Read):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(RefusedFrameError, match="not a regular file"):
        read(tmp_path / "pipe.tif")


@posix_only
def test_permission_denied(tmp_path: Path):
    """Root may read anything, hence another user in a process of its own."""
    path = tmp_path / "secret.tif"
    path.write_bytes(sound_tiff())
    path.chmod(0)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from livecount.readers import look\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([])\n"
        "    os.setresgid(65534, 65534, 65534)\n"
        "    os.setresuid(65534, 65534, 65534)\n"
        "from livecount.errors import UnreadableFrameError\n"
        "try:\n"
        "    os.chdir(os.path.dirname(sys.argv[1]))\n"
        "except PermissionError:\n"
        "    pass\n"
        "try:\n"
        "    look(Path(sys.argv[1]), settled=True)\n"
        "except UnreadableFrameError as error:\n"
        "    print(error)\n"
    )
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert "permission denied" in done.stdout
    assert "read permission" in done.stdout


BOUNDED = """
import resource, sys, time
from pathlib import Path
from livecount.errors import ReadError
from livecount.readers import look, read_frames, read_pixels
read_pixels(Path(sys.argv[1]))
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
limit = used + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.argv[2:]:
    start = time.monotonic()
    for attempt in (lambda: look(Path(path), settled=True), lambda: list(read_frames(Path(path)))):
        try:
            attempt()
        except ReadError as error:
            print(type(error).__name__, error)
    assert time.monotonic() - start < 20
print("went on")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for the memory in use")
def test_memory_stays_bounded(tmp_path: Path):
    """Files made to fill the memory, read with 300 MiB to spare."""
    good = tmp_path / "good.tif"
    good.write_bytes(sound_tiff())
    # A flushed piece of a deflate stream may be repeated: 1.8 GB of zeros without compressing them.
    piece_maker = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = piece_maker.compress(bytes(2**24)) + piece_maker.flush(zlib.Z_FULL_FLUSH)
    rows = b"\x78\xda" + piece * 113 + b"\x03\0" + bytes(4)
    depth = header(1000, 1000).replace(
        struct.pack("<HHII", 277, 3, 1, 1), struct.pack("<HHII", 277, 3, 1, 60_000)
    )
    bombs = {
        "deflate.tif": header(30_000, 31_457, compression=8, strip=rows),
        "claim.tif": header(100_000, 100_000),
        "claim.png": png_claiming(100_000, 100_000, bytes(100)),
        "wide.png": png_claiming(30_000, 30_000, bytes(10_000_000)),
        "samples.tif": depth,
        "more than the header says.tif": header(40, 25, compression=8, strip=rows),
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    assert (tmp_path / "deflate.tif").stat().st_size < 2_000_000
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(good), *(str(tmp_path / name) for name in bombs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "went on"
    assert done.stderr == ""
    for name in bombs:
        told = [line for line in lines if name in line]
        assert told, name
        assert all(line.startswith(("RefusedFrameError", "UnreadableFrameError")) for line in told)
    assert any("-fold" in line and "deflate.tif" in line for line in lines)


def test_limits_are_those_given(tmp_path: Path, read: Read):
    path = tmp_path / "frame.tif"
    tifffile.imwrite(path, np.ones((100, 100), np.uint16))
    assert read(path, limits=ReadLimits(max_pixels=10_000)).pixels.shape == (100, 100)
    with pytest.raises(RefusedFrameError, match="100 x 100 pixels, the limit is 9,999"):
        read(path, limits=ReadLimits(max_pixels=9_999))
    with pytest.raises(RefusedFrameError, match="GiB"):
        read(path, limits=ReadLimits(max_bytes_decoded=19_999))
    one, many = (struct.pack("<HHII", 277, 3, 1, n) for n in (1, 60_000))
    path.write_bytes(header(4, 4).replace(one, many))
    with pytest.raises(RefusedFrameError, match="pages, the limit is"):
        look(path, settled=True, limits=ReadLimits(max_pages=100))


def test_empty_frames_compress_well_and_are_still_read(tmp_path: Path, read: Read):
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, np.ones((6000, 6000), np.uint16), compression="zlib", rowsperstrip=6000)
    assert read(path).pixels.shape == (6000, 6000)


def test_a_truncated_stack_gives_its_whole_pages(tmp_path: Path):
    path = tmp_path / "stack.tif"
    pixels = np.arange(1, 5001, dtype=np.uint16).reshape(50, 100)
    with tifffile.TiffWriter(path) as tif:
        for _ in range(3):
            tif.write(pixels, metadata=None, contiguous=False)
    os.truncate(path, path.stat().st_size - 4000)
    frames = read_frames(path)
    for _ in range(2):
        np.testing.assert_array_equal(next(frames).pixels, pixels)
    with pytest.raises(UnreadableFrameError, match="truncated"):
        next(frames)


def test_a_description_nested_beyond_measure_is_no_stack(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    nested = '{"shape": ' + "[" * 100_000
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=nested, metadata=None)
    assert look(path, settled=True).n_pages == 1
