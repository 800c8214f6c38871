"""Settings from a file, the environment and the command line, checked before anything starts.

Flags win over ``LIVECOUNT_*`` variables, those over ``config.toml``, that over the defaults. Every
setting is explained in the shipped ``config.toml``; :mod:`livecount.settings` holds their kinds and
bounds. What cannot be used is collected and said at once, each with its place and nearest name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from livecount.errors import ConfigError
from livecount.experiment_tables import EXCLUSIVE, EXPERIMENT_KEYS, EXPERIMENT_PATHS
from livecount.setting_words import dotted, lookup, what_is_wrong
from livecount.settings import Config, default_database
from livecount.toml_lines import TomlPath, key_lines

__all__ = [
    "Config",
    "default_database",
    "explained_config",
    "load_config",
    "setting_names",
    "variable_names",
    "with_experiment",
]

VARIABLE_PREFIX = "LIVECOUNT_"
OTHER_VARIABLES = frozenset({"LIVECOUNT_DATA"})
"""``LIVECOUNT_*`` variables that are no settings: where the tests find real images."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")
_MAX_FILE_BYTES = 1_000_000
_GIVE_PATH = "Give the path of a config.toml"
_WINDOWS_PATH = "Write Windows folders with / or in single quotes, as in 'D:\\scans'"


@dataclass(frozen=True)
class _Layer:
    """Settings from one place; ``where`` names that place for a path within ``values``."""

    values: dict[str, Any]
    where: Callable[[TomlPath], str]
    lines: Mapping[TomlPath, int] = field(default_factory=dict)


def load_config(
    path: Path | None, *, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> Config:
    """Read, merge and check all settings.

    Parameters
    ----------
    path
        The user's ``config.toml``, or None for none. Relative folders and files in it are taken
        from where it lies; those of environment and command line from the current folder.
    environment
        Usually :data:`os.environ`. ``LIVECOUNT_COUNTING__H`` is ``h`` in ``[counting]``; an empty
        variable is one that is not set.
    overrides
        What the command line gave, by dotted name (``counting.h``); None is "not given".

    Raises
    ------
    ConfigError
        With every problem on a line of its own: file, line, key, what is wrong, nearest valid key.
    """
    problems: list[str] = []
    layers = [
        _file_layer(path, problems) if path is not None else _Layer({}, lambda _: ""),
        _environment_layer(environment, problems),
        _override_layer(overrides),
    ]
    problems += _contradicted(layers)
    values: dict[str, Any] = {}
    for layer in layers:
        values = _merged(_without_exclusives(values, layer.values), layer.values)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += _described(error.errors(include_url=False), layers)
    else:
        if not problems:
            return config
    raise _config_error(problems)


def with_experiment(config: Config, table: Mapping[str, Any], said_by: str) -> Config:
    """Lay one experiment's own settings, as a table of ``[[experiments]]``, over those for all.

    Raises
    ------
    ConfigError
        With every problem on a line of its own.
    """
    try:
        return config.with_experiment(table)
    except ValidationError as error:
        found = error.errors(include_url=False)
    for problem in found:
        problem["loc"] = ("experiments", *problem["loc"][1:])
    layer = _Layer({"experiments": dict(table)}, lambda _: said_by)
    raise _config_error(_described(found, [layer]))


def explained_config() -> Path:
    """Find the shipped ``config.toml``, which lists and explains every setting."""
    packaged = Path(str(resources.files("livecount"))) / "config.toml"
    return packaged if packaged.is_file() else packaged.parent.parent / "config.toml"


def setting_names() -> list[str]:
    """List every setting by its dotted name, in the order of the shipped ``config.toml``."""
    return [".".join(path) for path, _ in _settings()]


def variable_names() -> dict[str, str]:
    """Map every environment variable that is a setting to the setting's dotted name."""
    return {_variable(path): dotted(path) for path, _ in _settings()}


def _variable(path: tuple[str, ...]) -> str:
    return VARIABLE_PREFIX + "__".join(path).upper()


def _config_error(problems: list[str]) -> ConfigError:
    many = len(problems) > 1
    message = "\n  ".join([f"{len(problems)} settings cannot be used:", *problems])
    hint = f"Every setting is explained in {explained_config()}"
    return ConfigError(message if many else problems[0], hint=hint)


def _settings(
    model: type[BaseModel] = Config, within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, (*within, name))
        else:
            yield (*within, name), info


def _is_path(kind: Any) -> bool:
    """Whether a setting is a path, an optional one, or a sequence of them."""
    return kind is Path or any(_is_path(part) for part in get_args(kind))


# --- the three places that settings come from -----------------------------------------------------


def _file_layer(path: Path, problems: list[str]) -> _Layer:
    text = _read_text(path)
    try:
        values = tomllib.loads(text)
        lines = key_lines(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(path, text, error) from error

    def where(key: TomlPath) -> str:
        known = next((key[:end] for end in range(len(key), 0, -1) if key[:end] in lines), ())
        return f"{path}, line {lines[known]}" if known else str(path)

    for setting, info in _settings():
        if _is_path(info.annotation):
            _anchor(values, setting, path.absolute().parent, where, problems)
    tables = values.get("experiments")
    for index in range(len(tables) if isinstance(tables, list) else 0):
        for key in EXPERIMENT_PATHS:
            _anchor(values, ("experiments", index, key), path.absolute().parent, where, problems)
    return _Layer(values, where, lines)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=_GIVE_PATH) from error
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path} is too large for settings", hint=_GIVE_PATH)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: not UTF-8 text", hint="Save the file with the encoding UTF-8"
        ) from error


