"""First schema.

Revision ID: 0001
Revises: nothing
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE experiments (
        id INTEGER NOT NULL,
        name TEXT NOT NULL,
        time_zone TEXT NOT NULL,
        t0 TEXT,
        frame_interval_min REAL,
        cell_diameter REAL,
        cell_diameter_unit TEXT,
        cell_diameter_origin TEXT,
        settings TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT known_unit CHECK (cell_diameter_unit IN ('px', 'um')),
        CONSTRAINT diameter_has_unit CHECK ((cell_diameter IS NULL) = (cell_diameter_unit IS NULL)),
        UNIQUE (name)
    ) STRICT
    """,
    """
    CREATE TABLE sources (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        folder BLOB NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (experiment_id, folder),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    """
    CREATE TABLE files (
        id INTEGER NOT NULL,
        source_id INTEGER NOT NULL,
        relative_path BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        state TEXT NOT NULL,
        n_pages INTEGER,
        attempts INTEGER DEFAULT 0 NOT NULL,
        reason TEXT,
        changed_at TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (source_id, relative_path),
        UNIQUE (id, source_id),
        CONSTRAINT known_state CHECK (state IN ('pending', 'done', 'ignored', 'quarantined')),
        FOREIGN KEY(source_id) REFERENCES sources (id)
    ) STRICT
    """,
    """
    CREATE INDEX files_not_done ON files (source_id, state) WHERE state != 'done'
    """,
    """
    CREATE TABLE attribute_sources (
        id INTEGER NOT NULL,
        sources TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (sources)
    ) STRICT
    """,
    """
    CREATE TABLE frames (
        id INTEGER NOT NULL,
        file_id INTEGER NOT NULL,
        source_id INTEGER NOT NULL,
        page INTEGER NOT NULL,
        content_hash TEXT,
        state TEXT NOT NULL,
        reason TEXT,
        size_bytes INTEGER,
        mtime_ns INTEGER,
        height_px INTEGER,
        width_px INTEGER,
        plate TEXT,
        well TEXT,
        field TEXT,
        position TEXT,
        time_point INTEGER,
        channel TEXT,
        z INTEGER,
        acquired_at TEXT,
        elapsed_s REAL,
        pixel_size_um REAL,
        attribute_sources_id INTEGER,
        changed_at TEXT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(file_id, source_id) REFERENCES files (id, source_id),
        UNIQUE (file_id, page, content_hash),
        CONSTRAINT page_from_0 CHECK (page >= 0),
        CONSTRAINT known_state CHECK (
            state IN ('pending', 'counted', 'ignored', 'quarantined', 'superseded')
        ),
        CONSTRAINT counted_was_read CHECK (state <> 'counted' OR content_hash IS NOT NULL),
        FOREIGN KEY(attribute_sources_id) REFERENCES attribute_sources (id)
    ) STRICT
    """,
    """
    CREATE INDEX frames_by_state ON frames (source_id, state)
    """,
    """
    CREATE UNIQUE INDEX frames_one_current_revision ON frames (file_id, page)
    WHERE state != 'superseded'
    """,
    """
    CREATE TABLE analyses (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        analysis_id TEXT NOT NULL,
        model_name TEXT NOT NULL,
        model_sha256 TEXT NOT NULL,
        cell_diameter REAL NOT NULL,
        cell_diameter_unit TEXT NOT NULL,
        channel TEXT NOT NULL,
        z TEXT NOT NULL,
        h REAL NOT NULL,
        min_prominence REAL NOT NULL,
        detection_rule TEXT NOT NULL,
        further TEXT NOT NULL,
        is_primary INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (experiment_id, analysis_id),
        CONSTRAINT primary_is_yes_or_no CHECK (is_primary IN (0, 1)),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX analyses_one_primary ON analyses (experiment_id) WHERE is_primary = 1
    """,
    """
    CREATE TABLE provenances (
        id INTEGER NOT NULL,
        runtime TEXT NOT NULL,
        precision TEXT NOT NULL,
        livecount_version TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (runtime, precision, livecount_version)
    ) STRICT
    """,
    """
    CREATE TABLE counts (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        frame_id INTEGER NOT NULL,
        count INTEGER NOT NULL,
        focus REAL,
        mean_intensity REAL,
        saturated_fraction REAL,
        area_mm2 REAL,
        flags TEXT NOT NULL,
        provenance_id INTEGER NOT NULL,
        counted_at TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (analysis_row_id, frame_id),
        CONSTRAINT no_negative_count CHECK (count >= 0),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id),
        FOREIGN KEY(frame_id) REFERENCES frames (id),
        FOREIGN KEY(provenance_id) REFERENCES provenances (id)
    ) STRICT
    """,
    """
    CREATE INDEX counts_of_frame ON counts (frame_id)
    """,
    """
    CREATE TABLE candidates (
        count_id INTEGER NOT NULL,
        centres BLOB NOT NULL,
        PRIMARY KEY (count_id),
        FOREIGN KEY(count_id) REFERENCES counts (id)
    ) STRICT
    """,
    """
    CREATE TABLE notices (
        id INTEGER NOT NULL,
        code TEXT NOT NULL,
        subject TEXT NOT NULL,
        text TEXT NOT NULL,
        since TEXT NOT NULL,
        until TEXT,
        PRIMARY KEY (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX notices_said_once ON notices (code, subject) WHERE until IS NULL
    """,
    """
    CREATE TABLE monitor (
        id INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        host TEXT NOT NULL,
        livecount_version TEXT NOT NULL,
        started_at TEXT NOT NULL,
        beat_at TEXT NOT NULL,
        progress_at TEXT,
        doing TEXT NOT NULL,
        engine TEXT NOT NULL,
        source_states TEXT NOT NULL,
        stopped_at TEXT,
        PRIMARY KEY (id),
        CONSTRAINT one_monitor CHECK (id = 1)
    ) STRICT
    """,
)


def upgrade() -> None:
    """Create all tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
