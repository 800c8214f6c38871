"""What every section of the settings is made of: its kind of model, of number and of text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["PlainText", "Section", "nearest_time_zone", "number"]


def _plain_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line break or another character that cannot be shown")
    return text.strip()


PlainText = Annotated[str, AfterValidator(_plain_text)]
"""Text of one line."""


def number(**bounds: float) -> Any:
    """Declare a finite number within bounds, given as a number."""
    return Field(strict=True, allow_inf_nan=False, **bounds)  # type: ignore[call-overload]


class Section(BaseModel):
    """A frozen table of settings that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def nearest_time_zone(name: str) -> str:
    """Say which time zone was probably meant, to be put behind the name that is none."""
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    by_lower = {zone.lower(): zone for zone in sorted(available_timezones())}
    cities = {zone.rsplit("/", 1)[-1]: zone for zone in by_lower if "/" in zone}
    wanted = name.lower().replace(" ", "_")
    close = get_close_matches(wanted, by_lower, 1, 0.75) or [
        cities[city] for city in get_close_matches(wanted, cities, 1, 0.75)
    ]
    return f"; did you mean {by_lower[close[0]]}?" if close else ", as in Europe/Berlin"
