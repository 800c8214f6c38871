"""How settings that cannot be used are named and spoken of; part of :mod:`livecount.config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from livecount.toml_lines import TomlPath

__all__ = ["dotted", "lookup", "what_is_wrong"]

_PLAIN_WORDS = {
    "Input should be": "must be",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "a text in quotes",
    "a valid tuple": "a list in [ ]",
}


def lookup(values: Any, path: TomlPath) -> tuple[bool, Any]:
    """Find what stands at a path within tables and lists; tell whether anything does."""
    for key in path:
        if isinstance(values, list | tuple):
            values = dict(enumerate(values))
        if not isinstance(values, Mapping) or key not in values:
            return False, None
        values = values[key]
    return True, values


def dotted(path: TomlPath) -> str:
    """Name a setting for people.

    Examples
    --------
    >>> dotted(("watch", "folders", 1))
    'watch.folders, item 2'
    """
    keys = ".".join(key for key in path if isinstance(key, str))
    return keys + "".join(f", item {key + 1}" for key in path if isinstance(key, int))


def what_is_wrong(problem: ErrorDetails) -> str:
    """Say of a value that it cannot be used, and why."""
    kind, given = problem["type"], problem["input"]
    if kind == "model_type":
        return f"must be a table, written as [{dotted(problem['loc'])}]"
    message = problem["msg"].removeprefix("Value error, ")
    for formal, plain in _PLAIN_WORDS.items():
        message = message.replace(formal, plain)
    if kind == "value_error" or isinstance(given, Mapping | list | tuple):
        return message
    return f"{message} (is {given!r:.60})"
