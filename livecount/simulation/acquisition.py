"""The virtual microscope at work: populations grow, frames are drawn and written, truth is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from livecount.errors import SimulationError
from livecount.simulation.annotating import Annotator
from livecount.simulation.naming import naming_for
from livecount.simulation.nuclei import draw_nuclei
from livecount.simulation.optics import FieldCamera, Microscope, OpticsSettings
from livecount.simulation.plan import Plan, Shot
from livecount.simulation.population import Population, PopulationSettings
from livecount.simulation.settings import SimulationSettings
from livecount.simulation.truth import FOLDER, FrameTruth, GroundTruth, TruthKeeper
from livecount.simulation.writers import FrameWriter, open_writer

__all__ = ["simulate"]

_LONGEST_NAP_S = 0.1


def simulate(
    settings: SimulationSettings,
    folder: Path,
    *,
    on_frame: Callable[[FrameTruth], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> GroundTruth:
    """Run a simulated acquisition into a folder.

    Parameters
    ----------
    settings
        The experiment and how it is written.
    folder
        The acquisition's folder, made if absent; the truth goes to its sub-folder ``truth``.
    on_frame
        Called after every frame with its truth.
    stop
        Asked often; True ends the acquisition after the present frame, with all files complete.

    Returns
    -------
    GroundTruth
        The truth of every frame and well.

    Raises
    ------
    SimulationError
        If the folder holds a simulation already, or cannot be written.
    """
    stop = stop or (lambda: False)
    plan = settings.plan
    times = {well: settings.doubling_time_of(well) for well in settings.wells}
    with _writing(folder):
        _claim(folder)
        keeper = TruthKeeper(folder, settings.as_json(), times)
        writer = _open_writer(settings, plan, folder, stop)
        annotator = Annotator(settings, folder) if settings.write_annotations else None
    stage = _Stage(settings, plan)
    started = time.monotonic()
    complete = False
    try:
        for shot in _shots(settings, plan):
            _wait_until(started + shot.time_point * settings.real_seconds_per_time_point, stop)
            if stop():
                break
            with _writing(folder):
                truth = _take(shot, stage, writer, folder, annotator)
                keeper.add(truth)
                if settings.has_nuclei(shot.time_point):
                    _take_nuclei(shot, stage, writer)
            if on_frame is not None:
                on_frame(truth)
        else:
            complete = True
    finally:
        with _writing(folder):
            writer.close()
            if annotator is not None:
                annotator.close()
            result = keeper.close(complete=complete)
    return result


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SimulationError(
            f"the simulated frames cannot be written to {folder}: {error}",
            hint="choose a folder that can be written and has room",
        ) from error


def _claim(folder: Path) -> None:
    if (folder / FOLDER).exists():
        raise SimulationError(
            f"{folder} holds a simulation already", hint="choose a new folder or empty this one"
        )
    if folder.exists() and not folder.is_dir():
        raise SimulationError(f"{folder} is not a folder", hint="choose another path")


def _open_writer(
    settings: SimulationSettings, plan: Plan, folder: Path, stop: Callable[[], bool]
) -> FrameWriter:
    return open_writer(
        settings.scheme,
        folder,
        plan,
        naming_for(settings.scheme),
        settings.manner,
        settings.write_seconds,
        lambda seconds: _wait_until(time.monotonic() + seconds, stop),
        bigtiff=settings.bigtiff,
        ome_at_start=settings.ome_at_start,
    )


def _shots(settings: SimulationSettings, plan: Plan) -> list[Shot]:
    n_positions = len(plan.positions)
    return [
        Shot(plan, t * n_positions + p, p, t, settings.elapsed_s(p, t))
        for t in range(plan.n_time_points)
        for p in range(n_positions)
    ]


def _take(
    shot: Shot, stage: _Stage, writer: FrameWriter, folder: Path, annotator: Annotator | None
) -> FrameTruth:
    """Let the cells live on until the exposure, draw, write, and say what was there."""
    elapsed_h = shot.elapsed_s / 3600
    population, camera = stage.position(shot.position)
    population.advance_to(elapsed_h)
    cells = population.cells()
    path, page = writer.write(shot, camera.frame(cells, shot.time_point, elapsed_h))
    if annotator is not None:
        annotator.add(path, cells, camera.masks(cells, elapsed_h))
    return FrameTruth(
        source=path.relative_to(folder).as_posix(),
        page=page,
        well=shot.well,
        field=shot.field,
        time_point=shot.time_point,
        elapsed_h=elapsed_h,
        count=cells.count,
        dividing=cells.n_dividing,
        dead=cells.n_dead,
    )


def _take_nuclei(shot: Shot, stage: _Stage, writer: FrameWriter) -> None:
    """Write the same field with its nuclei stained, as it was a moment before."""
    population, _ = stage.position(shot.position)
    stained = replace(shot, shows_nuclei=True)
    rng = np.random.default_rng([stage.seed, 2, shot.number])
    cells = population.cells()
    writer.write(stained, draw_nuclei(cells, population.settings, shot.plan.bit_depth, rng))


class _Stage:
    """The dishes under the microscope: one population and camera for each position."""

    def __init__(self, settings: SimulationSettings, plan: Plan) -> None:
        self._settings = settings
        self.seed = settings.seed
        optics = OpticsSettings(
            settings.height_px,
            settings.width_px,
            settings.cell_diameter_px,
            settings.bit_depth,
            settings.debris,
            settings.noise,
            settings.uneven_light,
        )
        root = np.random.SeedSequence(settings.seed)
        of_microscope, of_fields = root.spawn(2)
        microscope = Microscope(optics, of_microscope)
        seeds = of_fields.spawn(len(plan.positions))
        self._positions = [
            self._field(well, microscope, seed)
            for (well, _), seed in zip(plan.positions, seeds, strict=True)
        ]

    def position(self, index: int) -> tuple[Population, FieldCamera]:
        return self._positions[index]

    def _field(
        self, well: str, microscope: Microscope, seed: np.random.SeedSequence
    ) -> tuple[Population, FieldCamera]:
        settings = self._settings
        population = PopulationSettings(
            founders=settings.founders,
            doubling_time_h=settings.doubling_time_of(well),
            cycle_cv=settings.cycle_cv,
            death_rate_per_h=settings.death_rate_per_h,
            height_px=settings.height_px,
            width_px=settings.width_px,
            cell_diameter_px=settings.cell_diameter_px,
            speed_diameters_per_h=settings.speed_diameters_per_h,
            horizon_h=settings.horizon_h,
        )
        of_cells, of_looks = seed.spawn(2)
        return (
            Population(population, np.random.default_rng(of_cells)),
            FieldCamera(microscope, of_looks),
        )


def _wait_until(moment: float, stop: Callable[[], bool]) -> None:
    while (left := moment - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, _LONGEST_NAP_S))
