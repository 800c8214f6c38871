"""``simulate``: the virtual microscope alone, with known ground truth."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from livecount.cli.options import AsJson
from livecount.cli.terminal import progress_bar, say, write_json

if TYPE_CHECKING:
    from livecount.simulation import GroundTruth, SimulationSettings

# The names of Scheme and Manner, repeated so that --help need not import the simulation.
SchemeName = Literal[
    "generic",
    "micro-manager",
    "micro-manager-stack",
    "pymmcore-plus",
    "incucyte",
    "imagexpress",
    "nis-elements",
    "ome-tiff",
]
MannerName = Literal["in-place", "slow", "pre-sized", "temp-rename", "growing"]


Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")]
Wells = Annotated[str, typer.Option("--wells", help="Wells, as in A1,A2,B1.")]
PlateMapFile = Annotated[
    Path | None, typer.Option("--plate-map", help="Take the wells from a plate map instead.")
]
Gr50 = Annotated[
    float | None, typer.Option("--gr50", help="Dose at which the map's treatment gives GR 0.5.")
]
GrInf = Annotated[float, typer.Option("--gr-inf", help="GR of the highest doses.")]
Hill = Annotated[float, typer.Option("--hill", help="Slope of the dose response.")]
Fields = Annotated[int, typer.Option("--fields", help="Fields per well.")]
TimePoints = Annotated[int, typer.Option("--time-points", help="Frames per field.")]
Interval = Annotated[
    float, typer.Option("--frame-interval-min", help="Simulated minutes between frames.")
]
DoublingTime = Annotated[float, typer.Option("--doubling-time-h", help="Of the populations.")]
Founders = Annotated[int, typer.Option("--founders", help="Cells per field at first.")]
Diameter = Annotated[float, typer.Option("--cell-diameter-px", help="Diameter of a spread cell.")]
PixelSize = Annotated[float, typer.Option("--pixel-size-um", help="Size of a pixel.")]
Size = Annotated[int, typer.Option("--size-px", help="Height and width.")]
WhoseFiles = Annotated[SchemeName, typer.Option("--scheme", help="Whose file names and metadata.")]
HowWritten = Annotated[
    MannerName, typer.Option("--manner", help="How files come to be on the disk.")
]
Pace = Annotated[
    float, typer.Option("--seconds-per-time-point", help="Real pace; 0: as fast as possible.")
]
Annotate = Annotated[
    bool, typer.Option("--annotations", help="Write centres and masks for `evaluate`.")
]
NucleiEvery = Annotated[
    int,
    typer.Option("--nuclei-every", help="Stained nuclei too, every so many time points; 0: never."),
]
Seed = Annotated[int, typer.Option("--seed", help="Equal seeds give equal frames.")]


def simulate(
    output: Output,
    wells: Wells = "A1",
    plate_map: PlateMapFile = None,
    gr50: Gr50 = None,
    gr_inf: GrInf = 0.0,
    hill: Hill = 1.0,
    fields: Fields = 1,
    time_points: TimePoints = 49,
    frame_interval_min: Interval = 30.0,
    doubling_time_h: DoublingTime = 20.0,
    founders: Founders = 40,
    cell_diameter_px: Diameter = 40.0,
    pixel_size_um: PixelSize = 0.65,
    size_px: Size = 1024,
    scheme: WhoseFiles = "generic",
    manner: HowWritten = "in-place",
    seconds_per_time_point: Pace = 0.0,
    annotations: Annotate = False,
    nuclei_every: NucleiEvery = 0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write a time-course of simulated growing cells, as real acquisition software writes.

    The true counts lie beside it in truth/. Simulated frames show that nothing is lost or doubled;
    they are no evidence of accuracy on real cells.

    Example: livecount simulate -o frames --wells A1,A2 --scheme incucyte --manner slow
    """
    from livecount.simulation import Manner, Scheme, SimulationSettings

    names = tuple(well.strip() for well in wells.split(",") if well.strip())
    times: float | dict[str, float] = doubling_time_h
    if plate_map is not None:
        times = _dosed(plate_map, doubling_time_h, gr50, gr_inf, hill)
        names = tuple(times)
    elif gr50 is not None:
        raise typer.BadParameter("--gr50 needs the doses of a --plate-map.")
    settings = SimulationSettings(
        wells=names,
        fields_per_well=fields,
        n_time_points=time_points,
        frame_interval_min=frame_interval_min,
        doubling_time_h=times,
        founders=founders,
        cell_diameter_px=cell_diameter_px,
        pixel_size_um=pixel_size_um,
        height_px=size_px,
        width_px=size_px,
        scheme=Scheme(scheme),
        manner=Manner(manner),
        real_seconds_per_time_point=seconds_per_time_point,
        write_annotations=annotations,
        nuclei_every=nuclei_every,
        seed=seed,
    )
    _report(_written(settings, output), as_json=as_json)


def _written(settings: SimulationSettings, output: Path) -> GroundTruth:
    """Write every frame, or as many as there are until a signal says to stop."""
    from livecount.platform.process import install_stop_signals
    from livecount.simulation import simulate as run_simulation

    stop = threading.Event()
    install_stop_signals(lambda _: stop.set())
    n_frames = len(settings.wells) * settings.fields_per_well * settings.n_time_points
    with progress_bar("simulating", n_frames) as advance:
        return run_simulation(settings, output, on_frame=lambda _: advance(), stop=stop.is_set)


def _dosed(
    plate_map: Path, doubling_time_h: float, gr50: float | None, gr_inf: float, hill: float
) -> dict[str, float]:
    """Give the wells of a map and how fast each grows under its dose."""
    from livecount.plate import read_plate_map
    from livecount.plate.dosing import Effect, doubling_times

    try:
        effect = None if gr50 is None else Effect(gr50, gr_inf, hill)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error
    return doubling_times(read_plate_map(plate_map), doubling_time_h, effect)


def _report(truth: GroundTruth, *, as_json: bool) -> None:
    if as_json:
        write_json(
            {
                "folder": str(truth.folder),
                "frames": len(truth.frames),
                "truth": str(truth.truth_csv),
                "complete": truth.complete,
                "doubling_time_h": {
                    well.well: well.realised_doubling_time_h for well in truth.wells
                },
            }
        )
    else:
        say(f"{len(truth.frames)} frames -> {truth.folder}; true counts: {truth.truth_csv}")
