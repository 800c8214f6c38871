"""The settings of ``[alerts]``, part of :mod:`livecount.settings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from livecount.setting_kinds import PlainText, Section, number

__all__ = ["AlertRule", "AlertSettings"]

AlertRule = Literal[
    "frame_overdue",
    "well_missing",
    "threshold_reached",
    "threshold_forecast",
    "growth_stopped",
    "focus_drifting",
    "counting_paused",
    "disk_low",
    "source_offline",
    "not_looked_at",
    "runtime_replaced",
    "backup_failed",
    "plate_map",
    "incidents_not_judged",
]
"""Kinds of incident, as livecount.alerts.KINDS names them; a test holds both together."""


_TARGET_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def _targets(value: Any) -> Any:
    """Refuse what is no table of addresses without repeating it: addresses hold secrets."""
    if not isinstance(value, Mapping):
        raise ValueError('must be a table such as { lab = "env:LAB_ALERTS" }')
    for name, address in value.items():
        if not _TARGET_NAME.fullmatch(str(name)):
            raise ValueError("names of targets are made of letters, digits, - and _")
        if not isinstance(address, str | SecretStr):
            raise ValueError(f"the address of {name} must be a text in quotes")
    return value


def _hours_of_day(text: str) -> str:
    if text:
        try:
            start, end = text.split("-")
            time.fromisoformat(start.strip())
            time.fromisoformat(end.strip())
        except ValueError as error:
            raise ValueError('must be two times of the day, as in "22:00-07:00"') from error
    return text


class AlertSettings(Section):
    """``[alerts]``: who is told what of the run, and from when on."""

    targets: Annotated[Mapping[str, SecretStr], BeforeValidator(_targets)] = Field(
        default_factory=dict
    )
    rules: tuple[AlertRule, ...] = get_args(AlertRule)
    thresholds: Mapping[
        Literal["confluence_percent", "density_per_mm2", "count"],
        Annotated[float, number(gt=0, le=1e9)],
    ] = Field(default_factory=dict)
    wells: tuple[PlainText, ...] = ()
    forecast_ahead_h: Annotated[float, number(gt=0, le=8766)] = 24.0
    overdue_factor: Annotated[float, number(ge=1, le=1000)] = 1.5
    disk_low_gb: Annotated[float, number(ge=0, le=1_000_000)] = 2.0
    calm_min: Annotated[float, number(ge=0, le=10_000)] = 10.0
    quiet_hours: Annotated[str, AfterValidator(_hours_of_day)] = ""
    even_when_quiet: tuple[AlertRule, ...] = (
        "frame_overdue",
        "focus_drifting",
        "counting_paused",
        "source_offline",
    )
    timeout_s: Annotated[float, number(ge=1, le=600)] = 30.0

    @field_validator("thresholds")
    @classmethod
    def _can_be_reached(cls, thresholds: Mapping[str, float]) -> Mapping[str, float]:
        if thresholds.get("confluence_percent", 0) > 100:
            raise ValueError("confluence_percent is at most 100")
        return thresholds

    @property
    def quiet_span(self) -> tuple[time, time] | None:
        """Begin and end of the quiet hours, None where there are none."""
        if not self.quiet_hours:
            return None
        start, end = self.quiet_hours.split("-")
        return time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
