"""``incidents``, ``alert`` and ``forecast``: what happened to the run, who is told, what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livecount.cli.options import (
    AsJson,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    chosen_analysis,
    finite,
    load_settings,
)
from livecount.cli.terminal import FAILED, say, show_error, terminal, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livecount.storage import CountReader, Delivery, Notice

_HOW_MEASURED = {
    "confluence_percent": "Confluence is measured with `livecount run --segment`",
    "density_per_mm2": "A density needs a pixel size: `livecount run --pixel-size-um`",
    "count": "Times are needed: `livecount run --frame-interval-min`, or a pattern with times",
}

alert = typer.Typer(
    name="alert",
    help="Who is told of incidents: send a test message.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def incidents(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that last.")] = False,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List what happened to the run, what lasts first, and who was told.

    Example: livecount incidents --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        rows = incident_rows(store, with_past=not only_open)
        zones = {each.name: each.time_zone for each in store.experiments()}
    if as_json:
        write_json({"incidents": rows})
        return
    table = Table("since", "lasted", "what", "where", "told")
    for row in rows:
        zone = zones.get(row["experiment"] or "", settings.experiment.time_zone)
        cells = (_since(row, zone), _lasted(row), row["text"], _where(row), _told(row))
        table.add_row(*map(Text, cells))
    terminal().print(table if rows else "nothing happened so far")


def incident_rows(store: CountReader, *, with_past: bool) -> list[dict[str, Any]]:
    """Give incidents as plain values: those that last first, then the latest."""
    deliveries: dict[int, list[Delivery]] = {}
    for each in store.deliveries():
        deliveries.setdefault(each.notice.id, []).append(each)
    found = store.notices(with_past=with_past)
    ordered = sorted(found, key=lambda each: (each.until is not None, -each.id))
    return [_row(each, deliveries.get(each.id, [])) for each in ordered]


def _row(notice: Notice, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    return {
        "number": notice.id,
        "kind": notice.code,
        "experiment": notice.experiment,
        "plate": notice.plate,
        "well": notice.well,
        "subject": notice.subject,
        "text": notice.text,
        "since": notice.since,
        "until": notice.until,
        "told": [
            {
                "target": each.target,
                "part": each.part,
                "delivered_at": each.delivered_at,
                "attempts": each.attempts,
                "last_error": each.last_error,
            }
            for each in deliveries
        ],
    }


def _since(row: dict[str, Any], zone: str) -> str:
    from livecount.alerts.wording import local_time

    return local_time(row["since"], zone)


def _lasted(row: dict[str, Any]) -> str:
    from livecount.alerts.wording import in_hours

    if row["until"] is None:
        return "lasts"
    return in_hours((row["until"] - row["since"]).total_seconds() / 3600)


def _where(row: dict[str, Any]) -> str:
    named = [row[name] for name in ("experiment", "plate", "well") if row[name]]
    return ", ".join(named)


def _told(row: dict[str, Any]) -> str:
    waiting = {each["target"]: each for each in row["told"] if each["delivered_at"] is None}
    words = []
    for target in dict.fromkeys(each["target"] for each in row["told"]):
        each = waiting.get(target)
        if each is None:
            words.append(target)
        elif each["last_error"]:
            words.append(f"{target}: not yet, tried {each['attempts']} x: {each['last_error']}")
        else:
            words.append(f"{target}: not yet")
    return "; ".join(words)


@alert.command(name="test")
def try_out(
    target: Annotated[
        str | None, typer.Argument(help="Its name in the settings (default: all).")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message, and say why where it is not taken.

    Example: livecount alert test lab -c config.toml
    """
    from livecount.alerts import Message
    from livecount.errors import ConfigError, LivecountError
    from livecount.monitor.sending import try_to_send

    settings = load_settings(config, {}).alerts
    if not settings.targets:
        raise ConfigError("No alert target is set", hint="Name one in [alerts] targets")
    if target is not None and target not in settings.targets:
        known = ", ".join(settings.targets)
        raise ConfigError(f"There is no alert target {target!r}", hint=f"Known are: {known}")
    message = Message(
        "livecount: test message",
        "This is a test: incidents of the run will be told here.\n",
    )
    outcome: dict[str, str | None] = {}
    for name in [target] if target is not None else settings.targets:
        try:
            try_to_send(name, settings.targets[name], message, settings.timeout_s)
            outcome[name] = None
        except LivecountError as error:
            outcome[name] = str(error)
            if not as_json:
                show_error(error)
        else:
            say(f"{name}: a test message was taken")
    if as_json:
        write_json({name: {"taken": why is None, "error": why} for name, why in outcome.items()})
    if any(outcome.values()):
        raise typer.Exit(FAILED)


def forecast(
    metric: Annotated[
        Literal["confluence_percent", "density_per_mm2", "count"],
        typer.Argument(help="What is to be reached; count: cells per field."),
    ],
    value: Annotated[float, typer.Argument(min=0.001, callback=finite, help="The threshold.")],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Say when each well will reach a threshold and how far off that may be, or why not.

    Example: livecount forecast confluence_percent 80
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.alerts.thresholds import forecast_rows
    from livecount.errors import NotInStoreError
    from livecount.storage import CountStore
    from livecount.tables import count_table
    from livecount.time_axis import zero_of

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found, chosen = chosen_analysis(store, experiment, None)
        counts = count_table(store, found, chosen)
    zero = zero_of(counts)
    rows = forecast_rows(
        counts,
        metric,
        value,
        found.time_zone,
        None if zero is None else zero.to_pydatetime(warn=False),
    )
    if not rows:
        raise NotInStoreError(
            f"Experiment {found.name!r} has no {metric} at any time", hint=_HOW_MEASURED[metric]
        )
    if as_json:
        write_json({"experiment": found.name, "metric": metric, "value": value, "places": rows})
        return
    table = Table("place", "now", "forecast")
    for row in rows:
        table.add_row(*(Text(str(row[name])) for name in ("place", "now", "said")))
    terminal().print(table)
