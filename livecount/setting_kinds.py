"""What every section of the settings is made of: its kind of model, of number and of text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["PlainText", "Section", "number"]


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
