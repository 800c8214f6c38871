"""What the virtual microscope is asked to do, checked before it starts."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from livecount.errors import SimulationError
from livecount.simulation.plan import Plan, Scheme
from livecount.simulation.writers import Manner

__all__ = ["SimulationSettings"]

_Choice = TypeVar("_Choice", bound=StrEnum)

_WELL = re.compile(r"(?:[A-Z]|A[A-F])(?:[1-9]|[1-3][0-9]|4[0-8])")
_MAX_COVERAGE = 1.15
_STACK_MANNERS = (Manner.GROWING, Manner.PRE_SIZED)
# a real stage needs some time from one position to the next
_MOVE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """A simulated experiment and how it is written.

    Attributes
    ----------
    wells
        Names such as ``A1``; ``A1`` to ``AF48``.
    fields_per_well
        Fields in each well; each is a population of its own.
    n_time_points
        Frames of each field.
    frame_interval_min
        Simulated minutes between them.
    doubling_time_h
        Of the populations, net of death: one value, or well -> value; may be infinite.
    founders
        Live cells in each field at the start.
    cycle_cv
        Coefficient of variation of the cell cycle time.
    death_rate_per_h
        Hazard of death of each cell, 1/h.
    speed_diameters_per_h
        Mean speed of migration, cell diameters an hour.
    cell_diameter_px, pixel_size_um
        Mean equivalent diameter of a spread cell, and the size of a pixel.
    height_px, width_px, bit_depth
        The camera; 8 or 16 bits.
    debris, noise, uneven_light
        1, 1 and 0.15 are ordinary; 0 is none. See ``OpticsSettings``.
    seed
        Equal seeds and settings give equal frames, byte for byte.
    scheme, manner
        Whose files, and how they come to be on the disk.
    real_seconds_per_time_point
        Pace in real time; 0 is as fast as possible.
    write_seconds
        Real seconds that a file (or page) takes where the manner is not in place.
    bigtiff, ome_at_start
        For stacks: 64-bit offsets; OME-XML before the first page instead of only at the end.
    nuclei_every
        Every so many time points, the last included, each field is taken with its nuclei stained as
        well; 0: never.
    write_annotations
        Put ``NAME.centres.csv`` and ``NAME.cells.png`` beside every frame and a
        ``dataset.toml``, for ``evaluate`` and ``train``.
    started_at
        Absolute time of the first frame, with time zone.
    """

    wells: tuple[str, ...] = ("A1",)
    fields_per_well: int = 1
    n_time_points: int = 49
    frame_interval_min: float = 30.0
    doubling_time_h: float | Mapping[str, float] = 20.0
    founders: int = 40
    cycle_cv: float = 0.2
    death_rate_per_h: float = 0.002
    speed_diameters_per_h: float = 0.35
    cell_diameter_px: float = 40.0
    pixel_size_um: float = 0.65
    height_px: int = 1024
    width_px: int = 1024
    bit_depth: int = 16
    debris: float = 1.0
    noise: float = 1.0
    uneven_light: float = 0.15
    seed: int = 0
    scheme: Scheme = Scheme.GENERIC
    manner: Manner = Manner.IN_PLACE
    real_seconds_per_time_point: float = 0.0
    write_seconds: float = 0.5
    bigtiff: bool = False
    ome_at_start: bool = False
    nuclei_every: int = 0
    write_annotations: bool = False
    started_at: datetime = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wells", tuple(self.wells))
        object.__setattr__(self, "scheme", _choice("scheme", self.scheme, Scheme))
        object.__setattr__(self, "manner", _choice("manner", self.manner, Manner))
        self._check_wells()
        self._check_numbers()
        self._check_doubling_times()
        self._check_room()
        self._check_writing()

    @property
    def horizon_h(self) -> float:
        """Simulated hours to the last frame, with the time the stage needs to reach it."""
        return (self.n_time_points * self.frame_interval_min) / 60

    @property
    def plan(self) -> Plan:
        """The acquisition as its software knows it before it starts."""
        return Plan(
            positions=tuple(
                (well, field + 1) for well in self.wells for field in range(self.fields_per_well)
            ),
            n_time_points=self.n_time_points,
            frame_interval_s=self.frame_interval_min * 60,
            pixel_size_um=self.pixel_size_um,
            height_px=self.height_px,
            width_px=self.width_px,
            bit_depth=self.bit_depth,
            started_at=self.started_at,
        )

    def doubling_time_of(self, well: str) -> float:
        """Return the set doubling time of a well, hours."""
        if isinstance(self.doubling_time_h, Mapping):
            return float(self.doubling_time_h[well])
        return float(self.doubling_time_h)

    def elapsed_s(self, position: int, time_point: int) -> float:
        """Return when a frame is taken: positions one after another, seconds from the start."""
        n_positions = len(self.wells) * self.fields_per_well
        interval_s = self.frame_interval_min * 60
        return time_point * interval_s + position * min(_MOVE_S, 0.5 * interval_s / n_positions)

    def has_nuclei(self, time_point: int) -> bool:
        """Tell whether the nuclei are taken at a time point: counted from the last one back."""
        before_last = self.n_time_points - 1 - time_point
        return self.nuclei_every > 0 and before_last % self.nuclei_every == 0

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON takes them (an infinite doubling time is null)."""
        values = dataclasses.asdict(self)
        values["started_at"] = self.started_at.isoformat()
        times = {well: self.doubling_time_of(well) for well in self.wells}
        values["doubling_time_h"] = {w: t if math.isfinite(t) else None for w, t in times.items()}
        return values

    def _check_wells(self) -> None:
        if not self.wells:
            raise SimulationError("no well to simulate", hint="name at least one, such as A1")
        for well in self.wells:
            if not isinstance(well, str) or not _WELL.fullmatch(well):
                raise SimulationError(
                    f"{well!r} is not a well", hint="wells run from A1 to AF48, without zeros"
                )
        if len(set(self.wells)) < len(self.wells):
            twice = next(well for well in self.wells if self.wells.count(well) > 1)
            raise SimulationError(f"well {twice} is named twice", hint="name each well once")

    def _check_numbers(self) -> None:
        _whole("fields_per_well", self.fields_per_well, 1, 10_000)
        _whole("n_time_points", self.n_time_points, 1, 1_000_000)
        _whole("nuclei_every", self.nuclei_every, 0, 1_000_000)
        _whole("founders", self.founders, 0, 1_000_000)
        _whole("height_px", self.height_px, 32, 20_000)
        _whole("width_px", self.width_px, 32, 20_000)
        _whole("seed", self.seed, 0, 2**63)
        if self.bit_depth not in (8, 16):
            raise SimulationError(f"bit_depth is {self.bit_depth!r}", hint="choose 8 or 16")
        _within("frame_interval_min", self.frame_interval_min, 0.01, 1e6)
        _within("cycle_cv", self.cycle_cv, 0, 0.9)
        _within("death_rate_per_h", self.death_rate_per_h, 0, 1)
        _within("speed_diameters_per_h", self.speed_diameters_per_h, 0, 10)
        _within("cell_diameter_px", self.cell_diameter_px, 8, 0.5 * min(self._extent))
        _within("pixel_size_um", self.pixel_size_um, 1e-3, 1e3)
        _within("debris", self.debris, 0, 20)
        _within("noise", self.noise, 0, 20)
        _within("uneven_light", self.uneven_light, 0, 0.4)
        _within("real_seconds_per_time_point", self.real_seconds_per_time_point, 0, 1e6)
        _within("write_seconds", self.write_seconds, 0, 3600)

    @property
    def _extent(self) -> tuple[int, int]:
        return self.height_px, self.width_px

    def _check_doubling_times(self) -> None:
        given = self.doubling_time_h
        if isinstance(given, Mapping):
            missing = [well for well in self.wells if well not in given]
            unknown = [str(well) for well in given if well not in self.wells]
            if missing or unknown:
                absent = f"none for {', '.join(missing)}" if missing else ""
                foreign = f"{', '.join(unknown)} not in the run" if unknown else ""
                raise SimulationError(
                    "doubling times do not fit the wells: "
                    + "; ".join(part for part in (absent, foreign) if part),
                    hint="give one doubling time for every well and no other",
                )
            given = {well: given[well] for well in self.wells}
            object.__setattr__(self, "doubling_time_h", given)
        for well in self.wells:
            time = self.doubling_time_of(well)
            if math.isnan(time) or time < 1:
                raise SimulationError(
                    f"doubling_time_h is {time:g} in well {well}",
                    hint="give at least 1 hour, or inf for cells that do not grow",
                )

    def _check_room(self) -> None:
        fastest = min(self.doubling_time_of(well) for well in self.wells)
        doublings = min(self.horizon_h / fastest, 1000.0)
        cell_area = math.pi / 4 * self.cell_diameter_px**2
        coverage = self.founders * 2.0**doublings * cell_area / (self.height_px * self.width_px)
        if coverage > _MAX_COVERAGE:
            raise SimulationError(
                f"after {self.horizon_h:g} h ({doublings:.1f} doublings) the cells would cover "
                f"{coverage:.3g} times the field",
                hint="take fewer founders, fewer time points, smaller cells or a larger field",
            )

    def _check_writing(self) -> None:
        if self.scheme.is_stack and self.manner not in _STACK_MANNERS:
            raise SimulationError(
                f"{self.scheme} writes stacks, which cannot be written {self.manner}",
                hint="choose the manner growing or pre-sized",
            )
        if not self.scheme.is_stack and self.manner is Manner.GROWING:
            raise SimulationError(
                f"{self.scheme} writes one file a frame, which does not grow by pages",
                hint="choose another manner, or the scheme ome-tiff",
            )
        if self.scheme.is_stack and self.write_annotations:
            raise SimulationError(
                "annotations beside stacks cannot be read by evaluate",
                hint="choose a scheme with one file a frame",
            )
        if self.nuclei_every and not self.scheme.has_channels:
            raise SimulationError(
                f"{self.scheme} is simulated with one channel only, without nuclei",
                hint="choose the scheme incucyte or imagexpress",
            )
        if self.scheme is Scheme.INCUCYTE and self.frame_interval_min % 1:
            raise SimulationError(
                f"Incucyte names hold whole minutes, not {self.frame_interval_min:g}",
                hint="choose a frame interval of whole minutes",
            )
        if self.started_at.tzinfo is None:
            raise SimulationError("started_at has no time zone", hint="add one, such as UTC")


def _choice(name: str, value: Any, kind: type[_Choice]) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(kind)
        raise SimulationError(f"unknown {name} {value!r}", hint=f"choose one of {names}") from None


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SimulationError(
            f"{name} is {value!r}", hint=f"give a whole number from {low} to {high}"
        )


def _within(name: str, value: Any, low: float, high: float) -> None:
    if not isinstance(value, int | float) or not low <= value <= high:
        raise SimulationError(
            f"{name} is {value!r}", hint=f"give a number from {low:g} to {high:g}"
        )
