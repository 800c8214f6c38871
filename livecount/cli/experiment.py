"""``experiment``: which experiments are watched; added, stopped and started during a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AsJson,
    By,
    CellDiameterPx,
    CellDiameterUm,
    Channel,
    ConfigFile,
    DatabaseFile,
    FrameIntervalMin,
    H,
    Pattern,
    PixelSizeUm,
    Segment,
    load_settings,
    said_by,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    from livecount.storage import CountStore

experiment = typer.Typer(
    name="experiment",
    help="Add, stop and start experiments; a running monitor follows within seconds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="The experiment's name.")]


@experiment.command(name="list")
def list_experiments(
    database: DatabaseFile = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List the experiments, their folders, and whether they are watched.

    Example: livecount experiment list --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        rows = _rows(store)
    if as_json:
        write_json({"experiments": rows})
        return
    table = Table("experiment", "folders", "frames counted", "state")
    for row in rows:
        folders = "\n".join(row["folders"])
        table.add_row(*(Text(str(word)) for word in (row["name"], folders, row["counted"],
                                                      row["state"])))  # fmt: skip
    terminal().print(table)


def _rows(store: CountStore) -> list[dict[str, Any]]:
    from livecount.storage import MonitorLock

    beat = store.monitor()
    runs = beat is not None and MonitorLock(store.database).is_held_elsewhere()
    at_work = set(beat.source_states) if beat is not None and runs else set()
    orders = store.watch_orders()
    rows = []
    for found in store.experiments():
        folders = [source.folder for source in store.sources(found)]
        order = orders.get(found.name)
        is_watched = bool(at_work.intersection(folders))
        state = "watched" if is_watched else "not watched"
        if order is not None and not order.is_watched:
            at = f"{order.said.made_at:%Y-%m-%d %H:%M} UTC"
            state = f"stopped by {order.said.made_by}, {at}"
        rows.append(
            {
                "name": found.name,
                "folders": folders,
                "counted": store.tally(found).counted,
                "is_watched": is_watched,
                "state": state,
            }
        )
    return rows


@experiment.command()
def add(
    name: Name,
    folders: Annotated[list[Path], typer.Argument(help="Folders that the microscope writes to.")],
    cell_diameter_px: CellDiameterPx = None,
    cell_diameter_um: CellDiameterUm = None,
    pixel_size_um: PixelSizeUm = None,
    pattern: Pattern = None,
    frame_interval_min: FrameIntervalMin = None,
    h: H = None,
    channel: Channel = None,
    segment: Segment = None,
    plate_map: Annotated[
        Path | None, typer.Option("--plate-map", help="What is in which well.")
    ] = None,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Let the monitor watch one more experiment, with settings of its own, from now on.

    What is not given is as in the settings that the monitor was started with. It goes on after a
    restart of the monitor until `livecount experiment stop`.

    Example: livecount experiment add HeLa D:/scans/hela --cell-diameter-um 20
    """
    from livecount.config import settings_of_added
    from livecount.errors import StoreError
    from livecount.storage import CountStore

    given = {
        "name": name.strip(),
        "folders": [str(folder.absolute()) for folder in folders],
        "cell_diameter_px": cell_diameter_px,
        "cell_diameter_um": cell_diameter_um,
        "pixel_size_um": pixel_size_um,
        "pattern": pattern,
        "frame_interval_min": frame_interval_min,
        "h": h,
        "channel": channel,
        "segment": segment,
        "plate_map": None if plate_map is None else str(plate_map.absolute()),
    }
    table = {key: value for key, value in given.items() if value is not None}
    settings = load_settings(config, {"database.file": database})
    settings_of_added(settings, table)
    file = settings.database.file
    with CountStore.open(file, read_only=True) as store:
        if any(found.name == table["name"] for found in store.experiments()):
            raise StoreError(
                f"There is an experiment {table['name']!r} in {file} already",
                hint="`livecount experiment start` lets it go on; a new one needs another name",
            )
    with CountStore.open(file) as store:
        made = store.ensure_experiment(str(table["name"]))
        store.order_watching(made, said_by(by), is_watched=True, settings=table)
    say(f"experiment {made.name!r} is to be watched")
    _say_who_follows(file)


@experiment.command()
def stop(
    name: Name, by: By = None, database: DatabaseFile = None, config: ConfigFile = None
) -> None:
    """Let the monitor leave an experiment alone, also after a restart; its counts stay.

    Example: livecount experiment stop HeLa
    """
    _order(name, by, database, config, is_watched=False)


@experiment.command()
def start(
    name: Name, by: By = None, database: DatabaseFile = None, config: ConfigFile = None
) -> None:
    """Let the monitor go on with an experiment that was stopped, where it was.

    Example: livecount experiment start HeLa
    """
    _order(name, by, database, config, is_watched=True)


def _order(
    name: str, by: str | None, database: Path | None, config: Path | None, *, is_watched: bool
) -> None:
    from livecount.cli.options import people_edit

    with people_edit(config, database, name) as (store, found):
        store.order_watching(found, said_by(by), is_watched=is_watched)
        file = store.database
    say(f"experiment {found.name!r} is {'to be watched' if is_watched else 'not to be watched'}")
    _say_who_follows(file)


def _say_who_follows(file: Path) -> None:
    from livecount.storage import MonitorLock

    if MonitorLock(file).is_held_elsewhere():
        say("the running monitor follows within seconds: `livecount status`")
    else:
        say("no monitor is running; the next one follows")
