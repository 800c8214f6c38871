"""Files that acquisition programs write beside the frames: who was where, and when."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from livecount.frame import AttributeSource, FrameAttributes
from livecount.platform.files import open_shared
from livecount.readers.micromanager import (
    attributes_from_event,
    attributes_from_record,
    parse_running_json,
)

__all__ = ["companion_attributes", "companion_stamps"]

_MAX_BYTES = 256 * 1024**2


def companion_attributes(path: Path, time_zone: tzinfo) -> FrameAttributes:
    """Look a frame's file up in ``_frame_metadata.json`` or ``metadata.txt``, where there is one.

    Parameters
    ----------
    path
        The frame's file.
    time_zone
        Zone of stamps without one.

    Returns
    -------
    FrameAttributes
        Empty where no such file exists or it does not mention the frame (yet): both are written
        after the frame, the first only every ten frames.
    """
    record = _records(path.parent / "_frame_metadata.json").get(path.name)
    if isinstance(record, Mapping):
        return attributes_from_event(record, time_zone)
    for folder in (path.parent, path.parent.parent):
        records = _records(folder / "metadata.txt")
        record = records.get(f"{path.parent.name}/{path.name}") or records.get(path.name)
        if isinstance(record, Mapping):
            found = attributes_from_record(record, AttributeSource.COMPANION_FILE, time_zone)
            return found.completed_by(_of_summary(records.get("Summary")))
    return FrameAttributes()


def _of_summary(summary: Any) -> FrameAttributes:
    if not isinstance(summary, Mapping):
        return FrameAttributes()
    sizes = {key: summary[key] for key in ("PixelSizeUm", "PixelSize_um") if key in summary}
    return attributes_from_record(sizes, AttributeSource.COMPANION_FILE, UTC)


def _records(path: Path) -> Mapping[str, Any]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return {}
    if status.st_size > _MAX_BYTES:
        return {}
    return _read(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(path: Path, _n_bytes: int, _mtime_ns: int) -> Mapping[str, Any]:
    """Read and index a companion; size and time only say when to read it again."""
    try:
        with open_shared(path) as handle:
            text = handle.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    if path.name == "metadata.txt":
        return _by_file_name(parse_running_json(text))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # It is being rewritten at this instant; the next look reads it.
        return {}
    return found if isinstance(found, dict) else {}


def _by_file_name(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Key Micro-Manager's records by file: 2.0 names it in the key, 1.4 in the record."""
    found: dict[str, Any] = {"Summary": entries.get("Summary")}
    for key, record in entries.items():
        kind, _, rest = key.partition("-")
        if not isinstance(record, Mapping):
            continue
        if kind in ("Metadata", "Coords"):
            coordinates = {"Coords": record} if kind == "Coords" else record
            found[rest] = {**found.get(rest, {}), **coordinates}
        elif kind == "FrameKey" and isinstance(record.get("FileName"), str):
            found[record["FileName"].replace("\\", "/")] = record
    # A position's folder may have been renamed: a name that occurs once is enough there.
    bare = Counter(key.rpartition("/")[2] for key in found)
    return {k.rpartition("/")[2] if bare[k.rpartition("/")[2]] == 1 else k: found[k] for k in found}


def companion_stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Tell the state of the companion files that speak of a folder's frames.

    Returns
    -------
    tuple
        Name, size in bytes and modification time in ns of each that there is; another value
        means that more may be known of the frames by now.
    """
    found = []
    names = (
        folder / "_frame_metadata.json",
        folder / "metadata.txt",
        folder.parent / "metadata.txt",
    )
    for path in names:
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)
