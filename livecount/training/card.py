"""A model's card: what it is, what it learned from and under which licence, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

__all__ = ["to_toml"]


def to_toml(table: Mapping[str, Any], comment: str = "") -> str:
    """Write a table as TOML.

    Parameters
    ----------
    table
        Text, numbers, booleans, dates, lists of these, tables, and lists of tables; None is left
        out.
    comment
        Written above the first key.

    Examples
    --------
    >>> print(to_toml({"h": 0.2, "heads": ["inner"], "scores": {"frames": 3}}).strip())
    h = 0.2
    heads = ["inner"]
    <BLANKLINE>
    [scores]
    frames = 3
    """
    lines = [f"# {line}" for line in comment.splitlines()]
    _write(table, "", lines)
    return "\n".join(lines) + "\n"


def _write(table: Mapping[str, Any], prefix: str, lines: list[str]) -> None:
    later: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) or _is_list_of_tables(value):
            later.append((key, value))
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in later:
        path = f"{prefix}{_key(key)}"
        for entry in [value] if isinstance(value, Mapping) else value:
            lines += ["", f"[{path}]" if isinstance(value, Mapping) else f"[[{path}]]"]
            _write(entry, f"{path}.", lines)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"{type(value).__name__} has no place in a card")
