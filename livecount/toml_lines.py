"""On which line each key of a TOML text stands: what :mod:`tomllib` does not tell.

The text has been read by :mod:`tomllib` first, so only valid TOML has to be walked through here.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

__all__ = ["TomlPath", "key_lines"]

TomlPath = tuple[str | int, ...]
"""Keys from the top of the document inwards; positions in arrays count from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[^\s.=\[\]\"']+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    "|".join(
        [
            r'"""(?:\\.|[^\\])*?"{3,5}',
            r"'''.*?'{3,5}",
            r'"(?:\\.|[^"\\])*"',
            r"'[^']*'",
        ]
    ),
    re.DOTALL,
)


def key_lines(text: str) -> dict[TomlPath, int]:
    r"""Find the line of every table, key and array element.

    Parameters
    ----------
    text
        A valid TOML document.

    Returns
    -------
    dict
        Path -> line, counted from 1; where a table is opened more than once, its first line.

    Examples
    --------
    >>> key_lines("[watch]\nfolders = [\n  'D:/scans',\n]\n")
    {('watch',): 1, ('watch', 'folders'): 2, ('watch', 'folders', 0): 3}
    """
    walk = _Walk(text)
    walk.document()
    return walk.lines


class _Walk:
    """One pass over a document; ``position`` is the next character to look at."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[TomlPath, int] = {}
        self._line = 1
        self._counted_to = 0
        self._last_element: dict[TomlPath, int] = {}

    def document(self) -> None:
        table: TomlPath = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text[self.position] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return self.position

    def _take(self, pattern: re.Pattern[str]) -> str:
        start = self.position
        return self.text[start : self._skip(pattern)]

    def _note(self, path: TomlPath) -> None:
        self._line += self.text.count("\n", self._counted_to, self.position)
        self._counted_to = self.position
        self.lines.setdefault(path, self._line)

    def _header(self) -> TomlPath:
        brackets = 2 if self.text.startswith("[[", self.position) else 1
        self.position += brackets
        path: TomlPath = ()
        *parents, last = self._keys()
        for key in parents:
            path = self._within((*path, key))
        path = (*path, last)
        self._note(path)
        if brackets == 2:
            self._last_element[path] = self._last_element.get(path, -1) + 1
            path = self._within(path)
        self._skip(_BLANK)
        self.position += brackets
        return path

    def _within(self, path: TomlPath) -> TomlPath:
        """Enter a table, or the element of an array of tables that was opened last."""
        self._note(path)
        if path not in self._last_element:
            return path
        path = (*path, self._last_element[path])
        self._note(path)
        return path

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self.text[self._skip(_BLANK)] == ".":
            self.position += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        if self.text[self._skip(_BLANK)] not in "\"'":
            return self._take(_BARE_KEY)
        parsed: dict[str, Any] = tomllib.loads(f"{self._take(_STRING)} = 0")
        return next(iter(parsed))

    def _pair(self, table: TomlPath) -> None:
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path)
        self.position += len("=")
        self._value(path)

    def _value(self, path: TomlPath) -> None:
        opening = self.text[self._skip(_BLANK)]
        if opening == "[":
            self._elements(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_BARE_VALUE)

    def _elements(self, path: TomlPath) -> None:
        self.position += len("[")
        index = 0
        while self.text[self._skip(_BLANK)] != "]":
            self._note((*path, index))
            self._value((*path, index))
            self._comma()
            index += 1
        self.position += len("]")

    def _inline_table(self, path: TomlPath) -> None:
        self.position += len("{")
        while self.text[self._skip(_BLANK)] != "}":
            self._pair(path)
            self._comma()
        self.position += len("}")

    def _comma(self) -> None:
        if self.text[self._skip(_BLANK)] == ",":
            self.position += 1
