"""Micro-Manager's and pymmcore-plus' records of a frame -> attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.stamps import parse_stamp
from livecount.readers.wells import well_and_field

__all__ = [
    "attributes_from_event",
    "attributes_from_record",
    "bit_depth",
    "number",
    "parse_running_json",
    "stage_position",
]

Record = Mapping[str, Any]

_TOO_MANY = 2**53
"""Whole numbers from here on are not exact as JSON numbers, and no counter of frames reaches it."""


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
    axes = _first(record, "Axes", "Coords")
    axes = axes if isinstance(axes, Mapping) else {}
    time_point = _index(axes.get("time", _first(record, "FrameIndex", "Frame")))
    elapsed_ms = number(_first(record, "ElapsedTime-ms"))
    if elapsed_ms is not None and (elapsed_ms < 0 or (elapsed_ms == 0 and time_point)):
        elapsed_ms = None
    return _named_position(
        source,
        _first(record, "PositionName") or _text(axes.get("position")),
        time_point=time_point,
        channel=_name(axes.get("channel")) or _name(_first(record, "Channel")),
        z=_index(axes.get("z", None if axes else _first(record, "SliceIndex", "Slice"))),
        acquired_at=parse_stamp(
            _first(record, "TimeReceivedByCore", "ReceivedTime", "Time"), time_zone
        ),
        elapsed_s=None if elapsed_ms is None else elapsed_ms / 1000.0,
        pixel_size_um=_positive(_first(record, "PixelSizeUm", "PixelSize_um")),
        **stage_position(
            _first(record, "XPositionUm", "XPosition_um_Intended"),
            _first(record, "YPositionUm", "YPosition_um_Intended"),
        ),
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


def parse_running_json(text: str) -> dict[str, Any]:
    r"""Read a JSON object whose end may not be written yet.

    Micro-Manager adds a record per image and closes the outer object only at the end.

    Parameters
    ----------
    text
        The file's content so far.

    Returns
    -------
    dict
        Every record that is complete; empty where the text is no JSON object.

    >>> parse_running_json('{"a": {"x": 1},\n"b": {"x": 2},\n"c": {"x"')
    {'a': {'x': 1}, 'b': {'x': 2}}
    """
    candidates = [text, text.rstrip().rstrip(",") + "}"]
    end = len(text)
    for _ in range(3):
        end = text.rfind("},", 0, end)
        if end > 0:
            candidates.append(text[: end + 1] + "}")
    for candidate in candidates:
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


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
