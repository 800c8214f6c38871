"""``run``, ``serve`` and ``status``: the monitor beside the microscope, and what it is doing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AsJson,
    CellDiameterPx,
    CellDiameterUm,
    Channel,
    ConfigFile,
    DatabaseFile,
    Folders,
    FrameIntervalMin,
    H,
    ModelName,
    NewExperiment,
    NoDashboard,
    Pattern,
    PixelSizeUm,
    Port,
    Segment,
    UntilIdle,
    Z,
    counting_overrides,
    load_settings,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.frame import FrameCount
    from livecount.storage import CountReader, Tally

_MAX_SHOWN = 20


def run(
    folders: Folders = None,
    config: ConfigFile = None,
    database: DatabaseFile = None,
    experiment: NewExperiment = None,
    cell_diameter_px: CellDiameterPx = None,
    cell_diameter_um: CellDiameterUm = None,
    pixel_size_um: PixelSizeUm = None,
    pattern: Pattern = None,
    frame_interval_min: FrameIntervalMin = None,
    model: ModelName = None,
    h: H = None,
    channel: Channel = None,
    z: Z = None,
    segment: Segment = None,
    until_idle: UntilIdle = None,
    no_dashboard: NoDashboard = False,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """Watch folders and count every frame as it lands, for hours or weeks.

    Frames that are there already are counted too; after a restart the run goes on where it was.
    Stop with Ctrl+C: the frame in hand is finished and nothing is lost.

    Example: livecount run D:/scans/experiment7 --cell-diameter-um 20
    """
    counting = counting_overrides(
        cell_diameter_px=cell_diameter_px,
        cell_diameter_um=cell_diameter_um,
        pixel_size_um=pixel_size_um,
        pattern=pattern,
        model=model,
        h=h,
        channel=channel,
        z=z,
        segment=segment,
    )
    overrides = {
        "database.file": database,
        "watch.folders": [str(folder) for folder in folders] if folders else None,
        "experiment.name": experiment,
        "experiment.frame_interval_min": frame_interval_min,
        **counting,
    }
    if no_dashboard and port is not None:
        raise typer.BadParameter("--port and --no-dashboard exclude each other.")
    settings = load_settings(config, overrides)
    serving = None if no_dashboard else _Serving(port)
    tally = _watch(settings, serving, until_idle, (lambda _: None) if as_json else _show_count)
    if as_json:
        write_json(_tally(tally))
    else:
        say(_tally_line(tally))


@dataclass(frozen=True, slots=True)
class _Serving:
    """That the dashboard is served, and at which port if one was asked for."""

    port: int | None


def _watch(
    settings: Config,
    serving: _Serving | None,
    until_idle_s: float | None,
    on_count: Callable[[FrameCount], None],
) -> Tally:
    """Run the monitor until it is stopped or idle."""
    from livecount.monitor import run_monitor, set_up_logs
    from livecount.platform.process import install_stop_signals
    from livecount.web import start_server

    set_up_logs(settings.log, settings.log_file)
    stop = threading.Event()
    install_stop_signals(lambda _: stop.set())
    say(f"database: {settings.database.file}\nlog: {settings.log_file}")
    for one in settings.each_experiment:
        of_which = f"experiment {one.experiment_name!r}: " if settings.experiments else ""
        say(f"{of_which}watching " + ", ".join(str(folder) for folder in one.watch.folders))
    with ExitStack() as stack:
        if serving is not None:
            server = stack.enter_context(start_server(settings.database.file, serving.port))
            say(f"dashboard: {server.address}")
            say(f"health and metrics: {server.base}/healthz, {server.base}/metrics")
        return run_monitor(
            settings, until_idle_s=until_idle_s, stop=stop, on_count=on_count, on_notice=say
        )


def _show_count(count: FrameCount) -> None:
    kind = "nuclei" if count.provenance.runtime == "classical" else "cells"
    page = f" page {count.key.page}" if count.key.page else ""
    density = count.density_per_mm2
    per_area = "" if density is None else f"  ({density:.0f} per mm\N{SUPERSCRIPT TWO})"
    flags = f"  [{', '.join(count.flags)}]" if count.flags else ""
    confluence = count.confluence_percent
    covered = "" if confluence is None else f"  {confluence:.0f} % confluent"
    terminal().print(
        f"{count.count:6d} {kind}{per_area}{covered}  {count.key.display_path!a:.120}{page}{flags}",
        markup=False,
    )


def _tally(tally: Tally) -> dict[str, int]:
    return {
        "seen": tally.seen,
        "counted": tally.counted,
        "pending": tally.pending,
        "ignored": tally.ignored,
        "quarantined": tally.quarantined,
        "superseded": tally.superseded,
    }


def _tally_line(tally: Tally) -> str:
    counts = _tally(tally)
    seen = counts.pop("seen")
    return f"{seen} frames seen: " + ", ".join(f"{n} {state}" for state, n in counts.items())


def serve(
    database: DatabaseFile = None,
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port (default: 8337).")
    ] = None,
) -> None:
    """Show the dashboard of a run on this computer, without counting.

    The address that is printed lets a browser in once and for all; scripts send its token as
    'Authorization: Bearer TOKEN' to /api/v1. /healthz answers 200 while all is well, else 503 with
    the reason; /metrics is for Prometheus.

    Example: livecount serve --database run.db --port 8400
    """
    from livecount.web import serve as answer

    settings = load_settings(config, {"database.file": database})
    answer(settings.database.file, port, lambda server: say(f"dashboard: {server.address}"))


def status(
    database: DatabaseFile = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show what the monitor is doing, what it counted, and what it could not read.

    Example: livecount status --database run.db
    """
    from livecount.storage import CountStore

    settings = load_settings(config, {"database.file": database})
    with CountStore.open(settings.database.file, read_only=True) as store:
        found = _status(store)
    if as_json:
        write_json(found)
    else:
        _show_status(found)


