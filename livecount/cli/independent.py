"""Groups over independent experiments: all experiments of a database, or plates of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from livecount.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from livecount.cli.moments import Span
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
    counts_of: Callable[[Experiment, Analysis], pd.DataFrame],
) -> pd.DataFrame:
    """Give the groups of each independent experiment, and combined over them.

    Parameters
    ----------
    chosen
        The experiment whose plates are independent; of all experiments the primary analyses.
    counts_of
        Reads the counts that an experiment's curves are made of.
    """
    from livecount.treatments import across_experiments

    if which == "plates":
        return across_experiments(_of_plates(store, *chosen, span, counts_of(*chosen)))
    repeats = []
    for experiment in store.experiments():
        primary = [one for one in store.analyses(experiment) if one.is_primary]
        if not primary:
            say(f"experiment {experiment.name!r} has no counts yet and is left out")
            continue
        repeats.append(
            _of_experiment(store, experiment, primary[0], span, counts_of(experiment, primary[0]))
        )
    return across_experiments(repeats)


def _of_experiment(
    store: CountReader, experiment: Experiment, analysis: Analysis, span: Span, counts: pd.DataFrame
) -> Repeat:
    from livecount.run_tables import RunTables
    from livecount.treatments import Repeat

    groups = RunTables(counts, span.window(store, experiment, counts)).groups
    if groups.empty:
        say(f"experiment {experiment.name!r} has no groups (no plate map) and is left out")
    return Repeat(experiment.name, groups, _counted_by(analysis))


def _of_plates(
    store: CountReader, experiment: Experiment, analysis: Analysis, span: Span, counts: pd.DataFrame
) -> list[Repeat]:
    from livecount.run_tables import RunTables
    from livecount.treatments import Repeat

    window = span.window(store, experiment, counts)
    plates = counts["plate"].astype(object).where(counts["plate"].notna(), "no plate named")
    return [
        Repeat(str(plate), RunTables(part, window).groups, _counted_by(analysis))
        for plate, part in counts.groupby(plates, sort=True)
    ]


def _counted_by(analysis: Analysis) -> str:
    settings = analysis.settings
    return f"{settings.model_sha256} h {settings.h:g}"
