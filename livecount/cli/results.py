"""``export``, ``plot``, ``report``: from the database, while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livecount.cli.independent import Independent, independent_groups
from livecount.cli.moments import (
    FromEvent,
    FromHour,
    Normalise,
    Span,
    ToHour,
    marks_of,
    reference_named,
)
from livecount.cli.options import (
    AnalysisId,
    AsJson,
    ConfigFile,
    DatabaseFile,
    EdgeGuard,
    ExperimentName,
    chosen_analysis,
    edge_rule,
    finite,
    load_settings,
)
from livecount.cli.terminal import progress_bar, say, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.config import Config
    from livecount.nuclei_calibration import NucleiCalibration
    from livecount.plots import EventMark
    from livecount.run_tables import RunTables
    from livecount.storage import Analysis, CountReader, Experiment

Table = Literal[
    "counts", "cells", "growth", "groups", "doses", "wide", "exclusions", "incidents", "all"
]
_RELATIVE: tuple[Table, ...] = ("counts", "growth", "wide", "all")
_SHEETS: tuple[Table, ...] = (
    "counts",
    "growth",
    "groups",
    "doses",
    "wide",
    "exclusions",
    "incidents",
)


def export(
    table: Annotated[Table, typer.Argument(help="What to export; all: an Excel file of all.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: .csv, or .xlsx for Excel.")
    ],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    from_h: FromHour = None,
    to_h: ToHour = None,
    from_event: FromEvent = None,
    edge_guard: EdgeGuard = None,
    normalise: Normalise = None,
    independent: Independent = None,
    as_json: AsJson = False,
) -> None:
    """Write counts, cells, growth, groups, doses, exclusions or incidents, as CSV or for Excel.

    Works while the monitor runs. Absent values are empty, times are UTC. "wide" has a column a
    well, replicates side by side, as Prism takes it. With --normalise, curves, plateaus and areas
    are relative to the well's own value at the first visit from that moment on; rates are the same.

    Example: livecount export counts -o counts.csv
    """
    from livecount.run_tables import RunTables
    from livecount.storage import CountStore

    _check_asked(table, normalise, output)
    _check_independent(table, independent, experiment, analysis)
    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        of_which = _of_which(store, found, experiment)
        counts_of = partial(_counts, store, settings, edge_guard, intervals=False)
        shown = table in ("counts", "all")
        counts = counts_of(found, chosen, intervals=shown, inside=shown)
        span = Span(from_h, to_h, from_event)
        reference = reference_named(normalise, store, found, counts)
        window = span.window(store, found, counts)
        tables = RunTables(counts, window, reference, _calibration(store, chosen))
        if independent is not None:
            groups = independent_groups(store, independent, (found, chosen), span, counts_of)
            chunks = {"groups": iter([groups])}
            of_which = f" over independent {independent}"
        else:
            chunks = _chunks_of_all(table, store, (found, chosen), tables)
        rows = _write(chunks, output)
    if as_json:
        about = _about(found, chosen, output) | {"table": table, "rows": rows}
        about |= {"independent": independent, "not_normalised": tables.without_base}
        write_json(about)
    else:
        _say_without_base(tables)
        what = "all tables" if table == "all" else table
        say(f"{rows} rows of {what}{of_which} -> {output}")


def _calibration(store: CountReader, analysis: Analysis) -> NucleiCalibration | None:
    """Give the calibration by nuclei that holds, if there is one."""
    kept = store.nuclei_calibrations(analysis)
    return kept[0].calibration if kept else None


def _about(found: Experiment, chosen: Analysis, output: Path) -> dict[str, Any]:
    return {"experiment": found.name, "analysis_id": chosen.id, "file": str(output)}


def _is_for_excel(output: Path) -> bool:
    return output.suffix.lower() == ".xlsx"


def _check_ending(output: Path, *endings: str) -> None:
    """Refuse what is no such file: a slip would put a table in the place of a run or a frame."""
    if output.suffix.lower() not in endings:
        raise typer.BadParameter(f"{output} does not end with {' or '.join(endings)}.")


def _check_asked(table: Table, normalise: str | None, output: Path) -> None:
    _check_ending(output, ".csv", ".xlsx")
    if table == "all" and not _is_for_excel(output):
        raise typer.BadParameter("all tables go into one Excel file: name it with -o FILE.xlsx.")
    if normalise is not None and table not in _RELATIVE:
        raise typer.BadParameter(f"--normalise is for {', '.join(_RELATIVE)}: {table} stays as is.")


def _write(chunks: dict[str, Iterator[pd.DataFrame]], output: Path) -> int:
    """Write tables into one Excel file, or the only one as CSV; give how many rows."""
    from livecount.export import write_csv_chunks
    from livecount.workbook import write_workbook

    if _is_for_excel(output):
        return sum(write_workbook(chunks, output).values())
    (only,) = chunks.values()
    return write_csv_chunks(only, output)


def _check_independent(
    table: Table, independent: str | None, experiment: str | None, analysis: str | None
) -> None:
    if independent is None:
        return
    if table != "groups":
        raise typer.BadParameter(f"--independent is for groups, not for {table}.")
    if independent == "experiments" and (experiment or analysis):
        raise typer.BadParameter(
            "--independent experiments takes the primary analyses of all experiments: leave "
            "--experiment and --analysis out."
        )


def _say_without_base(tables: RunTables) -> None:
    for well, reason in tables.without_base.items():
        say(f"{well or 'the fields without a well'}: {reason}")


def _of_which(store: CountReader, experiment: Experiment, asked: str | None) -> str:
    """Say which experiment was taken where there are several and none was named."""
    others = len(store.experiments()) - 1
    if asked is not None or not others:
        return ""
    return f" of experiment {experiment.name!r}, the latest of {others + 1} (--experiment NAME)"


def _sheets(counts: pd.DataFrame) -> tuple[Table, ...]:
    """Name the sheets of an Excel file; cells only where a sheet can hold them."""
    from livecount.workbook import MOST_ROWS

    n_cells = int(counts["count"].sum())
    if n_cells <= MOST_ROWS:
        return (*_SHEETS, "cells")
    say(f"{n_cells} cells are too many for an Excel sheet: livecount export cells -o cells.csv")
    return _SHEETS


def _chunks_of_all(
    table: Table,
    store: CountReader,
    chosen: tuple[Experiment, Analysis],
    tables: RunTables,
) -> dict[str, Iterator[pd.DataFrame]]:
    """Give the table asked for, or all, in parts, by name."""
    names = _sheets(tables.counts) if table == "all" else (table,)
    return {name: _chunks(store, chosen, tables, name) for name in names}


def _chunks(
    store: CountReader, chosen: tuple[Experiment, Analysis], tables: RunTables, table: Table
) -> Iterator[pd.DataFrame]:
    """Give a table in parts: cells are too many to be held at once."""
    from livecount.alerts.table import incident_table
    from livecount.cell_tables import cell_chunks

    experiment, analysis = chosen
    if table == "incidents":
        yield incident_table(store.notices(with_past=True), experiment.name)
    elif table != "cells":
        yield getattr(tables, table)
    else:
        with progress_bar("writing cells", None) as advance:
            for chunk in cell_chunks(store, analysis, tables.counts):
                yield chunk
                advance(len(chunk))


def _counts(
    store: CountReader,
    settings: Config,
    edge_guard: str | None,
    found: Experiment,
    chosen: Analysis,
    *,
    intervals: bool = True,
    inside: bool = False,
) -> pd.DataFrame:
    """Read the count table; how sure each count is takes the cells of every frame.

    So do counts inside, which are read where they are shown, or curves are made of them.
    """
    from livecount.tables import count_table

    edges = edge_rule(settings, found, edge_guard)
    wanted = edges if inside or edges.for_curves else None
    if not intervals:
        return count_table(store, found, chosen, edges=wanted)
    with progress_bar("how sure counts are", store.tally(found).counted) as advance:
        return count_table(store, found, chosen, intervals=True, edges=wanted, on_frame=advance)


def plot(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Figure to write: .svg, .pdf or .png.")
    ] = Path("growth.svg"),
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    from_h: FromHour = None,
    to_h: ToHour = None,
    from_event: FromEvent = None,
    edge_guard: EdgeGuard = None,
    normalise: Normalise = None,
    linear: Annotated[bool, typer.Option("--linear", help="Linear instead of log axis.")] = False,
    width_mm: Annotated[
        float,
        typer.Option("--width-mm", min=20, max=2000, callback=finite, help="Width of the figure."),
    ] = 183,
    as_json: AsJson = False,
) -> None:
    """Draw the growth curves with their fits and doubling times, ready for a paper.

    Example: livecount plot -o growth.svg
    """
    from livecount.plots import plot_growth
    from livecount.run_tables import RunTables
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        of_which = _of_which(store, found, experiment)
        counts = _counts(store, settings, edge_guard, found, chosen)
        window = Span(from_h, to_h, from_event).window(store, found, counts)
        reference = reference_named(normalise, store, found, counts)
        marks = marks_of(store, found, counts)
    tables = RunTables(counts, window, reference)
    plot_growth(
        counts,
        tables.growth_rows,
        output,
        events=marks,
        reference=reference,
        log=not linear,
        width_mm=width_mm,
    )
    if as_json:
        write_json(
            {
                **_about(found, chosen, output),
                "frames": len(counts),
                "not_normalised": tables.without_base,
            }
        )
    else:
        _say_without_base(tables)
        say(f"growth curves of {len(counts)} frames{of_which} -> {output}")


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    from_h: FromHour = None,
    to_h: ToHour = None,
    from_event: FromEvent = None,
    edge_guard: EdgeGuard = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's curves, results, quality and settings as one page, to read or to e-mail.

    Example: livecount report -o experiment7.html
    """
    _check_ending(output, ".html", ".htm")
    from livecount.report import gather, write_report
    from livecount.run_tables import RunTables
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        counts = _counts(store, settings, edge_guard, found, chosen, inside=True)
        window = Span(from_h, to_h, from_event).window(store, found, counts)
        tables = RunTables(counts, window, calibration=_calibration(store, chosen))
        contents = gather(store, found, chosen, tables)
        figures = _figures(tables, marks_of(store, found, counts))
    write_report(contents, figures, output)
    if as_json:
        write_json(_about(found, chosen, output))
    else:
        say(f"report of {len(counts)} frames of experiment {found.name!r} -> {output}")


def _figures(tables: RunTables, marks: list[EventMark]) -> dict[str, bytes]:
    """Draw what a report shows; each under its caption."""
    from livecount.plots import dose_curves, plot_doses, plot_growth
    from livecount.report import svg_of

    figures = {
        "Growth curves with their fits. Hollow points are not used.": svg_of(
            lambda path: plot_growth(tables.counts, tables.growth_rows, path, events=marks)
        )
    }
    curves = dose_curves(tables.doses, tables.gr_points)
    if any(curve.is_a_series for curve in curves):
        figures["GR values over dose, each well a point; controls at 0."] = svg_of(
            lambda path: plot_doses(curves, path)
        )
    return figures
