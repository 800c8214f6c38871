"""Every setting: its name, kind, bounds and default. What each is for stands in ``config.toml``.

All models are frozen and refuse unknown keys. :mod:`livecount.config` fills them.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from livecount.alert_settings import AlertSettings
from livecount.setting_kinds import PlainText as _Text
from livecount.setting_kinds import Section as _Section
from livecount.setting_kinds import number as _number

__all__ = [
    "AlertSettings",
    "ChannelRole",
    "Config",
    "CountingSettings",
    "DashboardSettings",
    "DatabaseSettings",
    "EdgeGuard",
    "ExperimentSettings",
    "LogSettings",
    "RetrySettings",
    "WatchSettings",
    "default_database",
]

ChannelRole = Literal["count", "nuclei", "ignore"]
EdgeGuard = Literal["none", "half-diameter"]
StageSides = Literal[
    "right down",
    "right up",
    "left down",
    "left up",
    "down right",
    "down left",
    "up right",
    "up left",
]

# livecount.frame.MIN_PROMINENCE, repeated so that reading settings does not import numpy.
_MIN_H = 0.02


def default_database() -> Path:
    """Name the database that is used when none is given, in the user's own data folder."""
    return platformdirs.user_data_path("livecount", appauthor=False) / "livecount.db"


def _absolute(value: Any) -> Any:
    if value is None or value == "":
        return value
    if not isinstance(value, str | PurePath):
        raise ValueError(f"must be a folder or file, as a text in quotes (is {value!r:.60})")
    if "\0" in str(value):
        raise ValueError("holds a NUL character")
    try:
        return Path(os.path.normpath(Path(value).expanduser().absolute()))
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _absent_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _z_selection(value: Any) -> Literal["sharpest", "all"] | int:
    if value in ("sharpest", "all") or (type(value) is int and value >= 0):
        return value  # type: ignore[no-any-return]
    raise ValueError(f'must be "sharpest", "all" or the number of a plane (is {value!r:.60})')


_Switch = Annotated[bool, Field(strict=True)]
_AbsolutePath = Annotated[Path, BeforeValidator(_absolute)]
_OptionalPath = Annotated[
    Path | None, BeforeValidator(_absent_if_empty), BeforeValidator(_absolute)
]
_Seconds = Annotated[float, _number(gt=0, le=86_400)]


class ExperimentSettings(_Section):
    """``[experiment]``: what is being watched, and how its times are read."""

    name: Annotated[_Text, Field(max_length=200)] = ""
    time_zone: str = "UTC"
    t0: datetime | None = None
    frame_interval_min: Annotated[float, _number(gt=0, le=1_000_000)] | None = None
    plate_map: _OptionalPath = None

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{name!r:.60} is not a time zone{_nearest_time_zone(name)}"
            ) from error
        return name

    @field_validator("t0", mode="before")
    @classmethod
    def _parsed_t0(cls, value: Any) -> datetime | None:
        # Pydantic alone would read a bare number as seconds since 1970.
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        elif isinstance(value, datetime):
            return value
        elif isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 (zone comes after)
        raise ValueError(f"must be a time such as 2026-10-05T14:30:00 (is {value!r:.60})")

    @field_validator("t0")
    @classmethod
    def _t0_in_utc(cls, t0: datetime | None, info: ValidationInfo) -> datetime | None:
        if t0 is None or "time_zone" not in info.data:
            return t0
        if t0.tzinfo is None:
            t0 = _placed(t0, info.data["time_zone"])
        try:
            return t0.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("is outside the years 1 to 9999") from error


def _placed(local: datetime, time_zone: str) -> datetime:
    """Give a naive time its zone, refusing the hours that a clock change skips or repeats."""
    first = local.replace(tzinfo=ZoneInfo(time_zone), fold=0)
    if first.utcoffset() != first.replace(fold=1).utcoffset():
        raise ValueError(
            f"happens twice or never in {time_zone}, where clocks change in that hour: "
            "add the offset from UTC, as in 2026-10-25T02:30:00+02:00"
        )
    return first


def _nearest_time_zone(name: str) -> str:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    by_lower = {zone.lower(): zone for zone in sorted(available_timezones())}
    cities = {zone.rsplit("/", 1)[-1]: zone for zone in by_lower if "/" in zone}
    wanted = name.lower().replace(" ", "_")
    close = get_close_matches(wanted, by_lower, 1, 0.75) or [
        cities[city] for city in get_close_matches(wanted, cities, 1, 0.75)
    ]
    return f"; did you mean {by_lower[close[0]]}?" if close else ", as in Europe/Berlin"