def _status(store: CountReader) -> dict[str, Any]:
    from livecount.cli.incident import incident_rows
    from livecount.storage import MonitorLock

    beat = store.monitor()
    return {
        "database": str(store.database),
        "running": MonitorLock(store.database).is_held_elsewhere(),
        "doing": beat.doing if beat else "never started",
        "since": beat.started_at if beat else None,
        "heard_of": beat.beat_at if beat else None,
        "last_count": beat.progress_at if beat else None,
        "engine": beat.engine if beat else "",
        "folders": dict(beat.source_states) if beat else {},
        "frames": _tally(store.tally()),
        "experiments": [_experiment(store, found) for found in store.experiments()],
        "quarantined": [
            {"file": item.display_path, "page": item.page, "reason": item.reason}
            for item in store.quarantined()
        ],
        "notices": [notice.text for notice in store.notices()],
        "incidents": incident_rows(store, with_past=False),
    }


def _experiment(store: CountReader, experiment: Any) -> dict[str, Any]:
    diameter = experiment.cell_diameter
    return {
        "name": experiment.name,
        "frames": _tally(store.tally(experiment)),
        "cell_diameter": f"{diameter.value:g} {diameter.unit} ({diameter.origin})"
        if diameter
        else "not known yet",
        "validation": _validation(store, experiment),
        "calibration": _calibration(store, experiment),
    }


def _validation(store: CountReader, experiment: Any) -> dict[str, Any]:
    """Say what people found of the primary analysis' counts."""
    from livecount.cli.validate import validation_entry
    from livecount.validated import describe, usable

    primary = [found for found in store.analyses(experiment) if found.is_primary]
    made = store.validations(primary[0]) if primary else []
    latest = next(iter(usable(made)), None)
    return {"said": describe(made), "latest": latest and validation_entry(latest)}


def _calibration(store: CountReader, experiment: Any) -> str:
    """Say how the primary analysis' counts compare to nuclei."""
    from livecount.calibrated import describe_calibrations

    primary = [found for found in store.analyses(experiment) if found.is_primary]
    return describe_calibrations(store.nuclei_calibrations(primary[0]) if primary else [])


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "never"


def _show_status(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None)
    rows = {
        "monitor": f"running, {found['doing']}" if found["running"] else "not running",
        "last heard of": _moment(found["heard_of"]),
        "last count": _moment(found["last_count"]),
        "engine": found["engine"],
        "database": found["database"],
    }
    for folder, state in found["folders"].items():
        rows[f"folder {folder}"] = state
    for experiment in found["experiments"]:
        frames = ", ".join(f"{n} {state}" for state, n in experiment["frames"].items())
        rows[f"experiment {experiment['name']}"] = (
            f"{frames}; cell diameter {experiment['cell_diameter']}"
        )
        rows[f"validation {experiment['name']}"] = experiment["validation"]["said"]
        if experiment["calibration"] != "none":
            rows[f"calibration {experiment['name']}"] = experiment["calibration"]
    for name, value in rows.items():
        table.add_row(_plain(name), _plain(str(value)))
    console = terminal()
    console.print(table)
    for incident in found["incidents"]:
        console.print(f"! {incident['text']} (since {_moment(incident['since'])})", markup=False)
    quarantined = found["quarantined"]
    for item in quarantined[:_MAX_SHOWN]:
        page = "" if item["page"] is None else f" page {item['page']}"
        console.print(f"set aside: {item['file']!a}{page}: {item['reason']}", markup=False)
    if len(quarantined) > _MAX_SHOWN:
        console.print(
            f"... and {len(quarantined) - _MAX_SHOWN} more set aside; all of them: "
            "livecount status --json"
        )


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
