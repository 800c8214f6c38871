"""``event``: what was done to the cells, and when, on the axis of the curves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    finite,
    people_edit,
    people_look,
    said_by,
    zero_now,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.storage import Instant

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
    from livecount.excluding import plates_of
    from livecount.plate import spell_well
    from livecount.storage import ExperimentEvent
    from livecount.tables import count_table

    if not name.strip():
        raise typer.BadParameter("The event has no name.")
    said = said_by(by)
    of_wells = tuple(spell_well(well) for well in wells.split(",") if well.strip())
    with people_edit(config, database, experiment) as (store, found):
        table = count_table(store, found, store.analysis(found))
        when = _instant(table, at_h, said.made_at, found.name)
        number = store.add_event(found, ExperimentEvent(name.strip(), when, of_wells, said))
    plates = plates_of(table, of_wells)
    if as_json:
        told = {"experiment": found.name, "number": number, "at_h": when.elapsed_h}
        write_json({**told, "plates": plates} if of_wells else told)
        return
    say(f"{name.strip()!r} at {when.elapsed_h:.2f} h of experiment {found.name!r}")
    if len(plates) > 1:
        say(f"it holds for these wells of all plates: {', '.join(plates)}")


def _instant(table: pd.DataFrame, at_h: float | None, now: datetime, experiment: str) -> Instant:
    """Place an event at the hours given, or now."""
    from livecount.errors import NotInStoreError
    from livecount.time_axis import instant_at, instant_on

    if at_h is not None:
        return instant_at(table, at_h)
    instant = instant_on(table, now)
    if instant is None:
        raise NotInStoreError(
            f"The frames of experiment {experiment!r} carry no dates, so that now has no place on "
            "their axis",
            hint="Give the hours with --at-h",
        )
    return instant


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

    from livecount.time_axis import hours_from

    with people_look(config, database, experiment) as (store, found):
        kept = store.events(found)
        zero = zero_now(store, found, [one.when for one in kept])
    hours = {one.id: hours_from(zero, one.when) for one in kept}
    kept = sorted(kept, key=lambda one: hours[one.id])
    if as_json:
        rows = [
            {
                "number": one.id,
                "name": one.name,
                "at_h": hours[one.id],
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
        words = (one.id, f"{hours[one.id]:.2f}", one.name, wells, one.said.made_by, back)
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
    with people_edit(config, database, experiment) as (store, found):
        store.withdraw_event(found, number, said_by(by))
    say(f"event {number} of experiment {found.name!r} is taken back")
