"""``export`` and ``plot``: tables and figures from the database, while the run goes on."""

from __future__ import annotations

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
    load_settings,
)
from livecount.cli.terminal import progress_bar, say, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.growth import GrowthRow
    from livecount.storage import CountReader

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
    from livecount.export import write_csv
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        result = _table(store, table, experiment, analysis)
    write_csv(result, output)
    if as_json:
        write_json({"table": table, "rows": len(result), "file": str(output)})
    else:
        say(f"{len(result)} rows of {table} -> {output}")


def _table(
    store: CountReader, table: Table, experiment: str | None, analysis: str | None
) -> pd.DataFrame:
    from livecount.tables import cell_table, count_table

    found, chosen = chosen_analysis(store, experiment, analysis)
    counts = count_table(store, found, chosen)
    if table == "counts":
        return counts
    if table == "growth":
        return _growth_frame(_growth(counts))
    with progress_bar("reading cells", None):
        return cell_table(store, chosen, counts)


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
    width_mm: Annotated[float, typer.Option("--width-mm", help="Width of the figure.")] = 183,
    as_json: AsJson = False,
) -> None:
    """Draw the growth curves with their fits and doubling times, ready for a paper.

    Example: livecount plot -o growth.svg
    """
    from livecount.plots import plot_growth
    from livecount.storage import CountStore
    from livecount.tables import count_table

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        counts = count_table(store, *chosen_analysis(store, experiment, analysis))
    plot_growth(counts, _growth(counts), output, log=not linear, width_mm=width_mm)
    if as_json:
        write_json({"file": str(output), "frames": len(counts)})
    else:
        say(f"growth curves of {len(counts)} frames -> {output}")
