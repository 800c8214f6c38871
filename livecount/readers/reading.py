"""One frame's way from disk: find the format by content, decode one page, say all that is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from livecount.errors import UnreadableFrameError
from livecount.frame import AttributeSource, Frame, FrameAttributes, FrameKey
from livecount.readers.companions import companion_attributes
from livecount.readers.containers import (
    count_container_pages,
    is_container,
    read_container_page,
)
from livecount.readers.grey import DecodedPlane, Pixels, content_hash
from livecount.readers.naming import readable_path
from livecount.readers.opening import RETRY_HINT, OpenFile, ReadLimits, open_frame_file, shown_path
from livecount.readers.patterns import Patterns
from livecount.readers.raster import JPEG_SIGNATURE, PNG_SIGNATURE, read_raster_page
from livecount.readers.tiff import complete_planes, list_planes, read_tiff_page
from livecount.readers.tiff_tags import attributes_of_tiff_page, with_camera_depth
from livecount.readers.zarr_layout import find_chunk
from livecount.readers.zarr_planes import attributes_of_plane, read_plane

__all__ = ["PageLook", "look", "read_attributes", "read_frames", "read_page", "read_pixels"]

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DEFAULT_LIMITS = ReadLimits()


@dataclass(frozen=True, slots=True)
class PageLook:
    """What a file holds at this moment.

    Attributes
    ----------
    n_pages
        Planes whose description is in the file.
    complete_pages
        Those that are certain to be whole although the file may still grow.
    """

    n_pages: int
    complete_pages: tuple[int, ...]


def look(path: Path, *, settled: bool, limits: ReadLimits = _DEFAULT_LIMITS) -> PageLook:
    """Count a file's pages and tell which are whole, without decoding pixels.

    Parameters
    ----------
    path
        The file.
    settled
        The file has not changed for long enough: every page counts as whole. Otherwise a page is
        whole when a later one has begun behind it and its own end is not all zero.
    limits
        Bounds on the number of pages.

    Returns
    -------
    PageLook
        Pages from 0.

    Raises
    ------
    UnreadableFrameError
        When the file is empty, truncated or no image, now.
    RefusedFrameError
        When it will not be read whatever happens.
    """
    chunk = find_chunk(path)
    if chunk is not None:
        return PageLook(chunk.n_planes, tuple(range(chunk.n_planes)) if settled else ())
    if is_container(path):
        # Its index is written last: while it grows, nothing of it can be read.
        n_pages = count_container_pages(path, limits) if settled else 0
        return PageLook(n_pages, tuple(range(n_pages)))
    with open_frame_file(path) as file:
        if not _is_tiff(file):
            return PageLook(1, (0,) if settled else ())
        planes = list_planes(file, limits)
        whole = tuple(range(len(planes))) if settled else complete_planes(file, planes)
        return PageLook(len(planes), whole)


def read_page(
    source: Path,
    relative_path: bytes,
    page: int,
    *,
    patterns: Patterns,
    limits: ReadLimits = _DEFAULT_LIMITS,
    time_zone: tzinfo | None = None,
) -> Frame:
    """Decode one page of a file in a watched folder, and gather all that is known of it.

    Parameters
    ----------
    source
        The watched folder.
    relative_path
        Path below it with ``/`` separators, as raw bytes.
    page
        Page (plane) from 0.
    patterns
        How file names are understood.
    limits
        What the file may claim before it is refused.
    time_zone
        Zone of times that name none, in tags, companion files and names; by default that of
        ``patterns``.

    Returns
    -------
    Frame
        Grey pixels (y, x), attributes with their sources, flags.

    Raises
    ------
    UnreadableFrameError, RefusedFrameError
        With one clear line on what is wrong, where, and what to do.
    """
    zone = time_zone or patterns.time_zone
    path = source / os.fsdecode(relative_path)
    plane, attributes = _read(path, page, limits, zone, with_pixels=True)
    if plane is None:
        raise UnreadableFrameError(f"{shown_path(path)}: no pixels", hint=RETRY_HINT)
    key = FrameKey(str(source.absolute()), relative_path, page, content_hash(plane.pixels))
    attributes = _completed(attributes, path, relative_path, patterns, zone)
    return Frame(key, attributes, plane.pixels, plane.saturation_level, plane.flags)


def read_attributes(
    source: Path,
    relative_path: bytes,
    page: int,
    *,
    patterns: Patterns,
    limits: ReadLimits = _DEFAULT_LIMITS,
    time_zone: tzinfo | None = None,
) -> FrameAttributes:
    """Gather what is known of a page without decoding it, for what is written after the pixels.

    Parameters, errors
        As :func:`read_page`.
    """
    zone = time_zone or patterns.time_zone
    path = source / os.fsdecode(relative_path)
    _, attributes = _read(path, page, limits, zone, with_pixels=False)
    return _completed(attributes, path, relative_path, patterns, zone)


def read_frames(
    path: Path,
    *,
    source: Path | None = None,
    patterns: Patterns | None = None,
    limits: ReadLimits = _DEFAULT_LIMITS,
    time_zone: tzinfo | None = None,
) -> Iterator[Frame]:
    """Read every page of one file, one after the other.

    Parameters
    ----------
    path
        The file.
    source
        The folder that its relative path starts from; by default the file's own.
    patterns
        By default those shipped.
    limits, time_zone
        As :func:`read_page`.

    Yields
    ------
    Frame
        In page order.

    Raises
    ------
    UnreadableFrameError, RefusedFrameError
        As :func:`read_page`.
    """
    folder = path.parent if source is None else source
    relative_path = os.fsencode(path.relative_to(folder).as_posix())
    known = patterns or Patterns.shipped()
    for page in range(look(path, settled=True, limits=limits).n_pages):
        yield read_page(
            folder, relative_path, page, patterns=known, limits=limits, time_zone=time_zone
        )


def read_pixels(path: Path, *, limits: ReadLimits = _DEFAULT_LIMITS) -> Pixels:
    """Read the first page of a file as grey pixels, shape (y, x).

    Raises
    ------
    UnreadableFrameError, RefusedFrameError
        As :func:`read_page`.
    """
    plane, _ = _read(path, 0, limits, Patterns.shipped().time_zone, with_pixels=True)
    if plane is None:
        raise UnreadableFrameError(f"{shown_path(path)}: no pixels", hint=RETRY_HINT)
    return plane.pixels


def _is_tiff(file: OpenFile) -> bool:
    """Tell the format by the first bytes, whatever the name says."""
    file.handle.seek(0)
    start = file.handle.read(8)
    if start.startswith(_TIFF_SIGNATURES):
        return True
    if start == PNG_SIGNATURE or start.startswith(JPEG_SIGNATURE):
        return False
    kind = "its first bytes are zero" if not any(start) else "not a TIFF, PNG or JPEG image"
    raise UnreadableFrameError(
        f"{file.shown}: {kind}; {file.n_bytes:,} bytes",
        hint="If it is still being written it is read later; else remove or export it again",
    )


def _read(
    path: Path, page: int, limits: ReadLimits, time_zone: tzinfo, *, with_pixels: bool
) -> tuple[DecodedPlane | None, FrameAttributes]:
    chunk = find_chunk(path)
    if chunk is not None:
        plane_of_chunk = read_plane(path, chunk, page, limits) if with_pixels else None
        return plane_of_chunk, attributes_of_plane(chunk, page)
    if is_container(path):
        return read_container_page(path, page, limits, time_zone, with_pixels=with_pixels)
    with open_frame_file(path) as file:
        if not _is_tiff(file):
            raster = read_raster_page(file, page, limits, with_pixels=with_pixels)
            return raster.plane, raster.attributes()
        content = read_tiff_page(file, page, limits, with_pixels=with_pixels)
    attributes = attributes_of_tiff_page(content, page, path.name, time_zone)
    plane = with_camera_depth(content.plane, content) if content.plane else None
    return plane, attributes


def _completed(
    known: FrameAttributes, path: Path, relative_path: bytes, patterns: Patterns, zone: tzinfo
) -> FrameAttributes:
    """Add what companion files, the name and the folders say, in this order of trust."""
    by_companion = companion_attributes(path, zone)
    match = patterns.match(readable_path(relative_path), zone)
    by_name = match.attributes if match else _by_folder(relative_path)
    return known.completed_by(by_companion).completed_by(by_name)


def _by_folder(relative_path: bytes) -> FrameAttributes:
    """Where no pattern says anything, the folder names the place."""
    folder = readable_path(relative_path).rpartition("/")[0]
    return FrameAttributes.from_source(AttributeSource.FOLDER_NAME, position=folder or None)
