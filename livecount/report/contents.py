"""What a report says of a run: figures of speech, tables and settings, without their looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from livecount import __version__
from livecount.alerts.wording import local_time
from livecount.calibrated import describe_calibrations
from livecount.excluding import describe_exclusion
from livecount.flags import meaning
from livecount.growth import INSIDE, GrowthRow, Window
from livecount.run_tables import RunTables
from livecount.storage import Analysis, CountReader, Experiment
from livecount.time_axis import hours_of, zero_of
from livecount.validated import describe

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReportContents", "ReportTable", "gather"]

_MOST_ROWS: Final = 100
_DOUBLED: Final = "same_place_and_time"
_Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table with its heading.

    Attributes
    ----------
    title, note
        Above it; what its reader must know.
    columns
        Headings with units.
    rows
        Cells; None is empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: _Rows
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportContents:
    """All that a report says.

    Attributes
    ----------
    title, subtitle
        The experiment, and when the report was made.
    facts
        Name to text: what was counted, when, by what.
    results
        Tables of growth, groups and doses.
    quality
        Tables of flags, exclusions, files that were set aside and incidents.
    record
        Tables of events, plate maps and settings.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    results: tuple[ReportTable, ...]
    quality: tuple[ReportTable, ...]
    record: tuple[ReportTable, ...]


def gather(
    store: CountReader,
    experiment: Experiment,
    analysis: Analysis,
    tables: RunTables,
) -> ReportContents:
    """Collect what a report says of an experiment under one analysis.

    Parameters
    ----------
    tables
        Of that experiment and analysis.
    """
    counts = tables.counts
    made = datetime.now(UTC)
    return ReportContents(
        title=experiment.name,
        subtitle=f"livecount {__version__}, {made:%Y-%m-%d %H:%M} UTC",
        facts=_facts(store, experiment, analysis, counts, tables.window),
        results=_results(tables),
        quality=_quality(store, experiment, counts),
        record=_record(store, experiment, analysis, counts),
    )


def _facts(
    store: CountReader,
    experiment: Experiment,
    analysis: Analysis,
    counts: pd.DataFrame,
    window: Window | None,
) -> dict[str, str]:
    tally = store.tally(experiment)
    settings = analysis.settings
    validations = store.validations(analysis)
    diameter = experiment.cell_diameter
    origin = f" ({diameter.origin})" if diameter else ""
    used = int((counts["excluded"] == "").sum()) if len(counts) else 0
    hours = counts["elapsed_h"].dropna() if len(counts) else ()
    return {
        "Frames": f"{tally.seen} seen: {tally.counted} counted, {tally.pending} pending, "
        f"{tally.ignored} ignored, {tally.quarantined} set aside, {tally.superseded} superseded",
        "Counts used": f"{used} of {len(counts)} of this analysis; the rest is listed below",
        "Time": f"{min(hours):.2f} to {max(hours):.2f} h" if len(hours) else "no frame has a time",
        "Rates fitted over": _window_in_words(window),
        "Curves are made of": _curves_in_words(counts),
        "Overlap with other fields": ", ".join(_most_common(counts, "overlap")) or "-",
        "Model": f"{settings.model_name} ({settings.model_sha256[:16]}), h = {settings.h:g}",
        "Cell diameter": f"{settings.cell_diameter:g} {settings.cell_diameter_unit}{origin}",
        "Computed by": ", ".join(_most_common(counts, "runtime", "precision")) or "-",
        "Pixel size": ", ".join(_most_common(counts, "pixel_size_um", "pixel_size_source")) or "-",
        "Validation": describe(validations),
        "Calibration by nuclei": describe_calibrations(store.nuclei_calibrations(analysis)),
    }


def _curves_in_words(counts: pd.DataFrame) -> str:
    inside = len(counts) and bool((counts["curves_from"] == INSIDE).any())
    if not inside:
        return "all cells over the whole frame"
    guards = ", ".join(f"{px:.4g}" for px in sorted(counts["edge_guard_px"].dropna().unique())[:5])
    return f"cells at least {guards} px from the frame's edge, over the area that is left"


def _window_in_words(window: Window | None) -> str:
    start, end = window or (None, None)
    if start is None and end is None:
        return "the whole run"
    first = "the start" if start is None else f"{start:g} h"
    return f"{first} to " + ("the end" if end is None else f"{end:g} h")


