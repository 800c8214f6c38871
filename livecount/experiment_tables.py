"""``[[experiments]]``: several experiments side by side, each a few settings of its own.

A table names its experiment and folders, and whatever differs from the rest of the file. It is laid
over the file's sections before the result is checked, so that each experiment has a complete set of
settings with the same rules, bounds and messages as a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from livecount.setting_trees import laid_over, look_up
from livecount.settings import Config
from livecount.toml_lines import TomlPath

__all__ = [
    "EXPERIMENTS",
    "OF_EACH",
    "SETTINGS_OF_ONE",
    "UnusableTablesError",
    "clash",
    "sections_of",
    "with_experiments",
]

EXPERIMENTS: Final = "experiments"
# What only a table says where there are such.
OF_EACH: Final = {"watch": {"folders"}, "experiment": {"name"}}
_NO_TABLES: Final = "must be a list of tables, each written below [[experiments]]"

SETTINGS_OF_ONE: Final[Mapping[str, tuple[str, str]]] = {
    name: (section, name)
    for section, names in {
        "experiment": ("name", "time_zone", "t0", "frame_interval_min", "plate_map"),
        "watch": ("folders", "pattern"),
        "counting": (
            "h", "cell_diameter_um", "cell_diameter_px", "pixel_size_um", "pixel_size_override",
            "channel", "channel_roles", "nuclei_channel", "nucleus_diameter_um",
            "nucleus_diameter_px", "z", "segment", "edge_guard", "stage_axes",
        ),
    }.items()
    for name in names
}  # fmt: skip
"""Key in a table of ``[[experiments]]`` -> the setting that it is, section and name."""


class UnusableTablesError(Exception):
    """What is wrong with ``[[experiments]]``, in the form in which pydantic says it."""

    def __init__(self, problems: list[ErrorDetails]) -> None:
        super().__init__(problems)
        self.problems = problems


def with_experiments(
    config: Config,
    tables: Any,
    trees: Sequence[dict[str, Any]],
    all_settings: Sequence[str],
    *,
    whole: bool = True,
) -> Config:
    """Add the settings of each experiment: the file's, its table's, then what lies above both.

    Parameters
    ----------
    config
        What holds for all.
    tables
        What was found below ``[[experiments]]``.
    trees
        What file, environment and command line give, the lowest first.
    all_settings
        The dotted names of all settings.
    whole
        Whether all that the tables hold is there; else they are not compared with each other.

    Raises
    ------
    UnusableTablesError
        With all that is wrong.
    """
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise UnusableTablesError([_problem((EXPERIMENTS,), _NO_TABLES)])
    if not tables:
        raise UnusableTablesError([_problem((EXPERIMENTS,), "names no experiment: leave it out")])
    made, problems = _made(tables, trees, all_settings)
    problems = _set_beside(config) + problems
    if whole and not problems:
        problems = _incomplete(made) or _clashing(made)
    if problems:
        raise UnusableTablesError(problems)
    return config.model_copy(update={EXPERIMENTS: tuple(made)})


def _set_beside(config: Config) -> list[ErrorDetails]:
    """Name what is set for all experiments and may only be set for each."""
    given = config.model_dump(exclude_unset=True)
    paths = [(section, key) for section, keys in OF_EACH.items() for key in keys]
    return [
        _problem(path, "is set beside [[experiments]], which have their own: keep one of the two")
        for path in paths
        if look_up(given, path)[1]
    ]


def _made(
    tables: Sequence[dict[str, Any]], trees: Sequence[dict[str, Any]], all_settings: Sequence[str]
) -> tuple[list[Config], list[ErrorDetails]]:
    """Give the settings of each table that can be used, and what is wrong with any."""
    lower, *upper = (
        {key: value for key, value in tree.items() if key != EXPERIMENTS} for tree in trees
    )
    made: list[Config] = []
    problems: list[ErrorDetails] = []
    for index, table in enumerate(tables):
        problems += [
            _problem((EXPERIMENTS, index, key), _unknown(key, all_settings))
            for key in table
            if key not in SETTINGS_OF_ONE
        ]
        try:
            made.append(Config.model_validate(laid_over([lower, sections_of(table), *upper])))
        except ValidationError as error:
            problems += [
                {**found, "loc": _place_in_table(found["loc"], index, table)}
                for found in error.errors(include_url=False)
            ]
    return made, problems


def _incomplete(made: Sequence[Config]) -> list[ErrorDetails]:
    """Name experiments without what tells them apart."""
    return [
        _problem((EXPERIMENTS, index, key), f"an experiment beside others needs a {what}")
        for index, one in enumerate(made)
        for key, what, given in (
            ("name", "name", one.experiment.name),
            ("folders", "folder to watch", one.watch.folders),
        )
        if not given
    ]


def _clashing(made: Sequence[Config]) -> list[ErrorDetails]:
    found = clash(made)
    return [_problem((EXPERIMENTS, *found[:2]), found[2])] if found else []


def _problem(location: TomlPath, what: str) -> ErrorDetails:
    return {"type": "value_error", "loc": location, "msg": what, "input": None}


def sections_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a table says, as the sections of a file of its own; unknown keys are left out.

    Examples
    --------
    >>> sections_of({"name": "A549", "h": 0.2})
    {'experiment': {'name': 'A549'}, 'counting': {'h': 0.2}}
    """
    sections: dict[str, Any] = {}
    for key, value in table.items():
        if key in SETTINGS_OF_ONE:
            section, name = SETTINGS_OF_ONE[key]
            sections.setdefault(section, {})[name] = value
    return sections


def _place_in_table(
    location: Sequence[str | int], index: int, table: Mapping[str, Any]
) -> tuple[str | int, ...]:
    """Tell where in the file a problem of one experiment's settings comes from."""
    for key, path in SETTINGS_OF_ONE.items():
        if tuple(location[:2]) == path and key in table:
            return ("experiments", index, key, *location[2:])
    return ("experiments", index)


def _unknown(key: str, all_settings: Sequence[str]) -> str:
    """Say that one experiment has no such setting, and which one was probably meant."""
    wanted = key.lower().replace("-", "_")
    of_all = [name for name in all_settings if name.rpartition(".")[2] == wanted]
    near = get_close_matches(wanted, SETTINGS_OF_ONE, 1)
    if wanted in SETTINGS_OF_ONE or (near and not of_all):
        return f"no such setting (did you mean {near[0]}?)"
    if of_all:
        return f"not a setting of one experiment: {' or '.join(of_all)} holds for all"
    return f"no such setting (those here are {', '.join(SETTINGS_OF_ONE)})"


def clash(experiments: Sequence[Config]) -> tuple[int, str, str] | None:
    """Find an experiment that cannot stand beside those before it.

    Returns
    -------
    tuple or None
        Which one, counted from 0, the key that is at fault, and what is wrong with it.
    """
    names: set[str] = set()
    folders: list[tuple[Path, Path]] = []
    for index, one in enumerate(experiments):
        name = one.experiment_name.casefold()
        if name in names:
            return index, "name", f"names {one.experiment_name!r} twice"
        names.add(name)
        compared = [(Path(os.path.normcase(folder)), folder) for folder in one.watch.folders]
        for folder, shown in compared:
            for other, other_shown in folders:
                if folder.is_relative_to(other) or other.is_relative_to(folder):
                    return index, "folders", (
                        f"{shown} and {other_shown} of another experiment are one, or lie one "
                        "inside the other: a folder belongs to one experiment"
                    )  # fmt: skip
        folders += compared
    return None
