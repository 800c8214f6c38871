"""Micro-Manager's and pymmcore-plus' records of a frame -> attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.stamps import parse_stamp
from livecount.readers.wells import well_and_field

__all__ = [
    "attributes_from_event",
    "attributes_from_record",
    "bit_depth",
    "number",
    "slim_record",
    "stage_position",
]

Record = Mapping[str, Any]

_TOO_MANY = 2**53
"""Whole numbers from here on are not exact as JSON numbers, and no counter of frames reaches it."""


_NAMES: Final = {
    "axes": ("Axes", "Coords"),
    "time_point": ("FrameIndex", "Frame"),
    "elapsed_ms": ("ElapsedTime-ms",),
    "position": ("PositionName",),
    "channel": ("Channel",),
    "z": ("SliceIndex", "Slice"),
    "acquired_at": ("TimeReceivedByCore", "ReceivedTime", "Time"),
    "pixel_size_um": ("PixelSizeUm", "PixelSize_um"),
    "x_um": ("XPositionUm", "XPosition_um_Intended"),
    "y_um": ("YPositionUm", "YPosition_um_Intended"),
}
"""What a record may call each thing; the first that is there counts."""
_ALL_NAMES: Final = frozenset(name for names in _NAMES.values() for name in names)


def slim_record(record: Record) -> dict[str, Any]:
    """Keep of a record what :func:`attributes_from_record` reads; the rest is not kept."""
    # The names are those of above, not one copy a record.
    return {name: record[name] for name in _ALL_NAMES if name in record}


def attributes_from_record(
    record: Record, source: AttributeSource, time_zone: tzinfo
) -> FrameAttributes:
    """Read the JSON that Micro-Manager keeps for every image.

    Parameters
    ----------
    record
        Of one image: tag 51123 of a page, ImageJ's "Info", or an entry of ``metadata.txt``.
    source
        Which of these it is.
    time_zone
        Zone of stamps without one.

    Returns
    -------
    FrameAttributes
        A pixel size of 0 means "not calibrated", and an elapsed time of 0 at a later time point
        "not measured" (NDTiff); both stay unknown.
    """
    found = {thing: _first(record, *names) for thing, names in _NAMES.items()}
    axes = found["axes"] if isinstance(found["axes"], Mapping) else {}
    time_point = _index(axes.get("time", found["time_point"]))
    elapsed_ms = number(found["elapsed_ms"])
    if elapsed_ms is not None and (elapsed_ms < 0 or (elapsed_ms == 0 and time_point)):
        elapsed_ms = None
    return _named_position(
        source,
        found["position"] or _text(axes.get("position")),
        time_point=time_point,
        channel=_name(axes.get("channel")) or _name(found["channel"]),
        z=_index(axes.get("z", None if axes else found["z"])),
        acquired_at=parse_stamp(found["acquired_at"], time_zone),
        elapsed_s=None if elapsed_ms is None else elapsed_ms / 1000.0,
        pixel_size_um=_positive(found["pixel_size_um"]),
        **stage_position(found["x_um"], found["y_um"]),
    )


def attributes_from_event(record: Record, time_zone: tzinfo) -> FrameAttributes:
    """Read a frame's entry of pymmcore-plus' ``_frame_metadata.json``.

    Parameters
    ----------
    record
        The entry of one file.
    time_zone
        Zone of the camera's time stamps.

    Returns
    -------
    FrameAttributes
        Elapsed time is that since the run began.
    """
    event = _mapping(record.get("mda_event"))
    index = _mapping(event.get("index"))
    elapsed_ms = number(record.get("runner_time_ms"))
    return _named_position(
        AttributeSource.COMPANION_FILE,
        event.get("pos_name"),
        time_point=_index(index.get("t")),
        channel=_text(_mapping(event.get("channel")).get("config")),
        z=_index(index.get("z")),
        acquired_at=parse_stamp(
            _mapping(record.get("camera_metadata")).get("TimeReceivedByCore"), time_zone
        ),
        elapsed_s=None if elapsed_ms is None or elapsed_ms < 0 else elapsed_ms / 1000.0,
        pixel_size_um=_positive(record.get("pixel_size_um")),
        **_reached(_mapping(record.get("position")), event),
    )


def stage_position(x_um: Any, y_um: Any) -> dict[str, float]:
    """Name where the stage stood as attributes; nothing where one of the two is not known."""
    x, y = number(x_um), number(y_um)
    return {} if x is None or y is None else {"stage_x_um": x, "stage_y_um": y}


def bit_depth(record: Record) -> int | None:
    """Tell how many bits of a pixel the camera fills, or None."""
    bits = number(_first(record, "BitDepth"))
    return int(bits) if bits is not None and 1 <= bits <= 64 else None


def number(value: Any) -> float | None:
    """Read a finite number from a number or its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _named_position(source: AttributeSource, name: Any, **values: Any) -> FrameAttributes:
    position = _text(name)
    if position in ("Default", "null"):
        position = None
    well, field = well_and_field(position) if position else (None, None)
    return FrameAttributes.from_source(source, position=position, well=well, field=field, **values)


def _reached(position: Record, event: Record) -> dict[str, float]:
    """Give the stage position that was read, else the one that was asked for."""
    return stage_position(position.get("x"), position.get("y")) or stage_position(
        event.get("x_pos"), event.get("y_pos")
    )


def _first(record: Record, *names: str) -> Any:
    for name in names:
        value = record.get(name)
        # Typed property maps of Micro-Manager 2 wrap every value.
        if isinstance(value, Mapping) and ("scalar" in value or "PropVal" in value):
            value = value.get("scalar", value.get("PropVal"))
        if value is not None:
            return value
    return None


def _mapping(value: Any) -> Record:
    return value if isinstance(value, Mapping) else {}


def _name(value: Any) -> str | None:
    # A bare number is an index into names that stand elsewhere.
    return value.strip() or None if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _index(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and 0 <= found < _TOO_MANY and found % 1 == 0 else None


def _positive(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and found > 0 else None
