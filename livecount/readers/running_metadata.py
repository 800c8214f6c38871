"""Micro-Manager's ``metadata.txt``, read while it grows: what is added is parsed, not the whole.

The file is one JSON object that gains a record per image and is closed at the end. Parsed whole for
each frame, it would cost more with every image of a run.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from livecount.platform.files import open_shared
from livecount.readers.micromanager import slim_record

__all__ = ["RunningMetadata", "complete_entries"]

_CHUNK_BYTES: Final = 8 * 1024**2
_LONGEST_ENTRY_BYTES: Final = 64 * 1024**2
_ANCHOR_BYTES: Final = 256
"""So much before the place that was reached must be as it was, or the file is another one."""
_WHITE: Final = " \t\r\n\ufeff"


class RunningMetadata:
    """The records that one ``metadata.txt`` holds by now.

    Parameters
    ----------
    path
        The file; it may be absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._begin()

    def find(self, folder_name: str, file_name: str) -> tuple[Mapping[str, Any] | None, Any]:
        """Give the record of an image file as it is known now, and the file's summary.

        Parameters
        ----------
        folder_name
            Name of the image's folder: several positions may have files of one name. It may have
            been renamed, which does not matter to a name that occurs once.

        Returns
        -------
        record, summary
            None where there is none (yet).
        """
        with self._lock:
            self._read_on()
            if self._n_of_name[file_name] == 1:
                return self._by_name[self._of_bare_name[file_name]], self._summary
            return (
                self._by_name.get(f"{folder_name}/{file_name}") or self._by_name.get(file_name)
            ), self._summary

    def _begin(self) -> None:
        self._reached = 0
        self._anchor = b""
        self._summary: Any = None
        self._by_name: dict[str, dict[str, Any]] = {}
        self._n_of_name: Counter[str] = Counter()
        self._of_bare_name: dict[str, str] = {}

    def _read_on(self) -> None:
        """Take in what was added since the last look."""
        try:
            status = self._path.stat()
            stamp = (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)
            if stamp == self._stamp:
                return
            if stamp[2:] != self._stamp[2:] or stamp[0] <= self._stamp[0]:
                self._begin()
            with open_shared(self._path) as handle:
                self._go_to_reached(handle)
                self._read_from(handle)
        except (OSError, ValueError):
            self._stamp = ()
            self._begin()
            return
        self._stamp = stamp

    def _go_to_reached(self, handle: BinaryIO) -> None:
        """Go to where the last look ended, or begin anew where the file is not what it was."""
        if not self._reached:
            return
        handle.seek(self._reached - len(self._anchor))
        if handle.read(len(self._anchor)) != self._anchor:
            self._begin()
            handle.seek(0)

    def _read_from(self, handle: BinaryIO) -> None:
        ahead = b""
        while (chunk := handle.read(_CHUNK_BYTES)) and len(ahead) < _LONGEST_ENTRY_BYTES:
            ahead += chunk
            entries, n_bytes = self._complete(ahead)
            for key, value in entries:
                self._take_in(key, value)
            self._reached += n_bytes
            self._anchor = (self._anchor + ahead[:n_bytes])[-_ANCHOR_BYTES:]
            ahead = ahead[n_bytes:]

    def _complete(self, ahead: bytes) -> tuple[list[tuple[str, Any]], int]:
        """Parse the complete entries, and tell how many bytes they take up."""
        is_begun = self._reached > 0
        # Bytes that are no UTF-8 keep their places here, and are replaced in what is taken in.
        text = ahead.decode("utf-8", "surrogateescape")
        entries, end = complete_entries(text, is_begun=is_begun)
        n_bytes = len(text[:end].encode("utf-8", "surrogateescape"))
        if not text[:end].isascii():
            whole = ahead[:n_bytes].decode("utf-8", "replace")
            entries, _ = complete_entries(whole, is_begun=is_begun)
        return entries, n_bytes

    def _take_in(self, key: str, value: Any) -> None:
        """Keep a record by file: 2.0 names it in the key, 1.4 in the record."""
        if key == "Summary":
            self._summary = value
        kind, _, rest = key.partition("-")
        if not isinstance(value, Mapping):
            return
        if kind in ("Metadata", "Coords"):
            coordinates = {"Coords": value} if kind == "Coords" else slim_record(value)
            self._put(rest, {**self._by_name.get(rest, {}), **coordinates})
        elif kind == "FrameKey" and isinstance(value.get("FileName"), str):
            self._put(value["FileName"].replace("\\", "/"), slim_record(value))

    def _put(self, name: str, record: dict[str, Any]) -> None:
        if name not in self._by_name:
            bare = name.rpartition("/")[2]
            self._n_of_name[bare] += 1
            self._of_bare_name[bare] = name
        self._by_name[name] = record


def complete_entries(text: str, *, is_begun: bool = False) -> tuple[list[tuple[str, Any]], int]:
    r"""Read the entries of a JSON object whose end may not be written yet.

    Parameters
    ----------
    text
        The object so far, or with ``is_begun`` what follows entries that were read before.

    Returns
    -------
    entries, end
        Keys and values that are complete, and how many characters they take up.

    >>> complete_entries('{"a": {"x": 1},\n"b": {"x": 2},\n"c": {"x"')
    ([('a', {'x': 1}), ('b', {'x': 2})], 29)
    >>> complete_entries(',\n"c": {"x": 3}\n}', is_begun=True)
    ([('c', {'x': 3})], 15)
    """
    decoder = json.JSONDecoder()
    entries: list[tuple[str, Any]] = []
    at = _skip(text, 0, _WHITE)
    if not is_begun:
        if not text.startswith("{", at):
            return [], 0
        at += 1
    reached = 0
    while True:
        at = _skip(text, at, _WHITE + ",")
        try:
            key, at = decoder.raw_decode(text, at)
            at = _skip(text, at, _WHITE)
            if not isinstance(key, str) or not text.startswith(":", at):
                break
            value, at = decoder.raw_decode(text, _skip(text, at + 1, _WHITE))
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict | list | str) and not text[at : at + 1].strip():
            break  # a number may go on
        entries.append((key, value))
        reached = at
    return entries, reached


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
