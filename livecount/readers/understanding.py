"""How the files of a folder are understood, told before a run so that nothing surprises in it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from livecount.errors import ReadError
from livecount.frame import FrameAttributes
from livecount.readers.naming import ignore_reason, readable_path, zarr_chunk_at
from livecount.readers.opening import ReadLimits
from livecount.readers.patterns import Patterns
from livecount.readers.reading import look, read_attributes, read_page
from livecount.readers.wells import natural_key, well_sort_key

__all__ = [
    "AttributeRange",
    "Conflict",
    "FileGroup",
    "FolderUnderstanding",
    "PatternUse",
    "SampleFile",
    "describe_folder",
]

NO_PATTERN = "no pattern"
_PLACE = ("plate", "well", "field", "position", "time_point", "channel", "z")
_RANGED = (*_PLACE, "acquired_at", "elapsed_s", "pixel_size_um")
_N_EXAMPLES = 3
_MAX_LISTED = 20
_MAX_SAMPLES = 12
_MAX_SAMPLED_PAGES = 12


@dataclass(frozen=True, slots=True)
class AttributeRange:
    """The values of one attribute: how many different ones, the first and the last in order."""

    n: int
    first: Any
    last: Any


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files with something in common: why they are ignored, for example."""

    what: str
    n_files: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatternUse:
    """What one file-name pattern makes of the folder; ``name`` is ``no pattern`` for the rest."""

    name: str
    vendor: str
    n_files: int
    examples: tuple[str, ...]
    attributes: Mapping[str, AttributeRange]


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file that was opened: what its first page says beyond the name.

    Attributes
    ----------
    shape
        (y, x), or None where the file could not be read; ``error`` then says why.
    attributes
        With the source of each.
    channels
        Those of its first pages.
    """

    path: str
    n_pages: int
    shape: tuple[int, int] | None
    dtype: str
    flags: tuple[str, ...]
    attributes: FrameAttributes
    channels: tuple[str | None, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Files that claim the same place and time; only one of them can be current.

    Attributes
    ----------
    paths
        The first few of ``n_files``.
    """

    where: str
    n_files: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderUnderstanding:
    """How livecount would take a folder: numbers and a few examples, however many files it holds.

    Attributes
    ----------
    n_files, n_frame_files
        All files below the folder, and those taken as frames.
    channels
        Channel -> number of files, as names and opened samples say; "" where none is named. Those
        with the most files, of ``n_channels``.
    z
        The z indices in names and samples, or None where there are none.
    conflicts
        The first of ``n_conflicts``.
    unreadable_folders
        Folders that could not be listed, with the reason.
    """

    folder: str
    n_files: int
    n_frame_files: int
    patterns: tuple[PatternUse, ...]
    ignored: tuple[FileGroup, ...]
    samples: tuple[SampleFile, ...]
    n_channels: int
    channels: Mapping[str, int]
    z: AttributeRange | None
    n_conflicts: int
    conflicts: tuple[Conflict, ...]
    unreadable_folders: tuple[FileGroup, ...]

    def as_dict(self) -> dict[str, Any]:
        """Turn everything into plain dicts and lists (times stay datetimes)."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class _NamedFile:
    raw: bytes
    shown: str
    pattern: str
    attributes: FrameAttributes


def describe_folder(
    folder: Path,
    patterns: Patterns | None = None,
    *,
    limits: ReadLimits | None = None,
    time_zone: tzinfo | None = None,
    progress: Callable[[int], None] | None = None,
) -> FolderUnderstanding:
    """Tell how the files of a folder would be understood, opening only a few samples.

    Parameters
    ----------
    folder
        The folder that would be watched.
    patterns
        By default those shipped.
    limits
        What samples may claim before they are refused.
    time_zone
        Zone of times that name none; by default that of ``patterns``.
    progress
        Called with the number of files seen so far.

    Returns
    -------
    FolderUnderstanding
        Patterns in use with their ranges, ignored files, samples, channels, conflicts.
    """
    known = patterns or Patterns.shipped()
    if time_zone is not None:
        known = dataclasses.replace(known, time_zone=time_zone)
    ignored: defaultdict[str, list[str]] = defaultdict(list)
    barred: defaultdict[str, list[str]] = defaultdict(list)
    files: list[_NamedFile] = []
    for n_seen, raw in enumerate(_walk(folder, barred), start=1):
        reason = ignore_reason(raw)
        if reason is None:
            files.append(_named(raw, known))
        else:
            ignored[reason].append(readable_path(raw))
        if progress is not None:
            progress(n_seen)
    samples = _samples(folder, files, known, limits or ReadLimits())
    channels = _channels(files, samples)
    conflicts = _conflicts(files)
    return FolderUnderstanding(
        folder=str(folder),
        n_files=len(files) + sum(len(paths) for paths in ignored.values()),
        n_frame_files=len(files),
        patterns=_pattern_uses(files, known),
        ignored=_groups(ignored),
        samples=tuple(samples.values()),
        n_channels=len(channels),
        channels=dict(channels.most_common(_MAX_LISTED)),
        z=_z_indices(files, samples.values()),
        n_conflicts=len(conflicts),
        conflicts=conflicts[:_MAX_LISTED],
        unreadable_folders=_groups(barred),
    )


def _walk(folder: Path, barred: defaultdict[str, list[str]]) -> Iterator[bytes]:
    """List the files below a folder in order of name, never through links."""
    stack = [b""]
    root = os.fsencode(folder)
    while stack:
        below = stack.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118 (bytes)
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            barred[error.strerror or type(error).__name__].append(readable_path(below) or ".")
            continue
        prefix = below + b"/" if below else b""
        folders = [e for e in listed if e.is_dir(follow_symlinks=False)]
        stack.extend(prefix + entry.name for entry in reversed(folders))
        yield from (prefix + e.name for e in listed if e.is_file(follow_symlinks=False))


def _named(raw: bytes, patterns: Patterns) -> _NamedFile:
    shown = readable_path(raw)
    match = patterns.match(shown)
    if match is None:
        return _NamedFile(raw, shown, NO_PATTERN, FrameAttributes())
    return _NamedFile(raw, shown, match.pattern_name, match.attributes)


def _groups(found: Mapping[str, list[str]]) -> tuple[FileGroup, ...]:
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return tuple(FileGroup(what, len(p), tuple(p[:_N_EXAMPLES])) for what, p in ordered)


def _pattern_uses(files: list[_NamedFile], patterns: Patterns) -> tuple[PatternUse, ...]:
    vendors = {pattern.name: pattern.vendor for pattern in patterns.patterns}
    by_pattern: defaultdict[str, list[_NamedFile]] = defaultdict(list)
    for file in files:
        by_pattern[file.pattern].append(file)
    return tuple(
        PatternUse(
            name=name,
            vendor=vendors.get(name, "names that no pattern understands"),
            n_files=len(group),
            examples=tuple(file.shown for file in group[:_N_EXAMPLES]),
            attributes=_ranges([file.attributes for file in group]),
        )
        for name, group in sorted(by_pattern.items(), key=lambda item: -len(item[1]))
    )


def _ranges(attributes: list[FrameAttributes]) -> dict[str, AttributeRange]:
    ranges = {}
    for name in _RANGED:
        values = {getattr(item, name) for item in attributes} - {None}
        if values:
            is_text = isinstance(next(iter(values)), str)
            by_name = well_sort_key if name == "well" else natural_key
            ordered = sorted(values, key=by_name if is_text else None)
            ranges[name] = AttributeRange(len(ordered), ordered[0], ordered[-1])
    return ranges


def _samples(
    folder: Path, files: list[_NamedFile], patterns: Patterns, limits: ReadLimits
) -> dict[tuple[str, str | None], SampleFile]:
    """Open one file of each pattern and channel."""
    chosen: dict[tuple[str, str | None], _NamedFile] = {}
    for file in files:
        chosen.setdefault((file.pattern, file.attributes.channel), file)
    kept = list(chosen.items())[:_MAX_SAMPLES]
    return {kind: _sample(folder, file, patterns, limits) for kind, file in kept}


def _sample(folder: Path, file: _NamedFile, patterns: Patterns, limits: ReadLimits) -> SampleFile:
    try:
        n_pages = look(folder / os.fsdecode(file.raw), settled=True, limits=limits).n_pages
        frame = read_page(folder, file.raw, 0, patterns=patterns, limits=limits)
        channels = {frame.attributes.channel: None}
        for page in range(1, min(n_pages, _MAX_SAMPLED_PAGES)):
            said = read_attributes(folder, file.raw, page, patterns=patterns, limits=limits)
            channels[said.channel] = None
    except ReadError as error:
        return SampleFile(
            file.shown, 0, None, "", (), file.attributes, (file.attributes.channel,), str(error)
        )
    shape = (frame.pixels.shape[0], frame.pixels.shape[1])
    return SampleFile(
        path=file.shown,
        n_pages=n_pages,
        shape=shape,
        dtype=str(frame.pixels.dtype),
        flags=frame.flags,
        attributes=frame.attributes,
        channels=tuple(channels),
    )


def _channels(
    files: Iterable[_NamedFile], samples: Mapping[tuple[str, str | None], SampleFile]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for file in files:
        sample = samples.get((file.pattern, file.attributes.channel))
        for channel in sample.channels if sample else (file.attributes.channel,):
            counts[channel or ""] += 1
    return counts


def _z_indices(files: Iterable[_NamedFile], samples: Iterable[SampleFile]) -> AttributeRange | None:
    found = {file.attributes.z for file in files} | {sample.attributes.z for sample in samples}
    known = sorted(z for z in found if z is not None)
    return AttributeRange(len(known), known[0], known[-1]) if known else None


def _conflicts(files: Iterable[_NamedFile]) -> tuple[Conflict, ...]:
    """Find files that by their names are the same frame; unnamed ones are never in conflict."""
    by_place: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for file in files:
        said = file.attributes
        if zarr_chunk_at(file.raw.split(b"/")):
            continue  # the places of chunks differ by their coordinates, which names do not tell
        if any(getattr(said, name) is not None for name in _PLACE):
            key = tuple(getattr(said, n) for n in (*_PLACE, "acquired_at", "elapsed_s"))
            by_place[key].append(file.shown)
    names = (*_PLACE, "acquired_at", "elapsed_s")
    return tuple(
        Conflict(
            ", ".join(f"{n} {v}" for n, v in zip(names, key, strict=True) if v is not None),
            len(paths),
            tuple(paths[:_N_EXAMPLES]),
        )
        for key, paths in by_place.items()
        if len(paths) > 1
    )
