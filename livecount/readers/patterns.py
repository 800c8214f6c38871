"""File-name patterns: data in ``patterns.toml``; a user's own expression comes before them."""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from importlib import resources
from typing import Any

from livecount.errors import PatternError
from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.naming import FRAME_SUFFIXES
from livecount.readers.stamps import to_utc
from livecount.readers.wells import normalise_well, well_and_field, well_from_numbers

__all__ = ["GROUPS", "NameMatch", "NamePattern", "Patterns"]

GROUPS = (
    *("plate", "well", "well_row", "well_column", "field", "position", "time_point", "channel"),
    *("z", "year", "month", "day", "hour", "minute", "second"),
    *("elapsed_s", "elapsed_min", "elapsed_h"),
)
_SECONDS = {"day": 86_400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0}
_SECONDS |= {"elapsed_s": 1.0, "elapsed_min": 60.0, "elapsed_h": 3600.0}
# Longer names do not occur on any file system; a slow expression is bounded by what it sees.
_MAX_CHARACTERS = 1024
_USER_PATTERN = "your pattern"


@dataclass(frozen=True, slots=True)
class NameMatch:
    """What a file's name and folders say, and by which pattern."""

    pattern_name: str
    attributes: FrameAttributes


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One way of naming frames.

    Attributes
    ----------
    regex
        Matches the whole name without its extension; a user's own is searched in the whole path.
    folder
        Matches the last folders of the path, or None.
    examples
        Relative path -> attribute values.
    """

    name: str
    vendor: str
    regex: re.Pattern[str]
    folder: re.Pattern[str] | None = None
    needs_folder: bool = False
    needs_any: tuple[str, ...] = ()
    is_users: bool = False
    examples: Mapping[str, Mapping[str, Any]] | None = None

    def match(self, relative_path: str, time_zone: tzinfo) -> FrameAttributes | None:
        """Read a path's attributes, or None where the pattern does not fit."""
        folders, _, name = relative_path.rpartition("/")
        if self.is_users:
            found = self.regex.search(relative_path[-_MAX_CHARACTERS:])
            if found is None:
                return None
            cut = len(relative_path[-_MAX_CHARACTERS:]) - len(name)
            in_name = {k: v for k, v in found.groupdict().items() if found.start(k) >= cut}
            in_folder = {k: v for k, v in found.groupdict().items() if k not in in_name}
            return _attributes(_given(in_name), _given(in_folder), time_zone)
        by_name = self.regex.fullmatch(_stem(name)[-_MAX_CHARACTERS:])
        if by_name is None:
            return None
        by_folder = self.folder.fullmatch(folders) if self.folder else None
        if by_folder is None and self.needs_folder:
            return None
        in_name = _given(by_name.groupdict())
        if self.needs_any and not any(group in in_name for group in self.needs_any):
            return None
        in_folder = _given(by_folder.groupdict()) if by_folder else {}
        return _attributes(in_name, in_folder, time_zone)


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns in force, in the order in which they are tried.

    Attributes
    ----------
    time_zone
        Zone of dates in names.
    """

    patterns: tuple[NamePattern, ...]
    time_zone: tzinfo = UTC

    @classmethod
    def shipped(cls, time_zone: tzinfo = UTC) -> Patterns:
        """Load the patterns that come with livecount."""
        return cls(_shipped(), time_zone)

    def with_user_pattern(self, regex: str) -> Patterns:
        r"""Put a user's regular expression before the others.

        It is searched (not anchored) in the path below the watched folder, with ``/`` between
        folders and the extension at the end. Where it matches, only it speaks. An expression
        with nested repetition such as ``(a+)+`` may take very long on some names.

        Parameters
        ----------
        regex
            With at least one named group of those in ``GROUPS``.

        Returns
        -------
        Patterns
            A new object.

        Raises
        ------
        PatternError
            When it is no regular expression, or names an unknown group.

        >>> patterns = Patterns.shipped().with_user_pattern(r"dish(?P<position>\d+)_")
        >>> patterns.match("dish7_x.tif").attributes.position
        '7'
        """
        compiled = _compile(regex)
        if not compiled.groupindex:
            raise PatternError(
                f"the file-name pattern {regex!r} names no group",
                hint=f"Put parts into groups such as (?P<well>...); there are {', '.join(GROUPS)}",
            )
        users = NamePattern(_USER_PATTERN, "given by you", compiled, is_users=True)
        return replace(self, patterns=(users, *self.patterns))

    def match(self, relative_path: str, time_zone: tzinfo | None = None) -> NameMatch | None:
        """Understand a path.

        Parameters
        ----------
        relative_path
            Below the watched folder, ``/`` between folders.
        time_zone
            Zone of dates in names; by default that of the patterns.

        Returns
        -------
        NameMatch or None
            By the first pattern that fits.
        """
        for pattern in self.patterns:
            attributes = pattern.match(relative_path, time_zone or self.time_zone)
            if attributes is not None:
                return NameMatch(pattern.name, attributes)
        return None


@functools.cache
def _shipped() -> tuple[NamePattern, ...]:
    text = resources.files("livecount.readers").joinpath("patterns.toml").read_text("utf-8")
    shipped = tomllib.loads(text)
    return tuple(_from_table(table, shipped["parts"]) for table in shipped["pattern"])


def _from_table(table: Mapping[str, Any], parts: Mapping[str, str]) -> NamePattern:
    folder = table.get("folder")
    return NamePattern(
        name=table["name"],
        vendor=table["vendor"],
        regex=_compile(_with_parts(table["regex"], parts)),
        folder=_compile(rf"(?:.*/)?(?:{folder})") if folder else None,
        needs_folder=table.get("needs_folder", False),
        needs_any=tuple(table.get("needs_any", ())),
        examples=table["examples"],
    )


def _with_parts(regex: str, parts: Mapping[str, str]) -> str:
    """Put in the parts that several patterns share; a part may hold another."""
    while named := re.search("%([a-z-]+)%", regex):
        regex = regex.replace(named[0], parts[named[1]])
    return regex


def _compile(regex: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(regex)
    except (re.error, RecursionError, OverflowError) as error:
        hint = r"Write a Python regular expression such as (?P<well>[A-H]\d+)_t(?P<time_point>\d+)"
        raise PatternError(
            f"the file-name pattern {regex!r} is not valid: {error}", hint=hint
        ) from None
    for group in compiled.groupindex:
        if group not in GROUPS:
            raise PatternError(
                f"the file-name pattern {regex!r} names the unknown group {group!r}",
                hint=_nearest_group(group),
            )
    _check_whole(regex, compiled.groupindex)
    return compiled


def _check_whole(regex: str, groups: Iterable[str]) -> None:
    """Refuse halves: a row without a column, a year without month and day."""
    present = set(groups)
    for wanted in ({"well_row", "well_column"}, {"year", "month", "day"}):
        lacking = sorted(wanted - present)
        if lacking and ("year" in present if "year" in wanted else wanted & present):
            raise PatternError(
                f"the file-name pattern {regex!r} lacks the group {lacking[0]!r}",
                hint=f"{', '.join(sorted(wanted))} belong together",
            )


def _nearest_group(group: str) -> str:
    aliases = {"time": "time_point", "row": "well_row", "column": "well_column", "site": "field"}
    near = difflib.get_close_matches(group.lower(), (*GROUPS, *aliases), 1, 0.4)
    if not near:
        return f"The groups are {', '.join(GROUPS)}"
    return f"Did you mean {aliases.get(near[0], near[0])!r}"


def _stem(name: str) -> str:
    for suffix in FRAME_SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") else name


def _given(groups: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in groups.items() if value}


def _attributes(
    in_name: Mapping[str, str], in_folder: Mapping[str, str], time_zone: tzinfo
) -> FrameAttributes:
    # Parts of one time may stand in folder and name; what the name says comes first.
    groups = {**in_folder, **in_name}
    said = {**_place(groups), **_time(groups, time_zone)}
    values = {name: value for name, value in said.items() if value is not None}
    sources = {}
    for name in values:
        by_name = any(group in in_name for group in _ORIGINS.get(name, (name,)))
        sources[name] = AttributeSource.FILE_NAME if by_name else AttributeSource.FOLDER_NAME
    return FrameAttributes(**values, sources=sources)


_ORIGINS = {
    "well": ("well", "well_row", "well_column", "position"),
    "field": ("field", "position"),
    "acquired_at": ("year", "month", "day", "hour", "minute", "second"),
    "elapsed_s": tuple(_SECONDS),
}


def _place(groups: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: groups.get(name) for name in ("plate", "channel")}
    for name in ("field", "position"):
        text = groups.get(name)
        values[name] = str(int(text)) if text and text.isdecimal() else text
    for name in ("time_point", "z"):
        text = groups.get(name, "")
        values[name] = int(text) if text.isdecimal() else None
    if "well" in groups:
        values["well"] = normalise_well(groups["well"]) or groups["well"]
    elif "well_row" in groups and "well_column" in groups:
        values["well"] = _well_of(groups["well_row"], groups["well_column"])
    elif groups.get("position"):
        well, field = well_and_field(groups["position"])
        values["well"], values["field"] = well, values["field"] or field
    return values


def _well_of(row: str, column: str) -> str | None:
    if row.isdecimal() and column.isdecimal():
        return well_from_numbers(int(row), int(column))
    return normalise_well(row + column)


def _time(groups: Mapping[str, str], time_zone: tzinfo) -> dict[str, Any]:
    if "year" in groups:
        return {"acquired_at": _date(groups, time_zone)}
    try:
        parts = {name: float(groups[name]) for name in _SECONDS if name in groups}
    except ValueError:
        return {}
    return {"elapsed_s": sum(_SECONDS[n] * v for n, v in parts.items())} if parts else {}


def _date(groups: Mapping[str, str], time_zone: tzinfo) -> datetime | None:
    try:
        year, month, day, hour, minute, second = (
            int(groups.get(name, "0"))
            for name in ("year", "month", "day", "hour", "minute", "second")
        )
        naive = datetime(year + 2000 if year < 100 else year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
    return to_utc(naive, time_zone)
