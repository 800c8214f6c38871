"""``export`` and ``plot``: tables and figures from the database, while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from livecount.cli.options import (
    AnalysisId,
    AsJson,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    chosen_analysis,
    finite,
    load_settings,
)
from livecount.cli.terminal import progress_bar, say, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.growth import GrowthRow
    from livecount.storage import Analysis, CountReader, Experiment

Table = Literal["counts", "cells", "growth"]


def export(
    table: Annotated[Table, typer.Argument(help="What to export.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    as_json: AsJson = False,
) -> None:
    """Write counts, cell centres or growth rates as CSV.

    Works while the monitor runs. Absent values are empty, times are UTC.

    Example: livecount export counts -o counts.csv
    """
    from livecount.export import write_csv_chunks
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        of_which = _of_which(store, found, experiment)
        rows = write_csv_chunks(_chunks(store, table, found, chosen), output)
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
        say(f"{rows} rows of {table}{of_which} -> {output}")


def _of_which(store: CountReader, experiment: Experiment, asked: str | None) -> str:
    """Say which experiment was taken where there are several and none was named."""
    others = len(store.experiments()) - 1
    if asked is not None or not others:
        return ""
    return f" of experiment {experiment.name!r}, the latest of {others + 1} (--experiment NAME)"


def _chunks(
    store: CountReader, table: Table, found: Experiment, chosen: Analysis
) -> Iterator[pd.DataFrame]:
    """Give the table in parts: cells are too many to be held at once."""
    from livecount.cell_tables import cell_chunks
    from livecount.tables import count_table

    if table == "counts":
        yield _with_intervals(store, found, chosen)
        return
    counts = count_table(store, found, chosen)
    if table == "growth":
        yield _growth_frame(_growth(counts))
    else:
        with progress_bar("writing cells", None) as advance:
            for chunk in cell_chunks(store, chosen, counts):
                yield chunk
                advance(len(chunk))


def _with_intervals(store: CountReader, found: Experiment, chosen: Analysis) -> pd.DataFrame:
    from livecount.tables import count_table

    with progress_bar("how sure counts are", store.tally(found).counted) as advance:
        return count_table(store, found, chosen, intervals=True, on_frame=advance)


def _growth(counts: pd.DataFrame) -> list[GrowthRow]:
    from livecount.growth import growth_table

    return growth_table(counts)


def _growth_frame(rows: list[GrowthRow]) -> pd.DataFrame:
    import pandas as pd

    from livecount.growth import GROWTH_COLUMNS

    return pd.DataFrame(
        [{name: getattr(row, name) for name in GROWTH_COLUMNS} for row in rows],
        columns=list(GROWTH_COLUMNS),
    )


def plot(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Figure to write: .svg, .pdf or .png.")
    ] = Path("growth.svg"),
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
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
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, analysis)
        of_which = _of_which(store, found, experiment)
        counts = _with_intervals(store, found, chosen)
    plot_growth(counts, _growth(counts), output, log=not linear, width_mm=width_mm)
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
