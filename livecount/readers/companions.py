"""Files that acquisition programs write beside the frames: who was where, and when."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from livecount.frame import AttributeSource, FrameAttributes
from livecount.platform.files import open_shared
from livecount.readers.micromanager import attributes_from_event, attributes_from_record
from livecount.readers.running_metadata import RunningMetadata

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
        record, summary = _running(folder / "metadata.txt").find(path.parent.name, path.name)
        if record is not None:
            found = attributes_from_record(record, AttributeSource.COMPANION_FILE, time_zone)
            return found.completed_by(_of_summary(summary))
    return FrameAttributes()


@functools.lru_cache(maxsize=1024)
def _running(path: Path) -> RunningMetadata:
    return RunningMetadata(path)


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
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # It is being rewritten at this instant; the next look reads it.
        return {}
    return found if isinstance(found, dict) else {}


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
