"""One plane of an OME-Zarr, decoded by the zarr package from bytes that are read here.

The chunk's bytes are read in one go with all sharing flags and decoded in memory, so that the zarr
package never opens a file that is being acquired.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.frame import AttributeSource, FrameAttributes
from livecount.platform.files import open_shared
from livecount.readers.grey import DecodedPlane, Pixels, suspicions
from livecount.readers.micromanager import number
from livecount.readers.opening import RETRY_HINT, ReadLimits, shown_path
from livecount.readers.wells import normalise_well, well_and_field
from livecount.readers.zarr_layout import Chunk

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

__all__ = ["attributes_of_plane", "read_plane"]

_UM = {"angstrom": 1e-4, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "meter": 1e6}
_SECONDS = {"microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0}
_SECONDS |= {"hour": 3600.0, "day": 86400.0}
_SOURCE = AttributeSource.OME_ZARR
_PLATE_PATH = re.compile(r"([A-Za-z]{1,2})/([0-9]{1,2})/([0-9]+)")


def read_plane(path: Path, chunk: Chunk, plane: int, limits: ReadLimits) -> DecodedPlane:
    """Decode one plane of a chunk.

    Parameters
    ----------
    path
        The chunk's file.
    chunk
        What it is, from ``find_chunk``.
    plane
        Which of its planes, from 0.
    limits
        Checked against the description before anything is read.

    Raises
    ------
    UnreadableFrameError
        A part is absent, or damaged.
    RefusedFrameError
        The plane is too large or of a kind that is not read.
    """
    shown = shown_path(path)
    array = chunk.array
    dtype = _dtype(chunk, shown)
    if not 0 <= plane < chunk.n_planes:
        raise UnreadableFrameError(
            f"{shown}: page {plane} is asked for, the chunk has {chunk.n_planes}, from 0",
            hint=RETRY_HINT,
        )
    parts = _parts(chunk, shown, limits)
    decoded = chunk.n_planes * math.prod(array.shape[-2:])
    n_on_disk = sum(map(len, parts.values()))
    limits.check(array.shape[-2:], decoded * dtype.itemsize, n_on_disk, shown)
    try:
        pixels = _decoded(chunk, chunk.index_of(plane), parts)
    except ReadError:
        raise
    except Exception as error:  # the codecs raise whatever damage makes them raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableFrameError(
            f"{shown}: cannot be decoded: {reason}", hint=RETRY_HINT
        ) from error
    return DecodedPlane(
        np.ascontiguousarray(pixels, dtype=dtype.newbyteorder("=")),
        suspicions(pixels),
        None if dtype.kind == "f" else float(np.iinfo(dtype).max),
    )


def _dtype(chunk: Chunk, shown: str) -> np.dtype[Any]:
    said = chunk.array.metadata.get("data_type")
    try:
        dtype = np.dtype(said) if isinstance(said, str) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "iuf":
        raise RefusedFrameError(
            f"{shown}: pixels of kind {said!r} are not read",
            hint="Write the images as whole numbers of 8 or 16 bits",
        )
    return dtype


def _parts(chunk: Chunk, shown: str, limits: ReadLimits) -> dict[str, bytes]:
    """Read the chunk files of the plane whole."""
    found: dict[str, bytes] = {}
    left = limits.max_bytes_decoded
    for at in chunk.parts:
        key = chunk.key(at)
        try:
            with open_shared(chunk.array.folder / key) as handle:
                found[key] = handle.read(left + 1)
        except OSError as error:
            raise UnreadableFrameError(
                f"{shown}: its part {key} cannot be read: {error.strerror or error}",
                hint=RETRY_HINT,
            ) from error
        left -= len(found[key])
        if left < 0:
            raise RefusedFrameError(
                f"{shown}: its parts hold more than {limits.max_bytes_decoded:,} bytes",
                hint="If the array is sound, write it in smaller fields",
            )
    return found


def _decoded(chunk: Chunk, index: tuple[int, ...], parts: Mapping[str, bytes]) -> Pixels:
    try:
        import zarr
        from zarr.core.buffer.cpu import Buffer as CpuBuffer
    except ImportError as error:
        raise RefusedFrameError(
            "OME-Zarr is read with the zarr package, which is not installed",
            hint="Run `pip install 'livecount[zarr]'`, then start again",
        ) from error
    # An array that still grows may not have been told of its newest planes.
    shape = [max(size, at + 1) for size, at in zip(chunk.array.shape, (*index, 0, 0), strict=True)]
    described = {**chunk.array.metadata, "shape": shape}
    files = {"zarr.json": json.dumps(described).encode(), **parts}
    store: dict[str, Buffer] = {name: CpuBuffer.from_bytes(data) for name, data in files.items()}
    opened = zarr.open_array(zarr.storage.MemoryStore(store, read_only=True), mode="r")
    return np.asarray(opened[index])


def attributes_of_plane(chunk: Chunk, plane: int) -> FrameAttributes:
    """Say where and when a plane was taken, as far as OME-Zarr's descriptions tell.

    Times are the planned ones (the scale of the time axis): OME-Zarr has no place for real ones.

    Parameters
    ----------
    chunk, plane
        As for :func:`read_plane`.
    """
    axes = _axes(chunk)
    places = {
        name: at for (name, _, _), at in zip(axes[:-2], chunk.index_of(plane), strict=True) if name
    }
    position = chunk.array.position
    well, field = _place(position)
    said = FrameAttributes.from_source(
        _SOURCE,
        position=position or None,
        well=well,
        field=field,
        time_point=places.get("t"),
        channel=_channel(chunk, places.get("c")),
        z=places.get("z") if _length(chunk, axes, "z") > 1 else None,
        pixel_size_um=_pixel_size_um(axes),
    )
    planned = FrameAttributes.from_source(
        AttributeSource.FRAME_INTERVAL, elapsed_s=_planned_s(axes, places.get("t"))
    )
    return said.completed_by(planned)


_Axis = tuple[str, str, float | None]


def _axes(chunk: Chunk) -> list[_Axis]:
    """Name, unit and scale of every axis; unnamed ones are t, c, z, y, x counted from the end."""
    n = len(chunk.array.shape)
    multiscale = _first_mapping(_mapping(chunk.array.group.get("ome")).get("multiscales"))
    named = [_mapping(axis) for axis in _listed(multiscale.get("axes"))]
    if len(named) != n:
        names = _listed(chunk.array.metadata.get("dimension_names"))
        names = names if len(names) == n else list("tczyx")[-n:]
        named = [{"name": name} for name in (["", *names][-n:] if len(names) < n else names)]
    scales = _scales(multiscale, n)
    return [
        (str(axis.get("name") or ""), str(axis.get("unit") or ""), scale)
        for axis, scale in zip(named, scales, strict=True)
    ]


def _scales(multiscale: Mapping[str, Any], n: int) -> list[float | None]:
    """Multiply the scales of the first data set and of all data sets."""
    scales: list[float | None] = [None] * n
    first = _first_mapping(multiscale.get("datasets"))
    for holder in (first, multiscale):
        for transformation in _listed(holder.get("coordinateTransformations")):
            factors = [number(s) for s in _listed(_mapping(transformation).get("scale"))]
            if len(factors) == n:
                scales = [_product(a, b) for a, b in zip(scales, factors, strict=True)]
    return scales


def _product(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return one * other


def _pixel_size_um(axes: list[_Axis]) -> float | None:
    _, unit, scale = axes[-1]
    if scale is None or unit not in _UM or scale <= 0:
        return None
    return scale * _UM[unit]


def _planned_s(axes: list[_Axis], time_point: int | None) -> float | None:
    for name, unit, scale in axes:
        if name == "t" and time_point is not None and scale and scale > 0 and unit in _SECONDS:
            return time_point * scale * _SECONDS[unit]
    return None


def _channel(chunk: Chunk, index: int | None) -> str | None:
    if index is None:
        return None
    holder = _mapping(chunk.array.group.get("ome"))
    omero = _mapping(holder.get("omero") or chunk.array.group.get("omero"))
    channels = _listed(omero.get("channels"))
    label = _mapping(channels[index]).get("label") if index < len(channels) else None
    if isinstance(label, str) and label.strip():
        return label.strip()
    return None if len(channels) <= 1 and index == 0 else str(index)


def _place(position: str) -> tuple[str | None, str | None]:
    """Tell the well: by OME-Zarr's plates (row/column/field), else by the position's name."""
    plate = _PLATE_PATH.fullmatch(position)
    if plate is not None and (well := normalise_well(plate[1] + plate[2])):
        return well, plate[3]
    return well_and_field(position) if position else (None, None)


def _length(chunk: Chunk, axes: list[_Axis], wanted: str) -> int:
    return next(
        (n for (name, _, _), n in zip(axes, chunk.array.shape, strict=True) if name == wanted), 1
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_mapping(value: Any) -> Mapping[str, Any]:
    listed = _listed(value)
    return _mapping(listed[0]) if listed else {}
