"""From TOML to the recipe's dataclasses: tables that extend others, types checked key by key."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Final, Literal

from livecount.errors import ConfigError
from livecount.training.card import to_toml

__all__ = ["EXTENDS", "build", "complete_text", "read_table", "replace_in_tables"]

EXTENDS: Final = "extends"
"""The key by which a recipe names another one, whose keys hold wherever it has none of its own."""


def read_table(path: Path, _above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a TOML file, and below it the files that it extends.

    Parameters
    ----------
    path
        A TOML file; what its key ``extends`` names is relative to it.

    Returns
    -------
    dict
        Tables are joined key by key, everything else, lists of tables too, is replaced; without
        the key ``extends``.

    Raises
    ------
    ConfigError
        A file is not readable, is not TOML, or extends itself.
    """
    table = _parsed(path)
    base = table.pop(EXTENDS, None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise ConfigError(f"{path}: {EXTENDS} is {base!r}", hint="Give the path of a recipe")
    above = (*_above, path.resolve())
    below = path.parent / base
    if below.resolve() in above:
        raise ConfigError(
            f"{path} extends {below}, which extends it", hint=f"Take one {EXTENDS} out"
        )
    return replace_in_tables(read_table(below, above), table)


def replace_in_tables(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Give a table with some keys replaced, also within its tables.

    Examples
    --------
    >>> replace_in_tables({"a": 1, "run": {"steps": 5, "seed": 1}}, {"run": {"seed": 2}})
    {'a': 1, 'run': {'steps': 5, 'seed': 2}}
    """
    result = dict(table)
    for key, value in changes.items():
        known = result.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        result[key] = replace_in_tables(known, value) if both else value  # type: ignore[arg-type]
    return result


def complete_text(path: Path) -> str:
    """Give a recipe as one text: as written, or joined where it extends another one.

    Raises
    ------
    ConfigError
        As for :func:`read_table`.
    """
    if EXTENDS in _parsed(path):
        return to_toml(read_table(path))
    return path.read_text(encoding="utf-8")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The recipe {path} cannot be read ({error})", hint="Give the path of a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The recipe {path} is not valid TOML: {error}", hint="Correct the named line"
        ) from error


def build(kind: type[Any], table: dict[str, Any], path: str, where: str) -> Any:
    """Build a dataclass from a TOML table, refusing what it does not know."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    types_of = typing.get_type_hints(kind)
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{path}: the key '{where}{key}' is unknown", hint=_nearest(key, list(known))
            )
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and (
            item.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            raise ConfigError(
                f"{path}: the key '{where}{name}' is missing", hint=f"Add {where}{name}"
            )
    values = {
        key: _converted(types_of[key], value, path, f"{where}{key}") for key, value in table.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{path}: {where.rstrip('.')}: {error}", hint="Correct it") from error


def _nearest(key: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Valid keys are {', '.join(sorted(valid))}"


def _converted(expected: Any, value: Any, path: str, where: str) -> Any:
    """Check a TOML value against a field's type; lists become tuples, tables dataclasses."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if dataclasses.is_dataclass(expected) and isinstance(value, dict):
        return build(typing.cast(type[Any], expected), value, path, f"{where}.")
    if origin is Literal:
        if value in arguments:
            return value
        choices = ", ".join(repr(choice) for choice in arguments)
        raise ConfigError(f"{path}: {where} is {value!r}", hint=f"Choose one of {choices}")
    if origin is types.UnionType:
        options = [option for option in arguments if option is not type(None)]
        return _converted(options[0], value, path, where)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is not Ellipsis and len(arguments) != len(value):
            raise ConfigError(
                f"{path}: {where} has {len(value)} values", hint=f"Give {len(arguments)} values"
            )
        return tuple(
            _converted(arguments[0], item, path, f"{where}[{index}]")
            for index, item in enumerate(value)
        )
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(expected, type) and type(value) is expected:
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{path}: {where} is {value}", hint="Give a finite number")
        return value
    named = getattr(expected, "__name__", str(expected))
    raise ConfigError(f"{path}: {where} is {value!r}", hint=f"Give a value of type {named}")
