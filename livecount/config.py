"""Settings from a file, the environment and the command line, checked before anything starts.

Flags win over ``LIVECOUNT_*`` variables, those over ``config.toml``, that over the defaults. Every
setting is explained in the shipped ``config.toml``; :mod:`livecount.settings` holds their kinds and
bounds. What cannot be used is collected and said at once, each with its place and nearest name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from livecount.errors import ConfigError
from livecount.experiment_tables import (
    EXPERIMENTS,
    OF_EACH,
    SETTINGS_OF_ONE,
    UnusableTablesError,
    with_experiments,
)
from livecount.setting_trees import laid_over, look_up, merged, nested
from livecount.settings import Config, default_database
from livecount.toml_lines import TomlPath, key_lines

__all__ = [
    "Config",
    "default_database",
    "explained_config",
    "load_config",
    "setting_names",
    "settings_of_added",
    "variable_names",
]

VARIABLE_PREFIX = "LIVECOUNT_"
OTHER_VARIABLES = frozenset({"LIVECOUNT_DATA"})
"""``LIVECOUNT_*`` variables that are no settings: where the tests find real images."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")
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
    values = laid_over(layer.values for layer in layers)
    tables = values.pop(EXPERIMENTS, None)
    try:
        config = Config.model_validate(values)
        if tables is not None:
            trees = [layer.values for layer in layers]
            config = with_experiments(config, tables, trees, setting_names(), whole=not problems)
    except ValidationError as error:
        problems += _described(error.errors(include_url=False), layers)
    except UnusableTablesError as error:
        problems += _described(error.problems, layers)
    else:
        if not problems:
            return config
    raise _config_error(problems)


def settings_of_added(config: Config, table: Mapping[str, Any]) -> Config:
    """Give the settings of an experiment that was added beside those of a file.

    Parameters
    ----------
    config
        What holds for all.
    table
        What differs, as in a table of ``[[experiments]]``, folders as absolute paths.

    Raises
    ------
    ConfigError
        With every problem on a line of its own.
    """
    for_all = config.model_dump(exclude_unset=True, exclude={EXPERIMENTS: True, **OF_EACH})
    layers = [_Layer({EXPERIMENTS: [dict(table)]}, lambda _: "the experiment")]
    try:
        all_of_it = with_experiments(Config(), [dict(table)], [for_all], setting_names())
    except UnusableTablesError as error:
        raise _config_error(_described(error.problems, layers)) from error
    return all_of_it.each_experiment[0]


def explained_config() -> Path:
    """Find the shipped ``config.toml``, which lists and explains every setting."""
    packaged = Path(str(resources.files("livecount"))) / "config.toml"
    return packaged if packaged.is_file() else packaged.parent.parent / "config.toml"


def setting_names() -> list[str]:
    """List every setting by its dotted name, in the order of the shipped ``config.toml``."""
    return [".".join(path) for path, _ in _settings()]


def variable_names() -> dict[str, str]:
    """Map every environment variable that is a setting to the setting's dotted name."""
    return {_variable(path): _name(path) for path, _ in _settings()}


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
    _anchor_tables(values, path.absolute().parent, where, problems)
    return _Layer(values, where, lines)


def _anchor_tables(
    values: dict[str, Any],
    folder: Path,
    where: Callable[[TomlPath], str],
    problems: list[str],
) -> None:
    """Do the same for each table of ``[[experiments]]``."""
    kinds = dict(_settings())
    tables = values.get(EXPERIMENTS)
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        within = partial(_within_table, where, index)
        for key, setting in SETTINGS_OF_ONE.items():
            if _is_path(kinds[setting].annotation):
                _anchor(table, (key,), folder, within, problems)


def _within_table(where: Callable[[TomlPath], str], index: int, key: TomlPath) -> str:
    return where((EXPERIMENTS, index, *key))


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
    setting: tuple[str, ...],
    folder: Path,
    where: Callable[[TomlPath], str],
    problems: list[str],
) -> None:
    """Take a setting's relative paths from the config file's folder, where they are texts."""
    table: Any = values
    for key in setting[:-1]:
        table = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return
    given = table.get(setting[-1])
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    # In TOML "D:\new" holds a line break: the commonest slip with Windows paths.
    if any(isinstance(text, str) and _CONTROL.search(text) for text in texts):
        del table[setting[-1]]
        problems.append(
            f"{where(setting)}: {_name(setting)}: a backslash made a control character. "
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
            values = merged(values, nested(path, _variable_value(text, info)))

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
            values = merged(values, nested(tuple(name.split(".")), value))
    return _Layer(values, lambda _: "command line")


# --- what is wrong, in words ----------------------------------------------------------------------


def _name(path: TomlPath) -> str:
    """Name a setting for people.

    Examples
    --------
    >>> _name(("watch", "folders", 1))
    'watch.folders, item 2'
    """
    keys = ".".join(key for key in path if isinstance(key, str))
    return keys + "".join(f", item {key + 1}" for key in path if isinstance(key, int))


def _described(found: list[ErrorDetails], layers: list[_Layer]) -> list[str]:
    """Put each problem into words, in the order of the layers and of the file's lines."""
    described: list[tuple[int, int, str]] = []
    for problem in found:
        path, order = _origin(problem["loc"], layers)
        layer = layers[order]
        what = _unknown(path) if problem["type"] == "extra_forbidden" else _wrong(problem)
        text = f"{layer.where(path)}: {_name(problem['loc'])}: {what}"
        described.append((order, layer.lines.get(path, 0), text))
    return [text for _, _, text in sorted(described)]


def _origin(location: TomlPath, layers: list[_Layer]) -> tuple[TomlPath, int]:
    """Find what gave a value: the highest layer that holds most of its path, and that path."""
    for end in range(len(location), 0, -1):
        for order in reversed(range(len(layers))):
            if look_up(layers[order].values, location[:end])[0]:
                return location[:end], order
    return location, 0


def _wrong(problem: ErrorDetails) -> str:
    kind, given = problem["type"], problem["input"]
    if kind == "model_type":
        return f"must be a table, written as [{_name(problem['loc'])}]"
    message = problem["msg"].removeprefix("Value error, ")
    for formal, plain in _PLAIN_WORDS.items():
        message = message.replace(formal, plain)
    if kind == "value_error" or isinstance(given, Mapping | list | tuple):
        return message
    return f"{message} (is {given!r:.60})"


def _unknown(path: TomlPath) -> str:
    """Say that there is no such setting, and which one was probably meant."""
    *within, wrong = (str(key) for key in path)
    names = [setting for setting, _ in _settings()]
    here = {setting[len(within)] for setting in names if list(setting[: len(within)]) == within}
    wanted = wrong.lower().replace("-", "_")
    elsewhere = [_name(setting) for setting in names if setting[-1] == wanted]
    if wanted in here or not elsewhere:
        near = get_close_matches(wanted, sorted(here), 1) or []
        elsewhere = [".".join([*within, name]) for name in near]
    if not elsewhere:
        near = get_close_matches(wanted, sorted({setting[-1] for setting in names}), 1)
        elsewhere = [_name(setting) for setting in names if setting[-1] in near]
    if elsewhere:
        return f"no such setting (did you mean {' or '.join(elsewhere)}?)"
    return f"no such setting (those here are {', '.join(sorted(here))})"
