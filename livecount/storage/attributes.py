"""A frame's attributes as columns, and their later refinement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, update

from livecount.frame import AttributeSource, FrameAttributes
from livecount.storage.moments import from_text, now_text, to_text
from livecount.storage.tables import attribute_sources, counts, frames

__all__ = ["attribute_values", "interned", "merge_attributes", "read_attributes"]

_TEXTS = ("plate", "well", "field", "position", "channel")
_WHOLES = ("time_point", "z")
_REALS = ("elapsed_s", "pixel_size_um", "stage_x_um", "stage_y_um")
_UM_PER_MM = 1000.0


def attribute_values(connection: Connection, attributes: FrameAttributes) -> dict[str, Any]:
    """Give a frame's attributes as column values."""
    values: dict[str, Any] = {"acquired_at": to_text(attributes.acquired_at)}
    # Readers may hand over NumPy scalars and enumerations, which SQLite does not bind.
    for names, plain in ((_TEXTS, str), (_WHOLES, int), (_REALS, float)):
        for name in names:
            value = getattr(attributes, name)
            values[name] = None if value is None else plain(value)
    named = {name: str(where) for name, where in attributes.sources.items()}
    text = json.dumps(named, sort_keys=True)
    values["attribute_sources_id"] = interned(connection, attribute_sources, {"sources": text})
    return values


def read_attributes(connection: Connection, row: Row[Any]) -> FrameAttributes:
    """Read the attributes of a row of ``frames``."""
    values = {name: row._mapping[name] for name in (*_TEXTS, *_WHOLES, *_REALS)}
    text = connection.execute(
        select(attribute_sources.c.sources).where(
            attribute_sources.c.id == row.attribute_sources_id
        )
    ).scalar()
    named = json.loads(text or "{}")
    return FrameAttributes(
        **values,
        acquired_at=from_text(row.acquired_at),
        sources={name: AttributeSource(where) for name, where in named.items()},
    )


def merge_attributes(connection: Connection, row: Row[Any], refined: FrameAttributes) -> bool:
    """Let refined attributes of a frame win; what they do not know stays as it is."""
    old = read_attributes(connection, row)
    merged = refined.completed_by(old)
    if merged == old:
        return False
    connection.execute(
        update(frames)
        .where(frames.c.id == row.id)
        .values(**attribute_values(connection, merged), changed_at=now_text())
    )
    if merged.pixel_size_um is not None and merged.pixel_size_um != old.pixel_size_um:
        _rescale_area(connection, row, merged.pixel_size_um)
    return True


def _rescale_area(connection: Connection, row: Row[Any], pixel_size_um: float) -> None:
    """Let areas follow the pixel size; what was left out at a frame's edges stays left out."""
    if row.height_px is None:
        return
    whole_mm2 = row.height_px * row.width_px * (pixel_size_um / _UM_PER_MM) ** 2
    growth = (pixel_size_um / row.pixel_size_um) ** 2 if row.pixel_size_um else None
    connection.execute(
        update(counts)
        .where(counts.c.frame_id == row.id)
        .values(area_mm2=func.coalesce(counts.c.area_mm2 * growth, whole_mm2))
    )


def interned(connection: Connection, table: Table, values: Mapping[str, str]) -> int:
    """Find or make the one row with these values."""
    query = select(table.c.id)
    for name, value in values.items():
        query = query.where(table.c[name] == value)
    row_id = connection.execute(query).scalar()
    if row_id is None:
        made = connection.execute(insert(table).values(**values))
        assert made.inserted_primary_key is not None
        row_id = made.inserted_primary_key[0]
    return int(row_id)
