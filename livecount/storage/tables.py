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

People's corrections, incidents and jobs get tables of their own with the parts that
use them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
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
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

__all__ = [
    "analyses",
    "attribute_sources",
    "calibrations",
    "candidates",
    "clicks",
    "counts",
    "events",
    "exclusions",
    "experiments",
    "files",
    "frames",
    "metadata",
    "monitor",
    "notices",
    "plate_maps",
    "provenances",
    "sources",
    "validated_fields",
    "validations",
]


class Words(TypeDecorator[str]):
    """Text that may stem from file names: what UTF-8 cannot hold is kept as escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Escape lone surrogates, which SQLite cannot store."""
        return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def _words(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, Words, nullable=nullable)


def _real(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, REAL, nullable=nullable)


def _whole(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, Integer, nullable=nullable)


def _refers(name: str, target: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Integer, ForeignKey(target), nullable=nullable)


def _identity() -> Column[Any]:
    return Column("id", Integer, primary_key=True)


metadata = MetaData()

experiments = Table(
    "experiments",
    metadata,
    _identity(),
    Column("name", Words, nullable=False, unique=True),
    _words("time_zone", nullable=False),
    Column("t0", Text),
    _real("frame_interval_min"),
    _real("cell_diameter"),
    Column("cell_diameter_unit", Text),
    _words("cell_diameter_origin"),
    _words("settings", nullable=False),
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
    _identity(),
    _refers("experiment_id", "experiments.id"),
    Column("folder", LargeBinary, nullable=False),
    UniqueConstraint("experiment_id", "folder"),
    sqlite_strict=True,
)