def _most_common(counts: pd.DataFrame, *names: str) -> list[str]:
    """Write the combinations of some columns with how often they occur, the most common first."""
    if counts.empty:
        return []
    told = Counter(
        " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in row)
        for row in counts[list(names)].dropna().itertuples(index=False, name=None)
    )
    return [f"{words} ({n} frames)" for words, n in told.most_common(5)]


def _results(tables: RunTables) -> tuple[ReportTable, ...]:
    shown = []
    if len(tables.groups):
        shown.append(_group_report(tables.groups))
    if len(tables.doses):
        shown.append(_dose_report(tables.doses))
    return (*shown, _well_report(tables.growth_rows))


def _group_report(groups: pd.DataFrame) -> ReportTable:
    rows = [
        [
            row["group"],
            row["n_wells"],
            _spread(row, "doubling_time_h", "doubling_time_low_h", "doubling_time_high_h"),
            _spread(row, "rate_per_h", "rate_low", "rate_high", digits=3),
            _spread(row, "fold_change", "fold_change_low", "fold_change_high"),
            _spread(row, "gr", "gr_low", "gr_high", digits=2),
            _number(row["p_adjusted"], 2),
            row["reason"],
        ]
        for row in groups.to_dict("records")
    ]
    return ReportTable(
        "Groups of replicate wells",
        (
            "group", "wells", "doubling time, h", "growth rate, 1/h", "fold change", "GR",
            "p, adjusted", "remarks",
        ),
        rows,
        "Means over wells with 95 % intervals across wells; one well has no interval. Wells of one "
        "experiment are technical replicates: n is 1 independent experiment. p: Welch's t "
        "test of the rates against the controls of the same cells, Holm's correction. GR: 1 no "
        "effect, 0 standstill, below 0 loss (Hafner et al. 2016).",
    )  # fmt: skip


def _dose_report(doses: pd.DataFrame) -> ReportTable:
    rows = [
        [
            " ".join(str(row[name]) for name in ("cell_line", "treatment") if _told(row[name])),
            f"{row['n_doses']} ({_number(row['lowest_dose'])} to {_number(row['highest_dose'])})",
            row["concentration_unit"],
            _spread(row, "gr50", "gr50_low", "gr50_high"),
            _spread(row, "gr_max", "gr_max_low", "gr_max_high", digits=2),
            _spread(row, "ic50", "ic50_low", "ic50_high"),
            "; ".join(dict.fromkeys(filter(_told, (row["gr_reason"], row["ic_reason"])))),
        ]
        for row in doses.to_dict("records")
    ]
    return ReportTable(
        "Dose responses",
        ("cells, treatment", "doses", "unit", "GR50", "GR at the highest dose", "IC50", "remarks"),
        rows,
        "Each well is one point; 95 % intervals by profile likelihood.",
    )


def _well_report(growth: Sequence[GrowthRow]) -> ReportTable:
    several = len({row.plate for row in growth}) > 1
    rows = [
        [
            f"{row.plate} {row.well}" if several else row.well,
            row.group,
            row.n_points,
            _number(row.doubling_time_h, 4),
            _number(row.rate_per_h, 3),
            row.fit_reason,
            _number(row.shape.lag_h, 3),
            _number(row.shape.plateau, 4),
            str(row.verdict),
            row.reason,
        ]
        for row in growth
        if row.level == "well"
    ]
    return ReportTable(
        "Wells",
        (
            "well", "group", "counts", "doubling time, h", "rate, 1/h", "fit, and why", "lag, h",
            "plateau", "verdict", "why",
        ),
        rows,
        "A single well gives an estimate and no interval: its frames share one history. Lag: hours "
        "of growth lost by waiting; of a Gompertz where the tangent at the steepest point meets "
        "the level at the start (Zwietering et al. 1990).",
    )  # fmt: skip


def _quality(
    store: CountReader, experiment: Experiment, counts: pd.DataFrame
) -> tuple[ReportTable, ...]:
    flags = Counter(
        flag for flags in counts.get("flags", ()) for flag in str(flags).split(";") if flag
    )
    unused = counts[counts["excluded"] != ""] if len(counts) else counts
    left_out = Counter(
        (_why_left_out(row), row["excluded_by"]) for row in unused.to_dict("records")
    )
    aside = store.quarantined(experiment)
    files = [[one.relative_path.decode("utf-8", "replace"), one.reason] for one in aside]
    return (
        ReportTable(
            "Flags",
            ("flag", "frames", "says of a frame"),
            [[flag, n, meaning(flag)] for flag, n in flags.most_common()],
            "Flagged frames are used unless a person excludes them.",
        ),
        ReportTable(
            "Counts that are not used",
            ("reason", "by", "frames"),
            [[*words, n] for words, n in left_out.most_common(_MOST_ROWS)],
            _first_of(len(left_out)),
        ),
        ReportTable(
            "Files that were set aside",
            ("file", "reason"),
            files[:_MOST_ROWS],
            _first_of(len(files)),
        ),
        _incident_report(store, experiment),
    )


