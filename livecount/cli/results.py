"""``export``, ``plot``, ``report``: from the database, while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

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

    from livecount.growth import Window
    from livecount.inside import EdgeRule
    from livecount.plots import EventMark
    from livecount.run_tables import RunTables
    from livecount.storage import Analysis, CountReader, Experiment

FromHour = Annotated[
    float | None,
    typer.Option("--from-h", callback=finite, help="Fit from this hour on (default: the first)."),
]
ToHour = Annotated[
    float | None,
    typer.Option("--to-h", callback=finite, help="Fit up to this hour (default: the last)."),
]
FromEvent = Annotated[
    str | None,
    typer.Option("--from-event", help="Fit from this event on, by its name."),
]
Table = Literal[
    "counts", "cells", "growth", "groups", "doses", "wide", "exclusions", "incidents", "all"
]
_SHEETS: tuple[Table, ...] = ("counts", "growth", "groups", "doses", "wide", "exclusions")


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
    as_json: AsJson = False,
) -> None:
    """Write counts, cells, growth, groups, doses, exclusions or incidents, as CSV or for Excel.

    Works while the monitor runs. Absent values are empty, times are UTC. "wide" has a column a
    well, replicates side by side, as Prism takes it.

    Example: livecount export counts -o counts.csv
    """
    from livecount.export import write_csv_chunks
    from livecount.run_tables import RunTables
    from livecount.storage import CountStore
    from livecount.workbook import write_workbook

    for_excel = output.suffix.lower() == ".xlsx"
    if table == "all" and not for_excel:
        raise typer.BadParameter("all tables go into one Excel file: name it with -o FILE.xlsx.")
    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        of_which = _of_which(store, found, experiment)
        shown = table in ("counts", "all")
        edges = edge_rule(settings, found, edge_guard)
        counts = _counts(store, found, chosen, edges, intervals=shown, inside=shown)
        window = _Span(from_h, to_h, from_event).window(store, found, counts)
        tables = RunTables(counts, window)
        if table == "incidents":
            rows = _write_incidents(store, found, output)
        elif for_excel:
            names = _sheets(counts) if table == "all" else (table,)
            sheets: dict[str, Iterator[pd.DataFrame]] = {
                name: _chunks(store, chosen, tables, name) for name in names
            }
            rows = sum(write_workbook(sheets, output).values())
        else:
            rows = write_csv_chunks(_chunks(store, chosen, tables, table), output)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": chosen.id,
                "table": table,
                "rows": rows,
                "file": str(output),
            }
        )
    else:
        what = "all tables" if table == "all" else table
        say(f"{rows} rows of {what}{of_which} -> {output}")


def _write_incidents(store: CountReader, experiment: Experiment, output: Path) -> int:
    """Write what happened to an experiment, and to the run as a whole."""
    from livecount.alerts.table import incident_table
    from livecount.export import write_csv_chunks
    from livecount.workbook import write_workbook

    table = incident_table(store.notices(with_past=True), experiment.name)
    if output.suffix.lower() == ".xlsx":
        return write_workbook({"incidents": iter([table])}, output)["incidents"]
    return write_csv_chunks([table], output)


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


def _chunks(
    store: CountReader, chosen: Analysis, tables: RunTables, table: Table
) -> Iterator[pd.DataFrame]:
    """Give a table in parts: cells are too many to be held at once."""
    from livecount.cell_tables import cell_chunks

    if table != "cells":
        yield getattr(tables, table)
        return
    with progress_bar("writing cells", None) as advance:
        for chunk in cell_chunks(store, chosen, tables.counts):
            yield chunk
            advance(len(chunk))


def _counts(
    store: CountReader,
    found: Experiment,
    chosen: Analysis,
    edges: EdgeRule,
    *,
    intervals: bool = True,
    inside: bool = False,
) -> pd.DataFrame:
    """Read the count table; how sure each count is takes the cells of every frame.

    So do counts inside, which are read where they are shown, or curves are made of them.
    """
    from livecount.tables import count_table

    wanted = edges if inside or edges.for_curves else None
    if not intervals:
        return count_table(store, found, chosen, edges=wanted)
    with progress_bar("how sure counts are", store.tally(found).counted) as advance:
        return count_table(store, found, chosen, intervals=True, edges=wanted, on_frame=advance)


@dataclass(frozen=True, slots=True)
class _Span:
    """The part of the curves that is fitted, as the user says it."""

    from_h: float | None
    to_h: float | None
    from_event: str | None

    def window(self, store: CountReader, found: Experiment, counts: pd.DataFrame) -> Window | None:
        """Give first and last hour, or None for all of the curves."""
        start_h = self.from_h
        if self.from_event is not None:
            if start_h is not None:
                raise typer.BadParameter("--from-event and --from-h exclude each other.")
            start_h = _event_named(self.from_event, _marks(store, found, counts), found).at_h
        if start_h is not None and self.to_h is not None and start_h >= self.to_h:
            raise typer.BadParameter(f"{start_h:g} h is not before {self.to_h:g} h.")
        return None if start_h is None and self.to_h is None else (start_h, self.to_h)


def _marks(store: CountReader, found: Experiment, counts: pd.DataFrame) -> list[EventMark]:
    """Place the events that hold on the axis as it is now, by time."""
    from livecount.plots import EventMark
    from livecount.time_axis import hours_of

    marks = [
        EventMark(one.name, hours_of(counts, one.when), one.wells)
        for one in store.events(found)
        if one.withdrawn is None
    ]
    return sorted(marks, key=lambda mark: mark.at_h)


def _event_named(name: str, marks: Sequence[EventMark], found: Experiment) -> EventMark:
    """Find an event by its name, the first one where several have it."""
    from livecount.errors import NotInStoreError

    for mark in marks:
        if mark.name.casefold() == name.strip().casefold():
            return mark
    known = ", ".join(repr(mark.name) for mark in marks) or "none"
    raise NotInStoreError(
        f"Experiment {found.name!r} has no event {name!r}, but {known}",
        hint="Note it with `livecount event add`",
    )


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
        edges = edge_rule(settings, found, edge_guard)
        counts = _counts(store, found, chosen, edges)
        window = _Span(from_h, to_h, from_event).window(store, found, counts)
        marks = _marks(store, found, counts)
    rows = RunTables(counts, window).growth_rows
    plot_growth(counts, rows, output, events=marks, log=not linear, width_mm=width_mm)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": chosen.id,
                "file": str(output),
                "frames": len(counts),
            }
        )
    else:
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
    from livecount.report import gather, write_report
    from livecount.run_tables import RunTables
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        edges = edge_rule(settings, found, edge_guard)
        counts = _counts(store, found, chosen, edges, inside=True)
        window = _Span(from_h, to_h, from_event).window(store, found, counts)
        tables = RunTables(counts, window)
        contents = gather(store, found, chosen, tables)
        figures = _figures(tables, _marks(store, found, counts))
    write_report(contents, figures, output)
    if as_json:
        write_json({"experiment": found.name, "analysis_id": chosen.id, "file": str(output)})
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
