"""TIFF in the forms that microscopes write: find a page, decode it alone, say which are whole."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.readers.grey import DecodedPlane, Pixels, grey_from_palette, luma, suspicions
from livecount.readers.ome import is_ome, parse_ome
from livecount.readers.opening import RETRY_HINT, OpenFile, ReadLimits
from livecount.readers.tiff_structure import (
    Directory,
    TiffLayout,
    read_layout,
    walk_directories,
)

__all__ = ["TiffContent", "TiffPlane", "complete_planes", "list_planes", "read_tiff_page"]

# What tifffile has to say arrives as our errors, never on the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False
warnings.filterwarnings("ignore", module="tifffile")

_COMPRESSIONS = frozenset(
    {1, 5, 7, 8, 32773, 32946, 33003, 33004, 33005, 34712, 34925, 50000, 50001}
)
_METADATA_TAGS = (270, 281, 282, 283, 296, 50839, 51123, 65325, 65326, 65330)
_SAMPLE_FORMATS = {1: "u", 2: "i", 3: "f"}
_IMAGEJ_IMAGES = re.compile(rb"^ImageJ=.*?^images=(\d+)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TiffPlane:
    """One two-dimensional image of a TIFF file.

    Attributes
    ----------
    index
        Which of its directory's planes it is.
    raw_offset
        Where its bytes begin, for planes that lie behind one directory without one of their own.
    """

    directory: Directory
    index: int
    raw_offset: int | None = None

    def data_end(self) -> int:
        """Offset behind the last byte of the plane."""
        if self.raw_offset is None:
            return self.directory.data_end()
        return self.raw_offset + self.directory.plane_bytes


@dataclass(frozen=True, slots=True, eq=False)
class TiffContent:
    """A page's plane, and the tags that say where and when it was taken.

    Attributes
    ----------
    plane
        None where only the tags were asked for.
    tags
        Tag code -> value of the page.
    first_description
        ImageDescription of the file's first page, where OME-XML and ImageJ keep the whole file's.
    """

    plane: DecodedPlane | None
    tags: Mapping[int, Any]
    first_description: str
    bits: int


def list_planes(file: OpenFile, limits: ReadLimits) -> list[TiffPlane]:
    """List the planes of a file from its directories, without decoding.

    Raises
    ------
    UnreadableFrameError, RefusedFrameError
        As :func:`walk_directories`.
    """
    layout = read_layout(file)
    planes: list[TiffPlane] = []
    for directory in walk_directories(file, layout, limits):
        planes.extend(_planes_of(file, directory, limits, alone=not planes))
    return planes


def complete_planes(file: OpenFile, planes: list[TiffPlane]) -> tuple[int, ...]:
    """Tell which planes are certainly whole while their file still grows.

    A plane is, when a later one has begun behind it, its data lie inside the file, and their end
    is not all zero.
    """
    last = planes[-1].directory if planes else None
    return tuple(
        page
        for page, plane in enumerate(planes[:-1])
        if (plane.raw_offset is not None or plane.directory is not last) and _is_whole(file, plane)
    )


def read_tiff_page(
    file: OpenFile, page: int, limits: ReadLimits, *, with_pixels: bool = True
) -> TiffContent:
    """Decode one page, and nothing but it.

    Parameters
    ----------
    file
        The open file.
    page
        Plane number from 0.
    limits
        Checked against the header before anything is allocated.
    with_pixels
        False reads the tags only.

    Raises
    ------
    UnreadableFrameError
        When the page is absent, truncated or damaged.
    RefusedFrameError
        When it is too large or of a kind that is not read.
    """
    layout = read_layout(file)
    plane = _find_plane(file, layout, page, limits)
    if with_pixels:
        _check(file, plane, limits)
    try:
        file.handle.seek(0)
        with tifffile.TiffFile(file.handle, name="frame.tif") as tif:
            tif.filehandle.seek(plane.directory.offset)
            tiff_page = tifffile.TiffPage(tif, index=0)
            tags = {
                code: _tag(tiff_page, code) for code in _METADATA_TAGS if code in tiff_page.tags
            }
            first = tif.pages.first.description or ""
            decoded = _decode(file, tiff_page, plane) if with_pixels else None
    except ReadError:
        raise
    except (MemoryError, NotImplementedError) as error:
        message = f"{file.shown}: page {page}: {error or 'not enough memory'}"
        raise RefusedFrameError(message, hint="Save the file in a plainer TIFF form") from error
    except Exception as error:  # tifffile and the codecs raise whatever damage makes them raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{file.shown}: page {page} cannot be decoded: {reason}"
        raise UnreadableFrameError(message, hint=RETRY_HINT) from error
    return TiffContent(decoded, tags, first, plane.directory.bits)


def _tag(page: tifffile.TiffPage, code: int) -> Any:
    return page.tags[code].value


def _planes_of(
    file: OpenFile, directory: Directory, limits: ReadLimits, *, alone: bool
) -> list[TiffPlane]:
    is_raw = directory.is_raw and not directory.is_colour
    n_planes = directory.n_planes
    if is_raw and alone and directory.next_offset == 0:
        n_begun = -(-(file.n_bytes - directory.segment_offsets[0]) // directory.plane_bytes)
        n_planes = max(n_planes, min(_stack_length(directory, file), n_begun))
    if n_planes > limits.max_pages:
        message = f"{file.shown}: {n_planes:,} pages, the limit is {limits.max_pages:,}"
        raise RefusedFrameError(message, hint="If the file is sound, save it in smaller parts")
    if not is_raw or n_planes == 1:
        return [TiffPlane(directory, index) for index in range(n_planes)]
    start, step = directory.segment_offsets[0], directory.plane_bytes
    return [TiffPlane(directory, index, start + index * step) for index in range(n_planes)]


def _stack_length(directory: Directory, file: OpenFile) -> int:
    """Count the planes announced behind a file's only directory.

    ImageJ and tifffile store stacks like that; so does an OME-TIFF that tifffile is still writing
    (pymmcore-plus, ome-writers): its other directories are only written when it is closed.
    """
    match = _IMAGEJ_IMAGES.match(directory.description)
    if match:
        return int(match[1])
    description = directory.description.decode("utf-8", "replace").rstrip("\0 \r\n")
    if is_ome(description):
        return len(parse_ome(description, Path(file.handle.name).name).pages)
    if not description.startswith('{"shape"'):
        return 1
    try:
        claim = json.loads(description)
        n_pixels = math.prod(claim["shape"]) if claim.get("truncated") else 0
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return 1
    return int(n_pixels // (directory.width * directory.height))


def _is_whole(file: OpenFile, plane: TiffPlane) -> bool:
    directory = plane.directory
    if plane.data_end() > file.n_bytes:
        return False
    if plane.raw_offset is None and not (
        all(directory.segment_offsets) and all(directory.segment_bytes)
    ):
        return False
    # A compressed stream never ends in many zeros; of plain pixels the last row is looked at, or
    # the last tile (which may be padded with zeros below the image).
    n_tail = 16
    if directory.compression == 1:
        row_bytes = max(1, directory.plane_bytes // directory.height)
        n_tail = directory.segment_bytes[-1] if directory.tiled else row_bytes
    if plane.raw_offset is None:
        n_tail = min(n_tail, directory.segment_bytes[-1])
        end = directory.segment_offsets[-1] + directory.segment_bytes[-1]
    else:
        end = plane.data_end()
    file.handle.seek(end - n_tail)
    return any(file.handle.read(n_tail))


class _KnownPages:
    """Where pages of the files read last begin, so that page n does not cost n look-ups again."""

    _MAX_FILES = 16

    def __init__(self) -> None:
        self._starts: OrderedDict[tuple[Any, ...], dict[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, file: OpenFile) -> dict[int, int]:
        """Page number -> offset of its directory, for one file as it is now."""
        status = os.fstat(file.handle.fileno())
        key = (file.shown, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            starts = self._starts.setdefault(key, {})
            self._starts.move_to_end(key)
            while len(self._starts) > self._MAX_FILES:
                self._starts.popitem(last=False)
        return starts


_known_pages = _KnownPages()


def _find_plane(file: OpenFile, layout: TiffLayout, page: int, limits: ReadLimits) -> TiffPlane:
    starts = _known_pages.of(file)
    first = page if page in starts else max((p for p in tuple(starts) if p < page), default=0)
    for directory in walk_directories(file, layout, limits, starts.get(first, 0)):
        starts[first] = directory.offset
        planes = _planes_of(file, directory, limits, alone=first == 0)
        if page - first < len(planes):
            return planes[page - first]
        first += len(planes)
    message = f"{file.shown}: page {page} is asked for, the file has {first}, from 0"
    raise UnreadableFrameError(message, hint=RETRY_HINT)


def _check(file: OpenFile, plane: TiffPlane, limits: ReadLimits) -> None:
    directory = plane.directory
    on_disk = sum(directory.segment_bytes)
    if plane.raw_offset is None:
        limits.check(directory.shape, directory.bytes_decoded, on_disk, file.shown)
    else:
        shape = (directory.height, directory.width)
        limits.check(shape, directory.plane_bytes, directory.plane_bytes, file.shown)
    for fault in _unsupported(directory):
        hint = "Export the images as 8- or 16-bit grey TIFF, uncompressed, LZW or deflate"
        raise RefusedFrameError(f"{file.shown}: {fault}", hint=hint)
    if not len(directory.segment_bytes) == len(directory.segment_offsets) == directory.n_segments:
        message = f"{file.shown}: damaged: its table of strips or tiles does not fit the image"
        raise UnreadableFrameError(message, hint=RETRY_HINT)
    missing = plane.data_end() - file.n_bytes
    n_expected = directory.plane_bytes * directory.depth * directory.samples
    if plane.raw_offset is None and directory.compression == 1 and not directory.tiled:
        missing = max(missing, n_expected - on_disk)
    if missing > 0 or not any(directory.segment_bytes) or not any(directory.segment_offsets):
        lack = f"the last {missing:,} bytes are" if missing > 0 else "the pixels are"
        message = f"{file.shown}: truncated or still being written: {lack} missing"
        raise UnreadableFrameError(message, hint=RETRY_HINT)


def _unsupported(directory: Directory) -> Iterator[str]:
    if directory.compression not in _COMPRESSIONS:
        yield f"TIFF compression {directory.compression} is not read"
    if directory.sample_format in (5, 6):
        yield "complex pixels are not read"
    elif directory.sample_format not in (1, 2, 3, 4):
        yield f"TIFF sample format {directory.sample_format} is not read"
    if directory.photometric == 5:
        yield "CMYK pixels are not read"


def _decode(file: OpenFile, page: tifffile.TiffPage, plane: TiffPlane) -> DecodedPlane:
    directory = plane.directory
    if plane.raw_offset is not None:
        samples = _read_raw(file, page, plane)
    else:
        samples = _select(page.asarray(squeeze=False, maxworkers=1), plane)
    if samples.dtype.kind not in "biuf":
        raise RefusedFrameError(f"{file.shown}: pixels of kind {samples.dtype} are not read")
    segment = (directory.segment_rows, directory.segment_columns) if directory.tiled else None
    flags = suspicions(samples, segment)
    if not (all(directory.segment_bytes) and all(directory.segment_offsets)):
        flags += ("missing_blocks",) if "zero_tail" in flags else ("zero_tail", "missing_blocks")
    pixels, is_colour = _to_grey(samples, page, directory)
    level = _saturation_level(pixels, directory, is_colour=is_colour)
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return DecodedPlane(pixels, (*flags, "colour") if is_colour else flags, level)


def _read_raw(file: OpenFile, page: tifffile.TiffPage, plane: TiffPlane) -> Pixels:
    directory = plane.directory
    if page.dtype is None or plane.raw_offset is None:
        raise RefusedFrameError(f"{file.shown}: pixels of {directory.bits} bits are not read")
    file.handle.seek(plane.raw_offset)
    content = file.handle.read(directory.plane_bytes)
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    return np.frombuffer(content, dtype).reshape(directory.height, directory.width)


def _select(samples: Pixels, plane: TiffPlane) -> Pixels:
    """Pick a plane out of (separate sample, z, y, x, joint sample)."""
    directory = plane.directory
    if directory.is_colour:
        planar = samples.shape[0] > 1
        z = plane.index
        return np.moveaxis(samples[:, z, :, :, 0], 0, -1) if planar else samples[0, z]
    sample, z = divmod(plane.index, directory.depth)
    if samples.shape[0] > 1:
        return samples[sample, z, :, :, 0]
    return samples[0, z, :, :, sample]


def _to_grey(samples: Pixels, page: tifffile.TiffPage, directory: Directory) -> tuple[Pixels, bool]:
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    if samples.ndim == 3:
        # With JPEG, tifffile hands out RGB; else the first of Y'CbCr and L*a*b* is the lightness.
        if directory.photometric == 2 or directory.compression in (7, 50001):
            return luma(samples), True
        return samples[..., 0], True
    if directory.photometric == 3 and page.colormap is not None:
        return grey_from_palette(samples, page.colormap.T)
    if directory.photometric == 0 and samples.dtype.kind == "u":
        top = samples.dtype.type((1 << directory.bits) - 1)
        return top - samples, False
    return samples, False


def _saturation_level(pixels: Pixels, directory: Directory, *, is_colour: bool) -> float | None:
    if pixels.dtype.kind == "f":
        return None
    bits = min(directory.bits, pixels.dtype.itemsize * 8)
    if is_colour and pixels.dtype == np.uint8:
        bits = 8
    return float(2 ** (bits - 1) - 1 if pixels.dtype.kind == "i" else 2**bits - 1)
