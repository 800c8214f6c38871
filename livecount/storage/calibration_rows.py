"""Calibrations of counts by stained nuclei: what was fitted, by whom, when; none is changed."""

from __future__ import annotations

import json

from sqlalchemy import Connection, insert, select

from livecount.nuclei_calibration import NucleiCalibration
from livecount.storage.calibration_table import nuclei_calibrations
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Analysis, KeptCalibration

__all__ = ["add_nuclei_calibration", "list_nuclei_calibrations"]


def add_nuclei_calibration(
    connection: Connection, analysis: Analysis, kept: KeptCalibration
) -> None:
    """Keep a calibration of an analysis' counts."""
    fitted = json.dumps(kept.calibration.to_mapping(), sort_keys=True, allow_nan=False)
    connection.execute(
        insert(nuclei_calibrations).values(
            analysis_row_id=analysis.row_id,
            nuclei_analysis_id=kept.nuclei_analysis_id,
            fitted=fitted,
            made_by=kept.made_by,
            made_at=to_text(kept.made_at),
        )
    )


def list_nuclei_calibrations(connection: Connection, analysis: Analysis) -> list[KeptCalibration]:
    """Read an analysis' calibrations, the latest first."""
    query = (
        select(nuclei_calibrations)
        .where(nuclei_calibrations.c.analysis_row_id == analysis.row_id)
        .order_by(nuclei_calibrations.c.id.desc())
    )
    return [
        KeptCalibration(
            calibration=NucleiCalibration.from_mapping(json.loads(row.fitted)),
            nuclei_analysis_id=row.nuclei_analysis_id,
            made_by=row.made_by,
            made_at=from_text(row.made_at),
        )
        for row in connection.execute(query)
    ]
