"""What people clicked, how counts agreed with it, and what a model's card says of its peaks."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, CursorResult, Row, delete, insert, select

from livecount.agreement import Agreement, agree
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Analysis, ValidatedField, Validation
from livecount.storage.tables import (
    calibrations,
    clicks,
    learnt_frames,
    validated_fields,
    validations,
)

__all__ = [
    "add_validation",
    "keep_calibration",
    "keep_learnt",
    "list_validations",
    "read_calibration",
    "read_clicks",
    "read_learnt",
]


def add_validation(
    connection: Connection,
    analysis: Analysis,
    validation: Validation,
    fields: Sequence[ValidatedField],
) -> None:
    """Keep a validation with its fields and their clicks."""
    agreement = validation.agreement
    made = connection.execute(
        insert(validations).values(
            analysis_row_id=analysis.row_id,
            model_sha256=validation.model_sha256,
            h=validation.h,
            density_unit=validation.density_unit,
            density_low=validation.density_low,
            density_high=validation.density_high,
            pixel_size_um=validation.pixel_size_um,
            n_fields=validation.n_fields,
            n_compared=agreement.n,
            mean_log_ratio=agreement.mean_log_ratio,
            sd_log_ratio=agreement.sd_log_ratio,
            made_by=validation.made_by,
            made_at=to_text(validation.made_at),
            n_not_blind=validation.n_not_blind,
        )
    )
    for field in fields:
        row = connection.execute(
            insert(validated_fields).values(
                validation_id=_row_id(made),
                frame_id=field.frame_id,
                counted=field.counted,
                annotated=field.annotated,
                true_positives=field.true_positives,
            )
        )
        field_id = _row_id(row)
        places = [
            {"field_id": field_id, "y_px": float(y_px), "x_px": float(x_px)}
            for y_px, x_px in field.clicks_yx
        ]
        if places:
            connection.execute(insert(clicks), places)


def list_validations(connection: Connection, analysis: Analysis) -> list[Validation]:
    """Read an analysis' validations, the latest first."""
    of_analysis = validations.c.analysis_row_id == analysis.row_id
    query = select(validations).where(of_analysis).order_by(validations.c.id.desc())
    one_sided = _one_sided(connection, analysis)
    return [_validation(row, one_sided.get(row.id, [])) for row in connection.execute(query)]


def _one_sided(connection: Connection, analysis: Analysis) -> dict[int, list[tuple[int, int]]]:
    """Read of each validation the fields in which only one of the two numbers is 0."""
    fields = validated_fields.c
    query = (
        select(fields.validation_id, fields.counted, fields.annotated)
        .join(validations, fields.validation_id == validations.c.id)
        .where(validations.c.analysis_row_id == analysis.row_id)
        .where((fields.counted == 0) != (fields.annotated == 0))
        .order_by(fields.id)
    )
    found: dict[int, list[tuple[int, int]]] = {}
    for validation_id, counted, annotated in connection.execute(query):
        found.setdefault(validation_id, []).append((counted, annotated))
    return found


def read_clicks(connection: Connection, analysis: Analysis) -> dict[int, npt.NDArray[np.float64]]:
    """Read the last clicks of every frame that was validated."""
    query = (
        select(validated_fields.c.frame_id, validated_fields.c.id, clicks.c.y_px, clicks.c.x_px)
        .join(validations, validated_fields.c.validation_id == validations.c.id)
        .outerjoin(clicks, clicks.c.field_id == validated_fields.c.id)
        .where(validations.c.analysis_row_id == analysis.row_id)
        .order_by(validated_fields.c.id, clicks.c.id)
    )
    found: dict[int, tuple[int, list[tuple[float, float]]]] = {}
    for frame_id, field_id, y_px, x_px in connection.execute(query):
        if frame_id not in found or found[frame_id][0] != field_id:
            found[frame_id] = (field_id, [])
        if y_px is not None:
            found[frame_id][1].append((y_px, x_px))
    return {
        frame_id: np.array(places, np.float64).reshape(-1, 2)
        for frame_id, (_, places) in found.items()
    }


def keep_calibration(
    connection: Connection, model_sha256: str, calibration: Mapping[str, float]
) -> None:
    """Keep a model's calibration; another one of the same model replaces it."""
    if read_calibration(connection, model_sha256) == dict(calibration):
        return
    connection.execute(delete(calibrations).where(calibrations.c.model_sha256 == model_sha256))
    text = json.dumps(dict(calibration), sort_keys=True)
    connection.execute(insert(calibrations).values(model_sha256=model_sha256, calibration=text))


def read_calibration(connection: Connection, model_sha256: str) -> dict[str, float] | None:
    """Read a model's calibration, if there is one."""
    query = select(calibrations.c.calibration).where(calibrations.c.model_sha256 == model_sha256)
    text = connection.execute(query).scalar()
    return None if text is None else json.loads(text)


def keep_learnt(connection: Connection, model_sha256: str, content_hashes: Collection[str]) -> None:
    """Keep which frames a model has learnt from, beside those that are kept already."""
    new = sorted(set(content_hashes) - read_learnt(connection, model_sha256))
    rows = [{"model_sha256": model_sha256, "content_hash": one} for one in new]
    if rows:
        connection.execute(insert(learnt_frames), rows)


def read_learnt(connection: Connection, model_sha256: str) -> frozenset[str]:
    """Read the hashes of the frames that a model is known to have learnt from."""
    of_model = learnt_frames.c.model_sha256 == model_sha256
    query = select(learnt_frames.c.content_hash).where(of_model)
    return frozenset(connection.execute(query).scalars())


def _row_id(result: CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _validation(row: Row[Any], one_sided: Sequence[tuple[int, int]]) -> Validation:
    return Validation(
        model_sha256=row.model_sha256,
        h=row.h,
        density_unit=row.density_unit,
        density_low=row.density_low,
        density_high=row.density_high,
        pixel_size_um=row.pixel_size_um,
        n_fields=row.n_fields,
        agreement=Agreement(
            row.n_compared, row.mean_log_ratio, row.sd_log_ratio, agree(one_sided).one_sided
        ),
        made_by=row.made_by,
        made_at=from_text(row.made_at),
        n_not_blind=row.n_not_blind,
    )
