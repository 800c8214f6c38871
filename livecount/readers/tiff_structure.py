"""Walk a TIFF file's directories without decoding, so that nothing is trusted before it is checked.

Structure from the TIFF 6.0 specification (Adobe, 1992), section 2, and BigTIFF (libtiff).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from livecount.errors import RefusedFrameError, UnreadableFrameError
from livecount.readers.opening import RETRY_HINT, OpenFile, ReadLimits

__all__ = ["Directory", "TiffLayout", "read_directory", "read_layout", "walk_directories"]

_Tags = dict[int, tuple[int, ...] | bytes]
# Field types that hold what is wanted here: integers and text.
_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_MAX_TAGS = 4096
_MAX_VALUES = 4_000_000
_MAX_DESCRIPTION = 4096
_MAX_FIRST_DESCRIPTION = 64 * 1024**2
_WANTED = frozenset(
    {254, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325}
    | {338, 339, 32997, 32998}
)
_COLOUR_PHOTOMETRIC = frozenset({2, 6, 8})  # RGB, YCbCr, CIELab


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """Byte order and offset width of a TIFF file."""

    order: str
    big: bool
    first_offset: int

    @property
    def pointer(self) -> str:
        """Format of an offset."""
        return self.order + ("Q" if self.big else "I")


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory: what it claims of its pixels and where their bytes lie.

    Attributes
    ----------
    depth
        Planes behind each other within the directory (SGI ImageDepth).
    samples
        Samples per pixel.
    segment_offsets, segment_bytes
        Of each strip or tile.
    segment_rows, segment_columns, segment_depth
        Extent of a strip or tile.
    bytes_as_they_are
        Neither the bit order within bytes nor the values (predictor) are changed on disk.
    description
        ImageDescription; of pages after the first only its beginning.
    """

    offset: int
    next_offset: int
    width: int
    height: int
    depth: int
    samples: int
    bits: int
    sample_format: int
    photometric: int
    compression: int
    planar: int
    subfile_type: int
    extra_samples: tuple[int, ...]
    tiled: bool
    segment_rows: int
    segment_columns: int
    segment_depth: int
    segment_offsets: tuple[int, ...]
    segment_bytes: tuple[int, ...]
    bytes_as_they_are: bool
    description: bytes

    @property
    def is_colour(self) -> bool:
        """Whether the samples of a pixel are colours rather than channels of their own."""
        return self.photometric in _COLOUR_PHOTOMETRIC and self.samples >= 3

    @property
    def n_samples_as_planes(self) -> int:
        """How many separate channels the samples are (1 for colour and for grey with alpha)."""
        if self.is_colour or (self.samples == 2 and self.extra_samples[:1] in ((1,), (2,))):
            return 1
        return self.samples

    @property
    def n_planes(self) -> int:
        """How many two-dimensional images the directory describes."""
        return self.depth * self.n_samples_as_planes

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents with (y, x) last."""
        return (*(n for n in (self.depth, self.samples) if n > 1), self.height, self.width)

    @property
    def n_segments(self) -> int:
        """How many strips or tiles the image takes."""
        per_plane = math.ceil(self.height / self.segment_rows) * math.ceil(
            self.width / self.segment_columns
        )
        deep = math.ceil(self.depth / self.segment_depth)
        return per_plane * deep * (self.samples if self.planar == 2 else 1)

    @property
    def plane_bytes(self) -> int:
        """Bytes of one uncompressed, one-sample plane."""
        return self.height * math.ceil(self.width * self.bits / 8)

    @property
    def bytes_decoded(self) -> int:
        """Bytes of all planes in memory, where packed bits take whole bytes."""
        item = max(1, 1 << max(0, math.ceil(self.bits / 8) - 1).bit_length())
        return self.width * self.height * self.depth * self.samples * item

    @property
    def is_raw(self) -> bool:
        """Whether the bytes on disk are the pixels, one plane after the other."""
        return (
            self.compression == 1
            and self.bytes_as_they_are
            and not self.tiled
            and self.bits in (8, 16, 32, 64)
            and (self.samples == 1 or self.planar == 2)
            and all(
                start + count == following
                for start, count, following in zip(
                    self.segment_offsets, self.segment_bytes, self.segment_offsets[1:], strict=False
                )
            )
        )

    def data_end(self) -> int:
        """Offset behind the last byte of pixel data."""
        pairs = zip(self.segment_offsets, self.segment_bytes, strict=False)
        return max((start + count for start, count in pairs), default=0)


def read_layout(file: OpenFile) -> TiffLayout:
    """Read the eight or sixteen bytes that every TIFF file begins with.

    Raises
    ------
    UnreadableFrameError
        When they are absent.
    """
    file.handle.seek(0)
    header = file.handle.read(16)
    order = {b"II": "<", b"MM": ">"}.get(header[:2], "<")
    big = header[2:4] in (b"+\0", b"\0+")
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), header, 8 if big else 4)
    except struct.error as error:
        message = f"{file.shown}: the file ends within its first {len(header)} bytes"
        raise UnreadableFrameError(message, hint=RETRY_HINT) from error
    return TiffLayout(order, big, offset)


def walk_directories(
    file: OpenFile, layout: TiffLayout, limits: ReadLimits, start: int = 0
) -> Iterator[Directory]:
    """Follow the chain of directories until it ends or is not written further.

    Parameters
    ----------
    file
        The open file.
    layout
        From :func:`read_layout`.
    limits
        Only ``max_pages`` is applied here.
    start
        Offset of the directory to begin with; 0 for the first.

    Yields
    ------
    Directory
        Image directories at full resolution; thumbnails and masks are passed over.

    Raises
    ------
    UnreadableFrameError
        When not even the first directory can be read.
    RefusedFrameError
        When the file holds more pages than allowed, or its chain runs in a circle.
    """
    seen: set[int] = set()
    offset = start or layout.first_offset
    while offset:
        if offset in seen or len(seen) >= limits.max_pages:
            fault = "its pages form a circle" if offset in seen else f"over {len(seen):,} pages"
            raise RefusedFrameError(f"{file.shown}: {fault}", hint="Save the file anew")
        directory = read_directory(file, layout, offset)
        if directory is None:
            if seen:
                return
            message = f"{file.shown}: truncated or still being written: no complete page"
            raise UnreadableFrameError(message, hint=RETRY_HINT)
        seen.add(offset)
        offset = directory.next_offset
        if not directory.subfile_type & 0b101:
            yield directory


def read_directory(file: OpenFile, layout: TiffLayout, offset: int) -> Directory | None:
    """Read the directory at ``offset``; None where none is (yet) wholly written."""
    if offset >= file.n_bytes:
        return None
    try:
        tags, next_offset = _read_tags(file, layout, offset)
        return _directory_from(tags, offset, next_offset)
    except (struct.error, _NotWrittenError):
        return None


class _NotWrittenError(Exception):
    """The bytes at hand are no directory."""


def _read_tags(file: OpenFile, layout: TiffLayout, offset: int) -> tuple[_Tags, int]:
    count_format, width = (layout.order + "Q", 8) if layout.big else (layout.order + "H", 4)
    entry_format = f"{layout.order}HH{'Q' if layout.big else 'I'}{width}s"
    entry_bytes = struct.calcsize(entry_format)
    handle = file.handle
    handle.seek(offset)
    (n_tags,) = struct.unpack(count_format, handle.read(struct.calcsize(count_format)))
    if not 0 < n_tags <= _MAX_TAGS:
        raise _NotWrittenError
    table = handle.read(n_tags * entry_bytes)
    pointer = handle.read(width)
    # Some writers leave out the last pointer when the directory ends the file.
    next_offset = struct.unpack(layout.pointer, pointer)[0] if pointer else 0
    # Only the first page's description speaks of the whole file (OME-XML, ImageJ).
    is_first = offset == layout.first_offset
    longest = _MAX_FIRST_DESCRIPTION if is_first else _MAX_DESCRIPTION
    tags: _Tags = {}
    for start in range(0, n_tags * entry_bytes, entry_bytes):
        code, kind, count, field = struct.unpack_from(entry_format, table, start)
        if code in _WANTED and kind in _FORMATS:
            limit = longest if code == 270 else _MAX_VALUES
            tags[code] = _value(file, layout, _FORMATS[kind], min(count, limit), field)
    return tags, next_offset


def _value(
    file: OpenFile, layout: TiffLayout, kind: str, count: int, field: bytes
) -> tuple[int, ...] | bytes:
    n_bytes = struct.calcsize(kind) * count
    if n_bytes > len(field):
        (position,) = struct.unpack(layout.pointer, field)
        if position + n_bytes > file.n_bytes:
            raise _NotWrittenError
        file.handle.seek(position)
        field = file.handle.read(n_bytes)
    if kind == "s":
        return field[:n_bytes]
    return struct.unpack_from(f"{layout.order}{count}{kind}", field)


def _directory_from(tags: _Tags, offset: int, next_offset: int) -> Directory:
    def number(code: int, default: int) -> int:
        value = tags.get(code)
        return int(max(value)) if isinstance(value, tuple) and value else default

    def numbers(code: int) -> tuple[int, ...]:
        value = tags.get(code, ())
        return value if isinstance(value, tuple) else ()

    tiled = 324 in tags
    width, height, bits = number(256, 0), number(257, 0), number(258, 1)
    offsets, counts = (numbers(324), numbers(325)) if tiled else (numbers(273), numbers(279))
    if not counts and len(offsets) == 1:
        counts = (height * math.ceil(width * bits * number(277, 1) / 8),)
    if not (width > 0 and height > 0 and offsets and counts):
        raise _NotWrittenError
    description = tags.get(270, b"")
    return Directory(
        offset=offset,
        next_offset=next_offset,
        width=width,
        height=height,
        depth=max(1, number(32997, 1)),
        samples=max(1, number(277, 1)),
        bits=max(1, bits),
        sample_format=number(339, 1),
        photometric=number(262, 1),
        compression=number(259, 1),
        planar=number(284, 1),
        subfile_type=number(254, 0),
        extra_samples=numbers(338),
        tiled=tiled,
        segment_rows=max(1, min(height, number(323 if tiled else 278, height))),
        segment_columns=max(1, min(width, number(322, width) if tiled else width)),
        segment_depth=max(1, number(32998, 1)) if tiled else 1,
        segment_offsets=offsets,
        segment_bytes=counts,
        bytes_as_they_are=number(266, 1) == 1 and number(317, 1) == 1,
        description=description if isinstance(description, bytes) else b"",
    )
