"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.inside import EdgeRule
    from livecount.storage import Analysis, CountReader, CountStore, Experiment, Instant, Said


def finite(value: float | None) -> float | None:
    """Refuse ``nan`` and ``inf``, which pass every bound; for options that are no settings."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def above_zero(value: float | None) -> float | None:
    """Refuse what is no length: 0, less, ``nan`` and ``inf``."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a number above 0.")
    return value


ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings; see the shipped config.toml.")
]
DatabaseFile = Annotated[
    Path | None, typer.Option("--database", help="The run's database (default: from the config).")
]
Folders = Annotated[
    list[Path] | None, typer.Argument(help="Folders that the microscope writes to.")
]
NewExperiment = Annotated[
    str | None, typer.Option("--experiment", help="Name (default: the first folder's).")
]
UntilIdle = Annotated[
    float | None,
    typer.Option(
        "--until-idle",
        min=0.1,
        callback=finite,
        help="End after this many seconds with nothing to do.",
    ),
]
NoDashboard = Annotated[
    bool, typer.Option("--no-dashboard", help="Serve neither health nor metrics.")
]
Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65535, help="Port of health and metrics.")
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment", help="Experiment (default: the latest one).")
]
AnalysisId = Annotated[
    str | None, typer.Option("--analysis", help="Analysis to show instead of the primary one.")
]
CellDiameterPx = Annotated[
    float | None,
    typer.Option("--cell-diameter-px", help="Typical diameter of a cell in pixels of the frames."),
]
CellDiameterUm = Annotated[
    float | None, typer.Option("--cell-diameter-um", help="Typical diameter of a cell in um.")
]
PixelSizeUm = Annotated[
    float | None,
    typer.Option("--pixel-size-um", help="Pixel size, used where the files carry none."),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        help="Regular expression for file names, with groups such as (?P<well>..), "
        "(?P<field>..), (?P<time_point>..).",
    ),
]
FrameIntervalMin = Annotated[
    float | None,
    typer.Option(
        "--frame-interval-min", help="Minutes between time points, where files carry no times."
    ),
]
ModelName = Annotated[
    str | None, typer.Option("--model", help="Model: its name, or the folder that holds it.")
]
H = Annotated[float | None, typer.Option("--h", help="Prominence from which a peak is a cell.")]
Channel = Annotated[str | None, typer.Option("--channel", help="The channel to count.")]
Z = Annotated[str | None, typer.Option("--z", help="Plane to count: sharpest, all, or a number.")]
Segment = Annotated[
    bool | None,
    typer.Option(
        "--segment/--no-segment", help="Also give each cell a mask: confluence and cell shapes."
    ),
]
EdgeGuard = Annotated[
    Literal["none", "half-diameter"] | None,
    typer.Option(
        "--edge-guard",
        help="Cells nearer to the frame's edge are left out of curves, and the area with them "
        "(default: as set for the run).",
    ),
]
By = Annotated[str | None, typer.Option("--by", help="Who says so (default: the user logged in).")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON, for scripts.")]


def said_by(name: str | None) -> Said:
    """Give who says something now: the name given, else who is logged in."""
    from livecount.platform.login import user_name
    from livecount.storage import Said

    return Said(name or user_name(), datetime.now(UTC))


@contextmanager
def people_edit(
    config: Path | None, database: Path | None, experiment: str | None
) -> Iterator[tuple[CountStore, Experiment]]:
    """Open the run's database for what a person says of an experiment, beside the monitor.

    Raises
    ------
    StoreError, NotInStoreError
        There is no database, or no such experiment in it; neither is made.
    """
    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        found = chosen_experiment(store, experiment)
    with CountStore.open(file) as store:
        yield store, found


@contextmanager
def people_look(
    config: Path | None, database: Path | None, experiment: str | None
) -> Iterator[tuple[CountStore, Experiment]]:
    """Open the run's database for reading what people said of an experiment."""
    from livecount.storage import CountStore

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        yield store, chosen_experiment(store, experiment)


def zero_now(
    store: CountStore, experiment: Experiment, times: Sequence[Instant]
) -> datetime | None:
    """Give the date of hour 0 where times that people gave are kept with their dates.

    Only then are the counts read, which takes a while on a large run.
    """
    from livecount.tables import count_table
    from livecount.time_axis import zero_of

    has_counts = any(each.is_primary for each in store.analyses(experiment))
    if not has_counts or all(one.at is None for one in times):
        return None
    counts = count_table(store, experiment, store.analysis(experiment))
    zero = zero_of(counts) if len(counts) else None
    return None if zero is None else zero.to_pydatetime(warn=False)


def load_settings(config_file: Path | None, overrides: Mapping[str, Any]) -> Config:
    """Read the settings; a ``config.toml`` in the current folder is *not* taken by itself."""
    from livecount.config import load_config

    return load_config(config_file, environment=os.environ, overrides=overrides)


def counting_overrides(
    *,
    cell_diameter_px: float | None,
    cell_diameter_um: float | None,
    pixel_size_um: float | None,
    pattern: str | None,
    model: str | None,
    h: float | None,
    channel: str | None,
    z: str | None,
    segment: bool | None,
) -> dict[str, Any]:
    """Name the settings that the shared counting options stand for."""
    return {
        "counting.cell_diameter_px": cell_diameter_px,
        "counting.cell_diameter_um": cell_diameter_um,
        "counting.pixel_size_um": pixel_size_um,
        "counting.model": model,
        "counting.h": h,
        "counting.channel": channel,
        "counting.z": int(z) if z is not None and z.isdigit() else z,
        "counting.segment": segment,
        "watch.pattern": pattern,
    }


def edge_rule(
    settings: Config, experiment: Experiment | None = None, guard: str | None = None
) -> EdgeRule:
    """Say what is done about edges and overlaps: by flag, settings, or as the run was set."""
    from livecount.inside import EdgeRule
    from livecount.monitor import edges_said

    own = settings.of_experiment(experiment.name) if experiment else settings
    said = {**(experiment.settings if experiment else {}), **edges_said(own)}
    return EdgeRule.of_settings({**said, "edge_guard": guard or said.get("edge_guard")})


def chosen_experiment(store: CountReader, name: str | None) -> Experiment:
    """Find the experiment named, else the latest.

    Raises
    ------
    NotInStoreError
        There is none of that name, or none at all.
    """
    from livecount.errors import NotInStoreError

    if name is not None:
        return store.experiment(name)
    experiments = store.experiments()
    if not experiments:
        raise NotInStoreError(
            f"{store.database} holds no experiment yet",
            hint="Start one with `livecount run FOLDER`",
        )
    return experiments[-1]


def chosen_analysis(
    store: CountReader, experiment: str | None, analysis: str | None
) -> tuple[Experiment, Analysis]:
    """Find experiment and analysis that a command is to show."""
    found = chosen_experiment(store, experiment)
    return found, store.analysis(found, analysis)
