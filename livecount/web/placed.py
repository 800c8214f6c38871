"""Frames as the review lists them; blinded ones say nothing of where they were taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from livecount.web.api import plain

__all__ = ["PlacedFrame", "place_of"]


class PlacedFrame(BaseModel):
    """A counted frame and where it was taken; null where that is not known or is hidden."""

    frame_id: int
    plate: str | None
    well: str | None
    field: str | None
    group: str | None
    elapsed_h: float | None
    count: int


def place_of(frame_id: int, row: Mapping[Any, Any], *, blinded: bool) -> dict[str, Any]:
    """Give what :class:`PlacedFrame` has of a row of a snapshot's frames.

    Parameters
    ----------
    blinded
        Whether plate, well, field and group are hidden.
    """
    known = {
        "plate": row["plate"],
        "well": row["well"],
        "field": row["field"] or row["position"],
        "group": row.get("group"),
    }
    return {
        "frame_id": int(frame_id),
        **{name: None if blinded else value or None for name, value in known.items()},
        "elapsed_h": plain(row["elapsed_h"]),
        "count": int(row["count"]),
    }
