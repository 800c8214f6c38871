"""The tables, as SQLAlchemy Core sees them; ``migrations`` creates them, a test compares the two.

Why the schema is as it is:

- **Exactly once is a property of the schema.** ``frames`` is unique in (file, page, content hash),
  at most one of a page's revisions is not superseded (partial unique index), and ``counts`` is
  unique in (analysis, frame). No order of crashes and retries can count a frame twice.
- **A file stands for frames that are not known yet.** A file in state ``pending``, ``ignored`` or
  ``quarantined`` adds one frame to that state until its pages are dealt with (``done``), so
  "seen" cannot lose what was seen but never opened.
- ``frames.source_id`` repeats what the file knows, held equal by a composite foreign key, so that
  the tally of a million frames is one walk of a covering index.
- **Blobs live apart** (``candidates``): a walk over all counts must not page through gigabytes of
  cell centres.
- Attribute sources and provenance repeat in millions of rows and are stored once each.
- Paths and folders are raw bytes: a file system may hold names that are not text.
- Times are ISO 8601 UTC text of fixed width, so that text order is time order.

- A validation keeps the clicks themselves as rows: they are people's work, and another analysis of
  the same frames can be held against them.

- What people say (plate maps, events, exclusions) is never changed: a plate map is one row a
  version, the rest is withdrawn, with who and when.

- What is said to people outside is a row before it is sent (``deliveries``), written in the
  transaction that begins or ends the notice: a crash at any moment sends it twice at worst. A row
  knows a target by its name only; addresses hold secrets and stand in the settings.

What people say stands in modules of its own: ``edit_tables``, ``correction_table``,
``checked_table``, ``calibration_table``, ``watch_order_table``, ``analysis_order_table``; the masks
of cells in ``mask_table``.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from livecount.storage.column_kinds import Words, identity, real, refers, whole, words

__all__ = [
    "analyses",
    "attribute_sources",
    "calibrations",
    "candidates",
    "clicks",
    "counts",
    "deliveries",
    "experiments",
    "files",
    "frames",
    "learnt_frames",
    "looks",
    "metadata",
    "monitor",
    "notices",
    "provenances",
    "sources",
    "validated_fields",
    "validations",
]


metadata = MetaData()

experiments = Table(
    "experiments",
    metadata,
    identity(),
    Column("name", Words, nullable=False, unique=True),
    words("time_zone", nullable=False),
    Column("t0", Text),
    real("frame_interval_min"),
    real("cell_diameter"),
    Column("cell_diameter_unit", Text),
    words("cell_diameter_origin"),
    words("settings", nullable=False),
    Column("created_at", Text, nullable=False),
    CheckConstraint("cell_diameter_unit IN ('px', 'um')", name="known_unit"),
    CheckConstraint(
        "(cell_diameter IS NULL) = (cell_diameter_unit IS NULL)", name="diameter_has_unit"
    ),
    sqlite_strict=True,
)

sources = Table(
    "sources",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    Column("folder", LargeBinary, nullable=False),
    UniqueConstraint("experiment_id", "folder"),
    sqlite_strict=True,
)

files = Table(
    "files",
    metadata,
    identity(),
    refers("source_id", "sources.id"),
    Column("relative_path", LargeBinary, nullable=False),
    # The stamp last seen; once the state is not pending, the stamp at which it was dealt with.
    whole("size_bytes", nullable=False),
    whole("mtime_ns", nullable=False),
    Column("state", Text, nullable=False),
    whole("n_pages"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    words("reason"),
    Column("changed_at", Text, nullable=False),
    UniqueConstraint("source_id", "relative_path"),
    UniqueConstraint("id", "source_id"),
    CheckConstraint("state IN ('pending', 'done', 'ignored', 'quarantined')", name="known_state"),
    sqlite_strict=True,
)
Index("files_not_done", files.c.source_id, files.c.state, sqlite_where=files.c.state != "done")

attribute_sources = Table(
    "attribute_sources",
    metadata,
    identity(),
    Column("sources", Text, nullable=False, unique=True),
    sqlite_strict=True,
)

frames = Table(
    "frames",
    metadata,
    identity(),
    whole("file_id", nullable=False),
    whole("source_id", nullable=False),
    whole("page", nullable=False),
    Column("content_hash", Text),
    Column("state", Text, nullable=False),
    words("reason"),
    whole("size_bytes"),
    whole("mtime_ns"),
    whole("height_px"),
    whole("width_px"),
    words("plate"),
    words("well"),
    words("field"),
    words("position"),
    whole("time_point"),
    words("channel"),
    whole("z"),
    Column("acquired_at", Text),
    real("elapsed_s"),
    real("pixel_size_um"),
    refers("attribute_sources_id", "attribute_sources.id", nullable=True),
    Column("changed_at", Text, nullable=False),
    real("stage_x_um"),
    real("stage_y_um"),
    ForeignKeyConstraint(["file_id", "source_id"], ["files.id", "files.source_id"]),
    UniqueConstraint("file_id", "page", "content_hash"),
    CheckConstraint("page >= 0", name="page_from_0"),
    CheckConstraint(
        "state IN ('pending', 'counted', 'ignored', 'quarantined', 'superseded')",
        name="known_state",
    ),
    CheckConstraint("state <> 'counted' OR content_hash IS NOT NULL", name="counted_was_read"),
    sqlite_strict=True,
)
Index(
    "frames_one_current_revision",
    frames.c.file_id,
    frames.c.page,
    unique=True,
    sqlite_where=frames.c.state != "superseded",
)
Index("frames_by_state", frames.c.source_id, frames.c.state)

analyses = Table(
    "analyses",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    Column("analysis_id", Text, nullable=False),
    words("model_name", nullable=False),
    Column("model_sha256", Text, nullable=False),
    real("cell_diameter", nullable=False),
    Column("cell_diameter_unit", Text, nullable=False),
    words("channel", nullable=False),
    words("z", nullable=False),
    real("h", nullable=False),
    real("min_prominence", nullable=False),
    words("detection_rule", nullable=False),
    words("further", nullable=False),
    whole("is_primary", nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("experiment_id", "analysis_id"),
    CheckConstraint("is_primary IN (0, 1)", name="primary_is_yes_or_no"),
    sqlite_strict=True,
)
Index(
    "analyses_one_primary",
    analyses.c.experiment_id,
    unique=True,
    sqlite_where=analyses.c.is_primary == 1,
)

provenances = Table(
    "provenances",
    metadata,
    identity(),
    words("runtime", nullable=False),
    words("precision", nullable=False),
    words("livecount_version", nullable=False),
    UniqueConstraint("runtime", "precision", "livecount_version"),
    sqlite_strict=True,
)

counts = Table(
    "counts",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    refers("frame_id", "frames.id"),
    whole("count", nullable=False),
    # NaN (a frame without light) cannot be stored in SQLite and is NULL here.
    real("focus"),
    real("mean_intensity"),
    real("saturated_fraction"),
    real("area_mm2"),
    words("flags", nullable=False),
    refers("provenance_id", "provenances.id"),
    Column("counted_at", Text, nullable=False),
    UniqueConstraint("analysis_row_id", "frame_id"),
    CheckConstraint("count >= 0", name="no_negative_count"),
    sqlite_strict=True,
)
Index("counts_of_frame", counts.c.frame_id)
Index("counts_of_analysis", counts.c.analysis_row_id)

candidates = Table(
    "candidates",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    Column("centres", LargeBinary, nullable=False),
    sqlite_strict=True,
)

looks = Table(
    "looks",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    Column("blocks", LargeBinary, nullable=False),
    sqlite_strict=True,
)

segmentations = Table(
    "segmentations",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    real("confluence_percent", nullable=False),
    whole("bright_rounded_count", nullable=False),
    Column("shapes", LargeBinary, nullable=False),
    CheckConstraint("confluence_percent BETWEEN 0 AND 100", name="confluence_is_a_share"),
    sqlite_strict=True,
)

notices = Table(
    "notices",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id", nullable=True),
    words("code", nullable=False),
    words("subject", nullable=False),
    words("text", nullable=False),
    words("plate"),
    words("well"),
    Column("since", Text, nullable=False),
    Column("until", Text),
    # When it was last said to be so: what a new monitor does not say again is over.
    Column("said_at", Text, nullable=False),
    sqlite_strict=True,
)
Index(
    "notices_said_once",
    notices.c.code,
    notices.c.subject,
    func.coalesce(notices.c.experiment_id, text("0")),
    unique=True,
    sqlite_where=notices.c.until.is_(None),
)

deliveries = Table(
    "deliveries",
    metadata,
    identity(),
    refers("notice_id", "notices.id"),
    words("target", nullable=False),
    Column("part", Text, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    words("last_error"),
    Column("delivered_at", Text),
    UniqueConstraint("notice_id", "target", "part"),
    CheckConstraint("part IN ('begin', 'end')", name="known_part"),
    sqlite_strict=True,
)
Index(
    "deliveries_open",
    deliveries.c.target,
    deliveries.c.due_at,
    sqlite_where=deliveries.c.delivered_at.is_(None),
)

monitor = Table(
    "monitor",
    metadata,
    identity(),
    whole("pid", nullable=False),
    words("host", nullable=False),
    words("livecount_version", nullable=False),
    Column("started_at", Text, nullable=False),
    Column("beat_at", Text, nullable=False),
    Column("progress_at", Text),
    words("doing", nullable=False),
    words("engine", nullable=False),
    words("source_states", nullable=False),
    Column("stopped_at", Text),
    CheckConstraint("id = 1", name="one_monitor"),
    sqlite_strict=True,
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("model_sha256", Text, primary_key=True),
    words("calibration", nullable=False),
    sqlite_strict=True,
)

learnt_frames = Table(
    "learnt_frames",
    metadata,
    Column("model_sha256", Text, primary_key=True),
    Column("content_hash", Text, primary_key=True),
    sqlite_strict=True,
)

validations = Table(
    "validations",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    Column("model_sha256", Text, nullable=False),
    real("h", nullable=False),
    Column("density_unit", Text, nullable=False),
    real("density_low", nullable=False),
    real("density_high", nullable=False),
    real("pixel_size_um"),
    whole("n_fields", nullable=False),
    # Fields with cells in both counts: only they have a ratio.
    whole("n_compared", nullable=False),
    real("mean_log_ratio"),
    real("sd_log_ratio"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    Column("n_not_blind", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("density_unit IN ('per mm2', 'per field')", name="known_density_unit"),
    sqlite_strict=True,
)
Index("validations_of_analysis", validations.c.analysis_row_id)

validated_fields = Table(
    "validated_fields",
    metadata,
    identity(),
    refers("validation_id", "validations.id"),
    refers("frame_id", "frames.id"),
    whole("counted", nullable=False),
    whole("annotated", nullable=False),
    whole("true_positives", nullable=False),
    UniqueConstraint("validation_id", "frame_id"),
    sqlite_strict=True,
)

clicks = Table(
    "clicks",
    metadata,
    identity(),
    refers("field_id", "validated_fields.id"),
    real("y_px", nullable=False),
    real("x_px", nullable=False),
    sqlite_strict=True,
)
Index("clicks_of_field", clicks.c.field_id)
