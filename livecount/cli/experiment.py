"""``experiment``: add, stop and start experiments, also while the monitor runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    Z,
    load_settings,
    said_by,
)
from livecount.cli.terminal import say, terminal, write_json
from livecount.errors import ConfigError, NotInStoreError

if TYPE_CHECKING:
    from livecount.storage import CountStore, WatchOrder, WatchVerb

experiment = typer.Typer(
    name="experiment",
    help="Several experiments in one database: list, add, stop and start them while they run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="The experiment's name.")]


@experiment.command()
def add(
    name: Name,
    folders: Annotated[list[Path], typer.Argument(help="Folders that the microscope writes to.")],
    cell_diameter_px: CellDiameterPx = None,
    cell_diameter_um: CellDiameterUm = None,
    pixel_size_um: PixelSizeUm = None,
    pattern: Pattern = None,
    frame_interval_min: FrameIntervalMin = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help="Zone of times that come without one.")
    ] = None,
    t0: Annotated[
        str | None, typer.Option("--t0", help="Time zero, as in 2026-10-05T14:30:00.")
    ] = None,
    plate_map: Annotated[
        Path | None, typer.Option("--plate-map", help="A file that says what is in which well.")
    ] = None,
    h: H = None,
    channel: Channel = None,
    z: Z = None,
    segment: Segment = None,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let an experiment be watched beside the others; a running monitor begins within seconds.

    What is not given is as in the settings of the monitor. Without a running monitor, the next
    `livecount run` on the database takes it up.

    Example: livecount experiment add "Plate 8" D:/scans/plate8 --cell-diameter-um 18
    """
    from livecount.config import with_experiment
    from livecount.storage import CountStore

    given = {
        "name": name.strip(),
        "folders": [str(folder.expanduser().absolute()) for folder in folders],
        "cell_diameter_px": cell_diameter_px,
        "cell_diameter_um": cell_diameter_um,
        "pixel_size_um": pixel_size_um,
        "pattern": pattern,
        "frame_interval_min": frame_interval_min,
        "time_zone": time_zone,
        "t0": t0,
        "plate_map": None if plate_map is None else str(plate_map.expanduser().absolute()),
        "h": h,
        "channel": channel,
        "z": int(z) if z is not None and z.isdigit() else z,
        "segment": segment,
    }
    table = {key: value for key, value in given.items() if value is not None}
    settings = load_settings(config, {"database.file": database})
    with_experiment(settings, table, "command line")
    with CountStore.open(settings.database.file) as store:
        _refuse_watched(store, name.strip(), folders)
        _order(store, name.strip(), "add", by, table)
        running = _is_running(store)
    _answer(name.strip(), "added", running, as_json)


