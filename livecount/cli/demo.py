"""``demo``: a virtual microscope writes a time-course, livecount counts it live; ends by itself."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import AsJson, load_settings
from livecount.cli.showing import open_in_browser
from livecount.cli.terminal import say, terminal, write_json
from livecount.errors import LivecountError

if TYPE_CHECKING:
    import pandas as pd

    from livecount.config import Config
    from livecount.frame import FrameCount
    from livecount.growth import GrowthRow

_WELLS = ("A1", "A2", "B1", "B2")
_TIME_POINTS = 25
_DOUBLING_TIME_H = 12.0
_FRAME_INTERVAL_MIN = 60
_FOUNDERS = 60
_SIZE_PX = 768
_SEED = 4
_SPREAD_DIAMETER_PX = 36.0
"""What the simulation is asked for: the mean of fully spread cells, by area."""
_CELL_DIAMETER_PX = 33.0
"""What a person would measure: the median equivalent diameter in the first four frames' masks."""
_IDLE_S = 6.0
_FILES = ("counts.csv", "growth.svg", "growth.png", "livecount.db")
_BARS = "▁▂▃▄▅▆▇█"


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to make; must not exist yet.")
    ] = Path("livecount-demo"),
    as_json: AsJson = False,
) -> None:
    """Show the whole way in two minutes: frames, counts, growth curve, CSV.

    A virtual microscope writes four wells of dividing cells into a folder, slowly and in place as
    real software does; the monitor counts each frame as it is completed. The cells are simulated:
    this shows that the plumbing works, not how accurate counts are on your cells.

    Example: livecount demo -o my-demo
    """
    if output.exists():
        raise LivecountError(
            f"{output} exists already", hint="Remove it, or name another folder with -o"
        )
    frames = output / "frames"
    frames.mkdir(parents=True)
    settings = load_settings(
        None,
        {
            "database.file": output / "livecount.db",
            "watch.folders": [str(frames)],
            "watch.scan_interval_s": 1.0,
            "experiment.name": "demo",
            "counting.cell_diameter_px": _CELL_DIAMETER_PX,
        },
    )
    say(f"A virtual microscope writes frames to {frames}; livecount counts them as they land.")
    with _dashboard(settings, show=not as_json):
        microscope = _start_microscope(frames)
        try:
            _count_live(settings)
        finally:
            microscope.terminate()
            microscope.wait()
    _report(_results(settings, frames, output), as_json=as_json)


@contextmanager
def _dashboard(settings: Config, *, show: bool) -> Iterator[None]:
    """Serve the dashboard while the demo runs, and open it where there is a screen."""
    if not show:
        yield
        return
    from livecount.web import start_server

    with start_server(settings.database.file, settings.dashboard, None) as server:
        say(f"dashboard: {server.address}")
        open_in_browser(server.address)
        yield


def _start_microscope(frames: Path) -> subprocess.Popen[bytes]:
    """Start the virtual microscope as a program of its own, as a real one would be."""
    options = {
        "--output": frames,
        "--wells": ",".join(_WELLS),
        "--time-points": _TIME_POINTS,
        "--frame-interval-min": _FRAME_INTERVAL_MIN,
        "--doubling-time-h": _DOUBLING_TIME_H,
        "--founders": _FOUNDERS,
        "--cell-diameter-px": _SPREAD_DIAMETER_PX,
        "--size-px": _SIZE_PX,
        "--scheme": "incucyte",
        "--manner": "in-place",
        "--seconds-per-time-point": 2.5,
        "--seed": _SEED,
    }
    words = [str(word) for option in options.items() for word in option]
    return subprocess.Popen(
        [sys.executable, "-m", "livecount", "simulate", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _count_live(settings: Config) -> None:
    from rich.live import Live

    from livecount.monitor import run_monitor, set_up_logs

    set_up_logs(settings.log, settings.log_file)
    counts: dict[str, dict[float, int]] = defaultdict(dict)
    screen = terminal(stderr=True)
    with Live(console=screen, refresh_per_second=4) as live:

        def show(count: FrameCount) -> None:
            attributes = count.attributes
            counts[attributes.well or "?"][attributes.elapsed_s or 0.0] = count.count
            live.update(_picture(counts))

        run_monitor(settings, until_idle_s=_IDLE_S, stop=threading.Event(), on_count=show)
    if not screen.is_terminal:
        screen.line()  # elsewhere the table's last line is left open


def _picture(counts: dict[str, dict[float, int]]) -> Any:
    from rich.table import Table

    table = Table("well", "cells now", "growth", title="counted live")
    highest = max(1, *(max(series.values()) for series in counts.values()))
    for well in sorted(counts):
        values = [value for _, value in sorted(counts[well].items())]
        line = "".join(_BARS[max(0, math.ceil(value / highest * 8) - 1)] for value in values)
        table.add_row(well, str(values[-1]), line)
    return table


def _results(settings: Config, frames: Path, output: Path) -> dict[str, Any]:
    from livecount.export import write_csv
    from livecount.growth import growth_table
    from livecount.plots import plot_growth
    from livecount.storage import CountStore
    from livecount.tables import count_table

    with CountStore.open(settings.database.file, read_only=True) as store:
        experiment = store.experiment("demo")
        counts = count_table(store, experiment, store.analysis(experiment), intervals=True)
    growth = growth_table(counts)
    write_csv(counts, output / "counts.csv")
    for name in ("growth.svg", "growth.png"):
        plot_growth(counts, growth, output / name)
    return _compare(counts, growth, frames, output)


def _compare(
    counts: pd.DataFrame, growth: list[GrowthRow], frames: Path, output: Path
) -> dict[str, Any]:
    # What chance made of the set doubling time in so few cells is in the microscope's own notes.
    truth = json.loads((frames / "truth" / "truth.json").read_text(encoding="utf-8"))
    group = next((row for row in growth if row.level == "group"), None)
    measured = group.doubling_time_h if group else None
    return {
        "frames_written": _TIME_POINTS * len(_WELLS),
        "frames_counted": len(counts),
        "doubling_time_h": measured,
        "doubling_time_low_h": group.doubling_time_low_h if group else None,
        "doubling_time_high_h": group.doubling_time_high_h if group else None,
        "true_doubling_time_h": _DOUBLING_TIME_H,
        "realised_doubling_time_h": {
            well: found["realised_doubling_time_h"] for well, found in truth["wells"].items()
        },
        "error_percent": None
        if measured is None
        else 100 * (measured - _DOUBLING_TIME_H) / _DOUBLING_TIME_H,
        "files": [str(output / name) for name in _FILES],
    }


def _report(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(result)
        return
    console = terminal()
    console.print(f"{result['frames_counted']} of {result['frames_written']} frames counted")
    if result["doubling_time_h"] is None:
        console.print("no growth resolved")
    else:
        console.print(
            f"doubling time measured: {result['doubling_time_h']:.1f} h "
            f"({result['doubling_time_low_h']:.1f} to {result['doubling_time_high_h']:.1f} h, "
            f"95 % across {len(_WELLS)} wells)"
        )
    console.print(
        f"doubling time true:     {result['true_doubling_time_h']:.1f} h "
        f"(difference {result['error_percent']:+.1f} %)"
        if result["error_percent"] is not None
        else f"doubling time true:     {result['true_doubling_time_h']:.1f} h"
    )
    for file in result["files"]:
        console.print(file, markup=False)
