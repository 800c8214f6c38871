"""People's validations of counts, and each model's calibration of prominence.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE calibrations (
        model_sha256 TEXT NOT NULL,
        calibration TEXT NOT NULL,
        PRIMARY KEY (model_sha256)
    ) STRICT
    """,
    """
    CREATE TABLE validations (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        model_sha256 TEXT NOT NULL,
        h REAL NOT NULL,
        density_unit TEXT NOT NULL,
        density_low REAL NOT NULL,
        density_high REAL NOT NULL,
        pixel_size_um REAL,
        n_fields INTEGER NOT NULL,
        n_compared INTEGER NOT NULL,
        mean_log_ratio REAL,
        sd_log_ratio REAL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT known_density_unit CHECK (density_unit IN ('per mm2', 'per field')),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id)
    ) STRICT
    """,
    """
    CREATE INDEX validations_of_analysis ON validations (analysis_row_id)
    """,
    """
    CREATE TABLE validated_fields (
        id INTEGER NOT NULL,
        validation_id INTEGER NOT NULL,
        frame_id INTEGER NOT NULL,
        counted INTEGER NOT NULL,
        annotated INTEGER NOT NULL,
        true_positives INTEGER NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (validation_id, frame_id),
        FOREIGN KEY(validation_id) REFERENCES validations (id),
        FOREIGN KEY(frame_id) REFERENCES frames (id)
    ) STRICT
    """,
    """
    CREATE TABLE clicks (
        id INTEGER NOT NULL,
        field_id INTEGER NOT NULL,
        y_px REAL NOT NULL,
        x_px REAL NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(field_id) REFERENCES validated_fields (id)
    ) STRICT
    """,
    """
    CREATE INDEX clicks_of_field ON clicks (field_id)
    """,
)


def upgrade() -> None:
    """Add the tables; nothing that was there changes."""
    for statement in _STATEMENTS:
        op.execute(statement)
