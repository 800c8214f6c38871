"""``event``: what was done to the cells, and when, on the axis of the curves."""

from __future__ import annotations

from typing import Annotated

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    chosen_experiment,
    finite,
    load_settings,
    said_by,
)
from livecount.cli.terminal import say, terminal, write_json

event = typer.Typer(
    name="event",
    help="Note when a drug was added or the medium changed; curves show it, windows start at it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@event.command()
def add(
    name: Annotated[str, typer.Argument(help="What was done, as in 'drug added'.")],
    at_h: Annotated[
        float | None,
        typer.Option("--at-h", callback=finite, help="Hours of the experiment (default: now)."),
    ] = None,
    wells: Annotated[
        str, typer.Option("--wells", help="Only these wells, as in A1,A2 (default: all).")
    ] = "",
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Note what was done to the cells.

    Example: livecount event add "drug added" --at-h 24.5
    """
    from livecount.errors import NotInStoreError
    from livecount.plate import spell_well
    from livecount.storage import CountStore, ExperimentEvent, Instant
    from livecount.tables import count_table
    from livecount.time_axis import instant_at, zero_of

    if not name.strip():
        raise typer.BadParameter("The event has no name.")
    file = load_settings(config, {"database.file": database}).database.file
    said = said_by(by)
    with CountStore.open(file, read_only=True) as store:
        found = chosen_experiment(store, experiment)
        table = count_table(store, found, store.analysis(found))
    if at_h is not None:
        when = instant_at(table, at_h)
    else:
        zero = zero_of(table)
        if zero is None:
            raise NotInStoreError(
                f"The frames of experiment {found.name!r} carry no dates, so that now has no place "
                "on their axis",
                hint="Give the hours with --at-h",
            )
        hours = (said.made_at - zero.to_pydatetime()).total_seconds() / 3600
        when = Instant(hours, said.made_at)
    of_wells = tuple(spell_well(well) for well in wells.split(",") if well.strip())
    with CountStore.open(file) as store:
        number = store.add_event(found, ExperimentEvent(name.strip(), when, of_wells, said))
    if as_json:
        write_json({"experiment": found.name, "number": number, "at_h": when.elapsed_h})
    else:
        say(f"{name.strip()!r} at {when.elapsed_h:.2f} h of experiment {found.name!r}")


@event.command(name="list")
def list_events(
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """List what was done to the cells, by time, and what was taken back.

    Example: livecount event list --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        found = chosen_experiment(store, experiment)
        kept = sorted(store.events(found), key=lambda one: one.when.elapsed_h)
    if as_json:
        rows = [
            {
                "number": one.id,
                "name": one.name,
                "at_h": one.when.elapsed_h,
                "at": one.when.at,
                "wells": one.wells,
                "made_by": one.said.made_by,
                "made_at": one.said.made_at,
                "withdrawn_by": one.withdrawn and one.withdrawn.made_by,
            }
            for one in kept
        ]
        write_json({"experiment": found.name, "events": rows})
        return
    table = Table("number", "hours", "event", "wells", "by", "taken back")
    for one in kept:
        back = one.withdrawn.made_by if one.withdrawn else ""
        wells = ", ".join(one.wells) or "all"
        words = (one.id, f"{one.when.elapsed_h:.2f}", one.name, wells, one.said.made_by, back)
        table.add_row(*(Text(str(word)) for word in words))
    terminal().print(table)


@event.command()
def withdraw(
    number: Annotated[int, typer.Argument(help="Its number, as `event list` shows it.")],
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
) -> None:
    """Take an event back; the list goes on showing that it was noted.

    Example: livecount event withdraw 2
    """
    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    said = said_by(by)
    with CountStore.open(file, read_only=True) as store:
        found = chosen_experiment(store, experiment)
    with CountStore.open(file) as store:
        store.withdraw_event(found, number, said)
    say(f"event {number} of experiment {found.name!r} is taken back")