def _not_toml(path: Path, text: str, error: Exception) -> ConfigError:
    if isinstance(error, RecursionError):
        return ConfigError(f"{path}: nested too deeply", hint="Simplify the file")
    place = _TOML_PLACE.search(str(error))
    number = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    line = text.split("\n")[number - 1] if number <= text.count("\n") + 1 else ""
    return ConfigError(
        f"{path}, line {number}: not valid TOML: {_TOML_PLACE.sub('', str(error))} "
        f"in `{line.strip():.100}`",
        hint=_WINDOWS_PATH if "\\" in line else f"Compare it with {explained_config()}",
    )


def _anchor(
    values: dict[str, Any],
    setting: TomlPath,
    folder: Path,
    where: Callable[[TomlPath], str],
    problems: list[str],
) -> None:
    """Take a setting's relative paths from the config file's folder, where they are texts."""
    _, table = lookup(values, setting[:-1])
    if not isinstance(table, dict):
        return
    given = table.get(setting[-1])
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    # In TOML "D:\new" holds a line break: the commonest slip with Windows paths.
    if any(isinstance(text, str) and _CONTROL.search(text) for text in texts):
        del table[setting[-1]]
        problems.append(
            f"{where(setting)}: {dotted(setting)}: a backslash made a control character. "
            f"{_WINDOWS_PATH}"
        )
    elif isinstance(given, str):
        table[setting[-1]] = _placed_in(folder, given)
    elif isinstance(given, list):
        table[setting[-1]] = [
            _placed_in(folder, text) if isinstance(text, str) else text for text in given
        ]


def _placed_in(folder: Path, text: str) -> str:
    # "~" is the user's folder wherever the file lies; an empty text keeps its own meaning.
    return text if not text or text.startswith("~") else str(folder / text)


def _environment_layer(environment: Mapping[str, str], problems: list[str]) -> _Layer:
    known = {_variable(path): (path, info) for path, info in _settings()}
    values: dict[str, Any] = {}
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(VARIABLE_PREFIX) or variable in OTHER_VARIABLES:
            continue
        if variable not in known:
            problems.append(
                f"environment variable {variable}: no such setting{_nearest_variable(variable)}"
            )
        elif text:
            path, info = known[variable]
            values = _merged(values, _nested(path, _variable_value(text, info)))

    def where(key: TomlPath) -> str:
        names = [variable for variable, (path, _) in known.items() if path == key[: len(path)]]
        return f"environment variable {names[0]}" if names else "environment"

    return _Layer(values, where)


