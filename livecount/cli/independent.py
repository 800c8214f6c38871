"""Groups over independent experiments: all experiments of a database, or plates of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from livecount.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from livecount.cli.moments import Span
    from livecount.inside import EdgeRule
    from livecount.storage import Analysis, CountReader, Experiment
    from livecount.treatments import Repeat

__all__ = ["Independent", "independent_groups"]

Independent = Annotated[
    Literal["experiments", "plates"] | None,
    typer.Option(
        "--independent",
        help="Groups across independent experiments: all experiments of the database, or the "
        "plates of one that are independent repeats. n is then their number.",
    ),
]


def independent_groups(
    store: CountReader,
    which: Literal["experiments", "plates"],
    chosen: tuple[Experiment, Analysis],
    span: Span,
    edges_of: Callable[[Experiment], EdgeRule],
) -> pd.DataFrame:
    """Give the groups of each independent experiment, and combined over them.

    Parameters
    ----------
    chosen
        The experiment whose plates are independent; of all experiments the primary analyses.
    edges_of
        Gives an experiment's rule for cells at the edge, as for all other curves of it.
    """
    from livecount.treatments import across_experiments

    if which == "plates":
        return across_experiments(_of_plates(store, *chosen, span, edges_of(chosen[0])))
    repeats = []
    for experiment in store.experiments():
        primary = [one for one in store.analyses(experiment) if one.is_primary]
        if not primary:
            say(f"experiment {experiment.name!r} has no counts yet and is left out")
            continue
        repeats.append(_of_experiment(store, experiment, primary[0], span, edges_of(experiment)))
    return across_experiments(repeats)


def _of_experiment(
    store: CountReader, experiment: Experiment, analysis: Analysis, span: Span, edges: EdgeRule
) -> Repeat:
    from livecount.run_tables import RunTables
    from livecount.treatments import Repeat

    counts = _counts_for_curves(store, experiment, analysis, edges)
    groups = RunTables(counts, span.window(store, experiment, counts)).groups
    if groups.empty:
        say(f"experiment {experiment.name!r} has no groups (no plate map) and is left out")
    return Repeat(experiment.name, groups, _counted_by(analysis))


def _of_plates(
    store: CountReader, experiment: Experiment, analysis: Analysis, span: Span, edges: EdgeRule
) -> list[Repeat]:
    from livecount.run_tables import RunTables
    from livecount.treatments import Repeat

    counts = _counts_for_curves(store, experiment, analysis, edges)
    window = span.window(store, experiment, counts)
    plates = counts["plate"].astype(object).where(counts["plate"].notna(), "no plate named")
    return [
        Repeat(str(plate), RunTables(part, window).groups, _counted_by(analysis))
        for plate, part in counts.groupby(plates, sort=True)
    ]


def _counts_for_curves(
    store: CountReader, experiment: Experiment, analysis: Analysis, edges: EdgeRule
) -> pd.DataFrame:
    """Read the counts that an experiment's curves are made of, inside the edge where it says so."""
    from livecount.tables import count_table

    return count_table(store, experiment, analysis, edges=edges if edges.for_curves else None)


def _counted_by(analysis: Analysis) -> str:
    settings = analysis.settings
    return f"{settings.model_sha256} h {settings.h:g}"