@experiment.command()
def stop(
    name: Name,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Watch an experiment's folders no more; its counts stay, and the other experiments go on.

    Example: livecount experiment stop "Plate 7"
    """
    with _known(config, database, name) as (store, last):
        if last is None or last.verb != "stop":
            _order(store, name, "stop", by)
        running = _is_running(store)
    _answer(name, "stopped", running, as_json)


@experiment.command()
def start(
    name: Name,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Watch an experiment again that was stopped: it goes on where it was, nothing counts twice.

    Example: livecount experiment start "Plate 7"
    """
    with _known(config, database, name) as (store, last):
        if last is None or not any(
            one.settings for one in store.watch_orders() if one.experiment == name
        ):
            raise NotInStoreError(
                f"It is not known how experiment {name!r} was set",
                hint="Give its folders and settings with `livecount experiment add`",
            )
        if last.verb not in ("add", "start"):
            _order(store, name, "start", by)
        running = _is_running(store)
    _answer(name, "started", running, as_json)


@experiment.command(name="list")
def list_experiments(
    database: DatabaseFile = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List all experiments: whether they are watched, their folders, and how many frames they have.

    Example: livecount experiment list --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        rows = list(_rows(store))
    if as_json:
        write_json({"experiments": rows})
        return
    table = Table("experiment", "state", "frames counted", "folders")
    for row in rows:
        words = (row["name"], row["state"], row["counted"], ", ".join(row["folders"]))
        table.add_row(*(Text(str(word)) for word in words))
    terminal().print(table)


def _rows(store: CountStore) -> Iterator[dict[str, Any]]:
    """Give each experiment that was ever counted or ordered, the oldest first."""
    orders = store.watch_orders()
    last = {order.experiment: order for order in orders}
    told = {order.experiment: order.settings for order in orders if order.settings}
    known = {one.name: one for one in store.experiments()}
    watched = _watched_folders(store)
    refused = {one.subject: one.text for one in store.notices() if one.code == "experiment_refused"}
    for name in dict.fromkeys([*known, *last]):
        found = known.get(name)
        folders = [source.folder for source in store.sources(found)] if found else []
        folders += [one for one in (told.get(name) or {}).get("folders", ()) if one not in folders]
        order = last.get(name)
        is_watched = any(folder in watched for folder in folders)
        yield {
            "name": name,
            "watched": is_watched,
            "state": _state(order, is_watched, _is_running(store), refused.get(name, "")),
            "folders": folders,
            "counted": store.tally(found).counted if found else 0,
            "said": order and order.verb,
            "made_by": order and order.said.made_by,
            "made_at": order and order.said.made_at,
        }


def _state(order: WatchOrder | None, is_watched: bool, is_running: bool, refused: str) -> str:
    if order is not None and order.verb == "stop":
        at = f"{order.said.made_at:%Y-%m-%d %H:%M}"
        return f"stopped by {order.said.made_by}, {at} UTC"
    if is_watched:
        return "watched"
    if refused and is_running:
        return refused
    if order is not None and order.verb in ("add", "start"):
        return "about to be watched" if is_running else "waits for `livecount run`"
    return "not watched"


def _watched_folders(store: CountStore) -> set[str]:
    beat = store.monitor()
    return set(beat.source_states) if beat is not None and _is_running(store) else set()


def _is_running(store: CountStore) -> bool:
    from livecount.storage import MonitorLock

    return MonitorLock(store.database).is_held_elsewhere()


def _order(
    store: CountStore,
    name: str,
    verb: WatchVerb,
    by: str | None,
    table: dict[str, Any] | None = None,
) -> None:
    from livecount.storage import WatchOrder

    store.add_watch_order(WatchOrder(name, verb, said_by(by), table))


def _refuse_watched(store: CountStore, name: str, folders: list[Path]) -> None:
    """Refuse an experiment that is watched already, and folders that another one has."""
    from livecount.experiment_tables import overlapping

    rows = list(_rows(store))
    active = [row for row in rows if row["watched"] or row["said"] in ("add", "start")]
    if any(row["name"] == name for row in active):
        raise ConfigError(
            f"Experiment {name!r} is watched already",
            hint="Choose another name, or end it first with `livecount experiment stop`",
        )
    taken = [Path(folder) for row in active for folder in row["folders"]]
    overlap = overlapping([*taken, *(folder.expanduser().absolute() for folder in folders)])
    if overlap:
        raise ConfigError(
            f"A folder is watched for another experiment: it {overlap}",
            hint="Let each experiment watch folders of its own",
        )


@contextmanager
def _known(
    config: Path | None, database: Path | None, name: str
) -> Iterator[tuple[CountStore, WatchOrder | None]]:
    """Open the database for an order on an experiment that it knows; give the last one too."""
    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        last = {one.experiment: one for one in store.watch_orders()}.get(name)
        if last is None:
            store.experiment(name)
    with CountStore.open(file) as store:
        yield store, last


def _answer(name: str, done: str, running: bool, as_json: bool) -> None:
    if as_json:
        write_json({"experiment": name, "done": done, "monitor_running": running})
        return
    when = "the monitor follows within seconds" if running else "it holds at the next `run`"
    say(f"experiment {name!r} is {done}; {when}")