def _nearest_variable(variable: str) -> str:
    wanted = variable.upper().removeprefix(VARIABLE_PREFIX)
    by_end = {path[-1].upper(): _variable(path) for path, _ in _settings()}
    names = {name.removeprefix(VARIABLE_PREFIX): name for name in variable_names()}
    near = [by_end[wanted]] if wanted in by_end else get_close_matches(wanted, names, 1)
    return f" (did you mean {names.get(near[0], near[0])}?)" if near else ""


def _variable_value(text: str, info: FieldInfo) -> Any:
    """Read a variable as TOML would, except that texts and single folders need no quotes."""
    if info.annotation is str or (_is_path(info.annotation) and not text.startswith("[")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _override_layer(overrides: Mapping[str, Any]) -> _Layer:
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if value is not None:
            values = _merged(values, _nested(tuple(name.split(".")), value))
    return _Layer(values, lambda _: "command line")


def _nested(path: Iterable[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {first: _nested(rest, value) if rest else value}


def _merged(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of settings over another; tables are joined, all else is replaced."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and key in merged:
            # A number where a table belongs stays, so that it is refused.
            merged[key] = _merged(below, value) if isinstance(below, dict) else below
        else:
            merged[key] = value
    return merged


def _without_exclusives(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(lower)
    for table, group in EXCLUSIVE:
        if isinstance(kept.get(table), dict) and any(
            lookup(upper, (table, name))[0] for name in group
        ):
            kept[table] = {key: kept[table][key] for key in kept[table] if key not in group}
    return kept


def _contradicted(layers: list[_Layer]) -> Iterator[str]:
    """Find flags and variables that a table of ``[[experiments]]`` would silently win over."""
    tables = layers[0].values.get("experiments")
    for index, table in enumerate(tables if isinstance(tables, list) else ()):
        for key in table if isinstance(table, dict) else ():
            path = (EXPERIMENT_KEYS.get(key, ""), key)
            for layer in layers[1:]:
                if lookup(layer.values, path)[0]:
                    place = layers[0].where(("experiments", index, key))
                    yield f"{layer.where(path)}: {dotted(path)}: change it where it is set, {place}"


# --- what is wrong, in words ----------------------------------------------------------------------


def _described(found: list[ErrorDetails], layers: list[_Layer]) -> list[str]:
    """Put each problem into words, in the order of the layers and of the file's lines."""
    described: list[tuple[int, int, str]] = []
    for problem in found:
        path, order = _origin(problem["loc"], layers)
        layer = layers[order]
        what = _unknown(path) if problem["type"] == "extra_forbidden" else what_is_wrong(problem)
        text = f"{layer.where(path)}: {dotted(problem['loc'])}: {what}"
        described.append((order, layer.lines.get(path, 0), text))
    return [text for _, _, text in sorted(described)]


def _origin(location: TomlPath, layers: list[_Layer]) -> tuple[TomlPath, int]:
    """Find what gave a value: the highest layer that holds most of its path, and that path."""
    for end in range(len(location), 0, -1):
        for order in reversed(range(len(layers))):
            if lookup(layers[order].values, location[:end])[0]:
                return location[:end], order
    return location, 0


def _unknown(path: TomlPath) -> str:
    """Say that there is no such setting, and which one was probably meant."""
    within, wrong = list(path[:-1]), str(path[-1])
    names = [setting for setting, _ in _settings()]
    depth = len(within)
    here = {one[depth] for one in names if len(one) > depth and list(one[:depth]) == within}
    wanted = wrong.lower().replace("-", "_")
    elsewhere = [dotted(setting) for setting in names if setting[-1] == wanted]
    if path[0] == "experiments":
        here = set(EXPERIMENT_KEYS)
        elsewhere = [] if get_close_matches(wanted, here, 1, 0.8) else elsewhere
    if wanted in here or not elsewhere:
        near = get_close_matches(wanted, sorted(here), 1) or []
        elsewhere = [dotted((*within, name)) for name in near]
    if not elsewhere:
        near = get_close_matches(wanted, sorted({setting[-1] for setting in names}), 1)
        elsewhere = [dotted(setting) for setting in names if setting[-1] in near]
    if elsewhere:
        return f"no such setting (did you mean {' or '.join(elsewhere)}?)"
    return f"no such setting (those here are {', '.join(sorted(here))})"