def _why_left_out(row: Mapping[Any, Any]) -> str:
    """Give the reason in the words of its rule: that of a re-export names each one's first file."""
    flags = str(row["flags"]).split(";")
    if row["excluded_by"] == "rule" and _DOUBLED in flags:
        return "same place and time as another frame"
    return str(row["excluded"])


def _first_of(n: int) -> str:
    return f"The first {_MOST_ROWS} of {n}." if n > _MOST_ROWS else ""


def _incident_report(store: CountReader, experiment: Experiment) -> ReportTable:
    zone = experiment.time_zone
    about = (None, experiment.name)
    found = [one for one in store.notices(with_past=True) if one.experiment in about]
    rows = [
        [
            local_time(one.since, zone),
            "lasts" if one.until is None else local_time(one.until, zone),
            one.text,
        ]
        for one in found[-_MOST_ROWS:]
    ]
    note = f"The last {_MOST_ROWS} of {len(found)}." if len(found) > _MOST_ROWS else ""
    return ReportTable("Incidents", ("since", "until", "what happened"), rows, note)


def _record(
    store: CountReader, experiment: Experiment, analysis: Analysis, counts: pd.DataFrame
) -> tuple[ReportTable, ...]:
    events = [
        [
            round(hours_of(counts, one.when), 2) if len(counts) else one.when.elapsed_h,
            one.name,
            ", ".join(one.wells) or "all",
            one.said.made_by,
            f"taken back by {one.withdrawn.made_by}" if one.withdrawn else "",
        ]
        for one in store.events(experiment)
    ]
    zero = zero_of(counts) if len(counts) else None
    exclusions = [
        [
            describe_exclusion(one, zero),
            one.reason,
            f"{one.said.made_by}, {one.said.made_at:%Y-%m-%d %H:%M}",
            f"{one.withdrawn.made_by}, {one.withdrawn.made_at:%Y-%m-%d %H:%M}"
            if one.withdrawn
            else "",
        ]
        for one in store.exclusions(experiment)
    ]
    maps = [
        [f"{one.said.made_at:%Y-%m-%d %H:%M}", one.said.made_by, one.origin, len(one.wells)]
        for one in store.plate_maps(experiment)
    ]
    return (
        ReportTable("Events", ("hours", "event", "wells", "by", ""), events),
        ReportTable("What people excluded", ("what", "why", "by (UTC)", "put back"), exclusions),
        ReportTable("Plate maps, the last first", ("UTC", "by", "from", "wells"), maps),
        ReportTable("Settings", ("setting", "value"), _settings(experiment, analysis)),
    )


def _settings(experiment: Experiment, analysis: Analysis) -> _Rows:
    settings = analysis.settings
    return [
        ["analysis", analysis.id],
        ["model, SHA-256", settings.model_sha256],
        ["h", settings.h],
        ["detection rule", settings.detection_rule],
        ["channel", settings.channel or "the only one"],
        ["z", settings.z],
        ["time zone of stamps without one", experiment.time_zone],
        ["t0", f"{experiment.t0:%Y-%m-%d %H:%M} UTC" if experiment.t0 else "the first frame"],
        ["minutes between frames, as declared", experiment.frame_interval_min],
    ]


def _told(value: Any) -> bool:
    return value is not None and value == value and value != ""


def _number(value: Any, digits: int = 3) -> str | None:
    return f"{value:.{digits}g}" if _told(value) else None


def _spread(row: Mapping[Any, Any], name: str, low: str, high: str, digits: int = 3) -> str | None:
    """Write an estimate with its interval; an open end is said."""
    if not _told(row[name]):
        return None
    if not (_told(row[low]) or _told(row[high])):
        return _number(row[name], digits)
    ends = (_number(row[end], digits) or "open" for end in (low, high))
    return f"{_number(row[name], digits)} ({' to '.join(ends)})"