class RetrySettings(_Section):
    """``[watch.retry]``: how long a frame that cannot be read is tried again."""

    attempts: Annotated[int, _number(ge=1, le=1000)] = 5
    first_wait_s: Annotated[float, _number(gt=0, le=86_400)] = 2.0
    longest_wait_s: Annotated[float, _number(gt=0, le=86_400)] = Field(
        default=60.0, validate_default=True
    )
    again_after_s: Annotated[float, _number(ge=0, le=86_400)] = 600.0

    @field_validator("longest_wait_s")
    @classmethod
    def _not_below_the_first(cls, longest_wait_s: float, info: ValidationInfo) -> float:
        if longest_wait_s < info.data.get("first_wait_s", 0):
            raise ValueError(f"must be at least first_wait_s, {info.data['first_wait_s']:g} s")
        return longest_wait_s

    def wait_s(self, failures: int) -> float:
        """Give the wait after so many failed attempts: the first one doubled each time, capped.

        Examples
        --------
        >>> [RetrySettings().wait_s(failures) for failures in (1, 2, 3, 9)]
        [2.0, 4.0, 8.0, 60.0]
        """
        return min(self.first_wait_s * 2.0 ** min(max(failures, 1) - 1, 40), self.longest_wait_s)


class WatchSettings(_Section):
    """``[watch]``: which folders are watched, and when a frame counts as complete."""

    folders: tuple[_AbsolutePath, ...] = ()
    pattern: str = ""
    order: Literal["newest", "oldest"] = "newest"
    scan_interval_s: Annotated[float, _number(ge=0.1, le=86_400)] = 5.0
    settle_s: _Seconds = 2.0
    settle_looks: Annotated[int, _number(ge=2, le=100)] = 2
    settle_on_share_s: _Seconds = 10.0
    zero_tail_wait_s: _Seconds = 60.0
    patience_s: Annotated[float, _number(ge=1, le=86_400)] = 120.0
    retry: RetrySettings = RetrySettings()

    @field_validator("folders", mode="before")
    @classmethod
    def _one_folder_is_a_list(cls, folders: Any) -> Any:
        return (folders,) if isinstance(folders, str | Path) else folders

    @field_validator("folders")
    @classmethod
    def _apart(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        # An empty text would otherwise be the current folder.
        if any(not folder.is_absolute() for folder in folders):
            raise ValueError("holds an empty folder name")
        compared = [Path(os.path.normcase(folder)) for folder in folders]
        for index, folder in enumerate(compared):
            for other, shown in zip(compared[:index], folders, strict=False):
                if folder == other:
                    raise ValueError(f"names {shown} twice")
                if folder.is_relative_to(other) or other.is_relative_to(folder):
                    raise ValueError(
                        f"{folders[index]} and {shown} lie one inside the other: "
                        "frames would be counted twice; name the outer one only"
                    )
        return folders

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if not pattern:
            return pattern
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                compiled = re.compile(pattern)
        except (re.error, OverflowError, RecursionError, Warning) as error:
            raise ValueError(f"is not a usable regular expression: {error}") from error
        if not compiled.groupindex:
            raise ValueError(
                "has no named group, so it says nothing of a frame: "
                "write what it should find as (?P<well>...), (?P<time_point>...) and so on"
            )
        return pattern


class CountingSettings(_Section):
    """``[counting]``: the network, the size of the cells, and what of each frame is counted."""

    model: Annotated[_Text, Field(min_length=1)] = "deepdistance"
    h: Annotated[float, _number(ge=_MIN_H, le=1)] | None = None
    cell_diameter_um: Annotated[float, _number(ge=1, le=1000)] | None = None
    cell_diameter_px: Annotated[float, _number(ge=2, le=2000)] | None = None
    pixel_size_um: Annotated[float, _number(ge=0.001, le=100)] | None = None
    pixel_size_override: _Switch = False
    channel: _Text = ""
    nuclei_channel: _Text = ""
    nucleus_diameter_um: Annotated[float, _number(ge=1, le=100)] | None = None
    nucleus_diameter_px: Annotated[float, _number(ge=4, le=1000)] | None = None
    channel_roles: Mapping[str, ChannelRole] = Field(default_factory=dict)
    z: Annotated[Literal["sharpest", "all"] | int, PlainValidator(_z_selection)] = "sharpest"
    segment: _Switch = False
    edge_guard: EdgeGuard | None = None
    stage_axes: StageSides | None = None
    runtime: Literal[
        "auto",
        "onnxruntime",
        "openvino",
        "onnxruntime-cuda",
        "onnxruntime-directml",
        "tensorrt",
        "tensorrt-rtx",
    ] = "auto"
    threads: Annotated[int, _number(ge=0, le=1024)] = 0
    memory_limit_mb: Annotated[int, _number(ge=100, le=1_000_000)] = 500
    max_frame_megapixels: Annotated[float, _number(gt=0, le=1_000_000)] = 1000.0

    @field_validator("cell_diameter_px")
    @classmethod
    def _one_diameter(cls, diameter_px: float | None, info: ValidationInfo) -> float | None:
        if diameter_px is not None and info.data.get("cell_diameter_um") is not None:
            raise ValueError("cell_diameter_um is given too: keep one of the two")
        return diameter_px

    @field_validator("nuclei_channel")
    @classmethod
    def _not_the_counted_channel(cls, nuclei: str, info: ValidationInfo) -> str:
        if nuclei and nuclei.casefold() == str(info.data.get("channel", "")).casefold():
            raise ValueError(
                f"names {nuclei!r}, which `channel` counts: stained nuclei are another"
            )
        return nuclei

    @field_validator("nucleus_diameter_px")
    @classmethod
    def _one_nucleus_diameter(cls, diameter_px: float | None, info: ValidationInfo) -> float | None:
        if diameter_px is not None and info.data.get("nucleus_diameter_um") is not None:
            raise ValueError("nucleus_diameter_um is given too: keep one of the two")
        return diameter_px

    @field_validator("pixel_size_override")
    @classmethod
    def _something_to_override_with(cls, override: bool, info: ValidationInfo) -> bool:
        if override and info.data.get("pixel_size_um", 0) is None:
            raise ValueError("needs pixel_size_um, which is not given")
        return override

    @field_validator("channel_roles")
    @classmethod
    def _agrees_with_channel(
        cls, roles: Mapping[str, ChannelRole], info: ValidationInfo
    ) -> Mapping[str, ChannelRole]:
        channel = str(info.data.get("channel", ""))
        counted = [name for name, role in roles.items() if role == "count"]
        for name, role in roles.items():
            if name.casefold() == channel.casefold() and role != "count":
                raise ValueError(f"says {role!r} for {name!r}, which `channel` counts")
        if channel and any(name.casefold() != channel.casefold() for name in counted):
            raise ValueError(f"counts {counted[0]!r}, but `channel` names {channel!r}")
        if len(counted) > 1:
            raise ValueError(f"counts {counted[0]!r} and {counted[1]!r}: only one can be counted")
        _check_nuclei(roles, str(info.data.get("nuclei_channel", "")))
        return roles

    @property
    def referee_channel(self) -> str | None:
        """The channel of stained nuclei, by its own setting or by its role."""
        by_role = [name for name, role in self.channel_roles.items() if role == "nuclei"]
        return self.nuclei_channel or (by_role[0] if by_role else None)


def _check_nuclei(roles: Mapping[str, ChannelRole], channel: str) -> None:
    """Refuse roles that contradict `nuclei_channel`, or a second channel of nuclei."""
    nuclei = [name for name, role in roles.items() if role == "nuclei"]
    for name, role in roles.items():
        if name.casefold() == channel.casefold() and role != "nuclei":
            raise ValueError(f"says {role!r} for {name!r}, which `nuclei_channel` names")
    if channel and any(name.casefold() != channel.casefold() for name in nuclei):
        raise ValueError(f"says 'nuclei' for {nuclei[0]!r}, but `nuclei_channel` names {channel!r}")
    if len(nuclei) > 1:
        raise ValueError(f"has nuclei in {nuclei[0]!r} and {nuclei[1]!r}: only one is the referee")


class DatabaseSettings(_Section):
    """``[database]``: where the counts are kept."""

    file: Annotated[
        _AbsolutePath, BeforeValidator(lambda given: default_database() if given == "" else given)
    ] = Field(default_factory=default_database)


class BackupSettings(_Section):
    """``[backup]``: dated copies of the database that the monitor takes and verifies."""

    every_h: Annotated[float, _number(ge=0, le=8766)] = 24.0
    keep: Annotated[int, _number(ge=1, le=10_000)] = 7
    folder: _OptionalPath = None


class DashboardSettings(_Section):
    """``[dashboard]``: the pages that are served on this computer."""

    picture_cache_gb: Annotated[float, _number(gt=0, le=100_000)] = 2.0


class LogSettings(_Section):
    """``[log]``: what the monitor writes down, and where."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: _OptionalPath = None
    max_mb: Annotated[float, _number(gt=0, le=100_000)] = 10.0
    keep_files: Annotated[int, _number(ge=1, le=1000)] = 5


class Config(_Section):
    """All settings of livecount; without arguments, the defaults."""

    experiment: ExperimentSettings = ExperimentSettings()
    watch: WatchSettings = WatchSettings()
    counting: CountingSettings = CountingSettings()
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    backup: BackupSettings = BackupSettings()
    alerts: AlertSettings = AlertSettings()
    dashboard: DashboardSettings = DashboardSettings()
    log: LogSettings = LogSettings()
    experiments: tuple[Config, ...] | None = None
    """Each a complete set of settings; None: the one experiment that the sections speak of."""

    @property
    def each_experiment(self) -> tuple[Config, ...]:
        """The settings of each experiment that is watched, the only one's are these."""
        return self.experiments or (self,)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All watched folders of all experiments."""
        return tuple(folder for one in self.each_experiment for folder in one.watch.folders)

    def of_experiment(self, name: str) -> Config:
        """Give the settings of an experiment; these where it has none of its own."""
        return next((one for one in self.experiments or () if one.experiment_name == name), self)

    @property
    def experiment_name(self) -> str:
        """The experiment's name: as set, else that of the first watched folder."""
        folders = self.watch.folders
        return self.experiment.name or (folders[0].name if folders else "") or "experiment"

    @property
    def log_file(self) -> Path:
        """The log: as set, else beside the database, under the database's name."""
        return self.log.file or self.database.file.with_suffix(".log")
