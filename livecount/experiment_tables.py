"""``[[experiments]]``: what each of several experiments sets for itself, over what holds for all.

Part of :mod:`livecount.settings`, whose sections check the values here as they do everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

__all__ = [
    "EXCLUSIVE",
    "EXPERIMENT_KEYS",
    "EXPERIMENT_PATHS",
    "check_for_all",
    "overlapping",
    "plain",
    "split_tables",
]

_BY_SECTION = {
    "experiment": ("name", "time_zone", "t0", "frame_interval_min", "plate_map"),
    "watch": ("folders", "pattern", "order"),
    "counting": (
        "h",
        "cell_diameter_um",
        "cell_diameter_px",
        "pixel_size_um",
        "pixel_size_override",
        "channel",
        "channel_roles",
        "z",
        "segment",
        "edge_guard",
        "stage_axes",
    ),
}
EXPERIMENT_KEYS: Mapping[str, str] = {
    key: section for section, keys in _BY_SECTION.items() for key in keys
}
"""What an experiment may set for itself -> the section where it holds for all."""
EXPERIMENT_PATHS = ("folders", "plate_map")
_NEEDED = ("name", "folders")
_ITS_OWN = (*_NEEDED, "t0", "plate_map")
"""Never taken from what holds for all."""
EXCLUSIVE = (
    ("counting", ("cell_diameter_um", "cell_diameter_px")),
    ("counting", ("channel", "channel_roles")),
)
"""One of these given on a higher level takes back all of its group on the lower ones."""


def split_tables(tables: Any, base: Mapping[str, BaseModel]) -> list[Any]:
    """Check the tables of experiments and lay each over the sections that hold for all.

    Parameters
    ----------
    tables
        As read from the file; what was checked before passes.
    base
        Section -> the settings that hold for all.

    Returns
    -------
    list
        For each table its own sections, name -> settings.

    Raises
    ------
    ValidationError
        With every problem, its place beginning with the table's number.
    ValueError
        There are no tables where they belong.
    """
    if not isinstance(tables, list | tuple):
        raise ValueError("must be tables, each under a line [[experiments]]")
    problems: list[InitErrorDetails] = []
    found = [
        table if isinstance(table, BaseModel) else _sections(index, table, base, problems)
        for index, table in enumerate(tables)
    ]
    if not problems:
        problems += _alike(found)
    if problems:
        raise ValidationError.from_exception_data("experiments", problems)
    return found


def check_for_all(base: Mapping[str, BaseModel]) -> None:
    """Refuse, where there are tables, what only one experiment can have for all of them.

    Raises
    ------
    ValueError
        Naming the first such setting.
    """
    for key in _ITS_OWN:
        section = EXPERIMENT_KEYS[key]
        if getattr(base[section], key):
            raise ValueError(f"[{section}] {key} is given too: set it in each table instead")


def plain(value: Any) -> Any:
    """Give a setting as a plain JSON value that reads as the same setting again."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def overlapping(folders: Sequence[Path]) -> str:
    """Say of the first two folders that hold the same files that they do; else give nothing."""
    compared = [Path(os.path.normcase(folder)) for folder in folders]
    for index, folder in enumerate(compared):
        for other, shown in zip(compared[:index], folders, strict=False):
            if folder == other:
                return f"names {shown} twice"
            if folder.is_relative_to(other) or other.is_relative_to(folder):
                return (
                    f"{folders[index]} and {shown} lie one inside the other: "
                    "frames would be counted twice; name the outer one only"
                )
    return ""


def _sections(
    index: int, table: Any, base: Mapping[str, BaseModel], problems: list[InitErrorDetails]
) -> dict[str, BaseModel]:
    """Check one table; what is wrong with it goes to the problems."""
    if not isinstance(table, Mapping):
        problems.append(_problem((index,), "must be a table, written as [[experiments]]", table))
        return {}
    problems += [
        _problem((index, str(key)), "", table[key], "extra_forbidden")
        for key in table
        if key not in EXPERIMENT_KEYS
    ]
    problems += [
        _problem((index, key), "must be given for each experiment", table)
        for key in _NEEDED
        if not str(table.get(key) or "").strip()
    ]
    sections = {}
    for section, settings in base.items():
        given = {key: table[key] for key in _BY_SECTION[section] if key in table}
        try:
            values = {**_inherited(section, settings, given), **given}
            sections[section] = type(settings).model_validate(values)
        except ValidationError as error:
            problems += [
                _problem((index, *one["loc"]), one["msg"], one["input"], one["type"])
                for one in error.errors(include_url=False)
            ]
    return sections


def _inherited(section: str, settings: BaseModel, given: Mapping[str, Any]) -> dict[str, Any]:
    taken_back = {*_ITS_OWN} | {
        key
        for where, group in EXCLUSIVE
        if where == section and any(key in given for key in group)
        for key in group
    }
    kept = settings.model_fields_set - taken_back
    return {name: getattr(settings, name) for name in kept}


def _alike(found: Iterable[Any]) -> Iterator[InitErrorDetails]:
    """Find names that two experiments share, and folders that two of them would watch."""
    names: set[str] = set()
    folders: list[Path] = []
    for index, one in enumerate(found):
        sections = dict(one)
        name = sections["experiment"].name
        if name in names:
            yield _problem((index, "name"), f"{name!r} is another experiment's name too", name)
        names.add(name)
        folders += sections["watch"].folders
        overlap = overlapping(folders)
        if overlap:
            yield _problem((index, "folders"), overlap, None)
            return


def _problem(
    place: tuple[str | int, ...], text: str, given: Any, kind: str = "value_error"
) -> InitErrorDetails:
    # A brace in the text would be taken for a place to fill in.
    message = PydanticCustomError(kind, "{text}", {"text": text or "no such setting"})
    return InitErrorDetails(type=message, loc=place, input=given)