files = Table(
    "files",
    metadata,
    _identity(),
    _refers("source_id", "sources.id"),
    Column("relative_path", LargeBinary, nullable=False),
    # The stamp last seen; once the state is not pending, the stamp at which it was dealt with.
    _whole("size_bytes", nullable=False),
    _whole("mtime_ns", nullable=False),
    Column("state", Text, nullable=False),
    _whole("n_pages"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _words("reason"),
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
    _identity(),
    Column("sources", Text, nullable=False, unique=True),
    sqlite_strict=True,
)

frames = Table(
    "frames",
    metadata,
    _identity(),
    _whole("file_id", nullable=False),
    _whole("source_id", nullable=False),
    _whole("page", nullable=False),
    Column("content_hash", Text),
    Column("state", Text, nullable=False),
    _words("reason"),
    _whole("size_bytes"),
    _whole("mtime_ns"),
    _whole("height_px"),
    _whole("width_px"),
    _words("plate"),
    _words("well"),
    _words("field"),
    _words("position"),
    _whole("time_point"),
    _words("channel"),
    _whole("z"),
    Column("acquired_at", Text),
    _real("elapsed_s"),
    _real("pixel_size_um"),
    _refers("attribute_sources_id", "attribute_sources.id", nullable=True),
    Column("changed_at", Text, nullable=False),
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
    _identity(),
    _refers("experiment_id", "experiments.id"),
    Column("analysis_id", Text, nullable=False),
    _words("model_name", nullable=False),
    Column("model_sha256", Text, nullable=False),
    _real("cell_diameter", nullable=False),
    Column("cell_diameter_unit", Text, nullable=False),
    _words("channel", nullable=False),
    _words("z", nullable=False),
    _real("h", nullable=False),
    _real("min_prominence", nullable=False),
    _words("detection_rule", nullable=False),
    _words("further", nullable=False),
    _whole("is_primary", nullable=False),
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
    _identity(),
    _words("runtime", nullable=False),
    _words("precision", nullable=False),
    _words("livecount_version", nullable=False),
    UniqueConstraint("runtime", "precision", "livecount_version"),
    sqlite_strict=True,
)

counts = Table(
    "counts",
    metadata,
    _identity(),
    _refers("analysis_row_id", "analyses.id"),
    _refers("frame_id", "frames.id"),
    _whole("count", nullable=False),
    # NaN (a frame without light) cannot be stored in SQLite and is NULL here.
    _real("focus"),
    _real("mean_intensity"),
    _real("saturated_fraction"),
    _real("area_mm2"),
    _words("flags", nullable=False),
    _refers("provenance_id", "provenances.id"),
    Column("counted_at", Text, nullable=False),
    UniqueConstraint("analysis_row_id", "frame_id"),
    CheckConstraint("count >= 0", name="no_negative_count"),
    sqlite_strict=True,
)
Index("counts_of_frame", counts.c.frame_id)

candidates = Table(
    "candidates",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    Column("centres", LargeBinary, nullable=False),
    sqlite_strict=True,
)

segmentations = Table(
    "segmentations",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    _real("confluence_percent", nullable=False),
    _whole("bright_rounded_count", nullable=False),
    Column("shapes", LargeBinary, nullable=False),
    CheckConstraint("confluence_percent BETWEEN 0 AND 100", name="confluence_is_a_share"),
    sqlite_strict=True,
)

notices = Table(
    "notices",
    metadata,
    _identity(),
    _words("code", nullable=False),
    _words("subject", nullable=False),
    _words("text", nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text),
    sqlite_strict=True,
)
Index(
    "notices_said_once",
    notices.c.code,
    notices.c.subject,
    unique=True,
    sqlite_where=notices.c.until.is_(None),
)

monitor = Table(
    "monitor",
    metadata,
    _identity(),
    _whole("pid", nullable=False),
    _words("host", nullable=False),
    _words("livecount_version", nullable=False),
    Column("started_at", Text, nullable=False),
    Column("beat_at", Text, nullable=False),
    Column("progress_at", Text),
    _words("doing", nullable=False),
    _words("engine", nullable=False),
    _words("source_states", nullable=False),
    Column("stopped_at", Text),
    CheckConstraint("id = 1", name="one_monitor"),
    sqlite_strict=True,
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("model_sha256", Text, primary_key=True),
    _words("calibration", nullable=False),
    sqlite_strict=True,
)

validations = Table(
    "validations",
    metadata,
    _identity(),
    _refers("analysis_row_id", "analyses.id"),
    Column("model_sha256", Text, nullable=False),
    _real("h", nullable=False),
    Column("density_unit", Text, nullable=False),
    _real("density_low", nullable=False),
    _real("density_high", nullable=False),
    _real("pixel_size_um"),
    _whole("n_fields", nullable=False),
    # Fields with cells in both counts: only they have a ratio.
    _whole("n_compared", nullable=False),
    _real("mean_log_ratio"),
    _real("sd_log_ratio"),
    _words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    CheckConstraint("density_unit IN ('per mm2', 'per field')", name="known_density_unit"),
    sqlite_strict=True,
)
Index("validations_of_analysis", validations.c.analysis_row_id)

validated_fields = Table(
    "validated_fields",
    metadata,
    _identity(),
    _refers("validation_id", "validations.id"),
    _refers("frame_id", "frames.id"),
    _whole("counted", nullable=False),
    _whole("annotated", nullable=False),
    _whole("true_positives", nullable=False),
    UniqueConstraint("validation_id", "frame_id"),
    sqlite_strict=True,
)

clicks = Table(
    "clicks",
    metadata,
    _identity(),
    _refers("field_id", "validated_fields.id"),
    _real("y_px", nullable=False),
    _real("x_px", nullable=False),
    sqlite_strict=True,
)
Index("clicks_of_field", clicks.c.field_id)

plate_maps = Table(
    "plate_maps",
    metadata,
    _identity(),
    _refers("experiment_id", "experiments.id"),
    _words("wells", nullable=False),
    _words("origin", nullable=False),
    _words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    sqlite_strict=True,
)
Index("plate_maps_of_experiment", plate_maps.c.experiment_id)

events = Table(
    "events",
    metadata,
    _identity(),
    _refers("experiment_id", "experiments.id"),
    _words("name", nullable=False),
    _real("at_h", nullable=False),
    Column("at_date", Text),
    _words("wells", nullable=False),
    _words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    _words("withdrawn_by"),
    Column("withdrawn_at", Text),
    sqlite_strict=True,
)
Index("events_of_experiment", events.c.experiment_id)

exclusions = Table(
    "exclusions",
    metadata,
    _identity(),
    _refers("experiment_id", "experiments.id"),
    _words("reason", nullable=False),
    _refers("frame_id", "frames.id", nullable=True),
    _words("plate"),
    _words("well"),
    _words("field"),
    _real("start_h"),
    Column("start_date", Text),
    _real("end_h"),
    Column("end_date", Text),
    _words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    _words("withdrawn_by"),
    Column("withdrawn_at", Text),
    sqlite_strict=True,
)
Index("exclusions_of_experiment", exclusions.c.experiment_id)
