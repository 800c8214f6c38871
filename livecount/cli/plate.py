"""``plate``: what is in which well, so that curves have names and replicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    people_edit,
    people_look,
    said_by,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    from livecount.plate import PlateMap
    from livecount.storage import CountReader, Experiment

plate = typer.Typer(
    name="plate",
    help="Say what is in which well: cells, treatments, controls, replicates.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_PlateSize = Literal["1", "4", "6", "12", "24", "48", "96", "384", "1536"]


@plate.command()
def template(
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")],
    wells: Annotated[_PlateSize, typer.Option("--wells", help="Wells of the plate.")] = "96",
    as_json: AsJson = False,
) -> None:
    """Write an empty plate map for you to fill in with a spreadsheet.

    Wells with the same contents are replicates of each other, unless you name groups.

    Example: livecount plate template --wells 96 -o plate.csv
    """
    import pandas as pd

    from livecount.export import write_csv
    from livecount.plate import template_rows, wells_of_plate

    _refuse_existing(output)
    rows = template_rows(wells_of_plate(int(wells)))
    write_csv(pd.DataFrame(rows), output)
    if as_json:
        write_json({"file": output, "wells": len(rows)})
        return
    say(f"{len(rows)} wells -> {output}")
    say("Fill in what you know; role is sample, control or blank. Then: livecount plate set FILE")


def _refuse_existing(output: Path) -> None:
    """Keep a map that somebody may be filling in."""
    from livecount.errors import PlateMapError

    if output.exists():
        raise PlateMapError(f"{output} exists already", hint="Name another file, or remove it")


@plate.command(name="set")
def set_map(
    file: Annotated[Path, typer.Argument(help="The map: CSV, or an Incucyte's .PlateMap.")],
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Give an experiment its plate map; the ones before are kept as its history.

    Works while the monitor runs; nothing is counted anew.

    Example: livecount plate set plate.csv --database run.db
    """
    from livecount.plate import read_plate_map, sheet_rows, wells_in_words
    from livecount.storage import PlateMapVersion

    given = read_plate_map(file)
    version = PlateMapVersion(tuple(sheet_rows(given)), file.name, said_by(by))
    with people_edit(config, database, experiment) as (store, found):
        problems = given.problems(_places(store, found))
        is_news = store.add_plate_map(found, version)
    if as_json:
        write_json({"experiment": found.name, **_summary(given), "problems": problems})
        return
    for problem in problems:
        say(f"look at this: {problem}")
    groups = _summary(given)["groups"]
    described = f"{wells_in_words(len(given))} in {len(groups)} groups"
    what = described if is_news else "the map that it had"
    say(f"experiment {found.name!r} has {what}")


@plate.command()
def show(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write it as CSV, to be changed.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="List when it was changed, and by whom.")
    ] = False,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in which well, and whether that fits the wells that appear.

    Example: livecount plate show --database run.db
    """
    import pandas as pd

    from livecount.errors import NotInStoreError
    from livecount.export import write_csv
    from livecount.plate import map_of_lines, sheet_rows, wells_in_words

    if output is not None:
        _refuse_existing(output)
    with people_look(config, database, experiment) as (store, found):
        versions = store.plate_maps(found)
        places = _places(store, found)
    if not versions:
        raise NotInStoreError(
            f"Experiment {found.name!r} has no plate map",
            hint="Write one with `livecount plate template`, give it with `livecount plate set`",
        )
    present = map_of_lines(versions[0].wells, "the stored plate map")
    if output is not None:
        write_csv(pd.DataFrame(sheet_rows(present)), output)
    problems = present.problems(places)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                **_summary(present),
                "wells": sheet_rows(present),
                "problems": problems,
                "history": [
                    {
                        "made_at": version.said.made_at,
                        "made_by": version.said.made_by,
                        "origin": version.origin,
                    }
                    for version in versions
                ],
            }
        )
        return
    _print_wells(present)
    for problem in problems:
        say(f"look at this: {problem}")
    for version in versions if history else versions[:1]:
        made = f"{version.said.made_at:%Y-%m-%d %H:%M} UTC, {version.said.made_by}"
        say(f"{made}: {wells_in_words(len(version.wells))} from {version.origin}")


def _places(store: CountReader, experiment: Experiment) -> list[tuple[str | None, str | None]]:
    """List the wells of which frames were counted."""
    return [place for chosen in store.analyses(experiment)[:1] for place in store.wells(chosen)]


def _summary(given: PlateMap) -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    for contents in given.wells:
        if contents.group is not None:
            groups.setdefault(contents.group, []).append(contents.where)
    return {"plates": given.plates, "groups": groups}


def _print_wells(given: PlateMap) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("well", "role", "group", "contents")
    for contents in given.wells:
        words: Sequence[str] = (
            contents.cell_line,
            contents.passage and f"passage {contents.passage}",
            contents.seeding_density,
            " + ".join(map(str, contents.treatments)),
        )
        cells = (contents.where, str(contents.role), contents.group or "")
        table.add_row(*map(Text, (*cells, ", ".join(word for word in words if word))))
    terminal().print(table)
