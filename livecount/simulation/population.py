"""Where cells are: a population that moves, keeps its distance, rounds up, splits and dies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecount.simulation.lineage import Lineage, cycle_times, grow_lineage

__all__ = ["Cells", "Population", "PopulationSettings"]

Float64Array = npt.NDArray[np.float64]

_MAX_STEP_H = 1 / 6
_MITOSIS_H = 1.0
_ROUNDING_H = 0.3
_RESPREADING_H = 0.8
_DEAD_BODY_H = 8.0
_DEBRIS_H = 20.0
# a dividing pair starts this far apart, as a fraction of the diameter of a spread cell
_SPLIT_DISTANCE = 0.42
_PERSONAL_DISTANCE = 0.88


@dataclass(frozen=True, slots=True)
class PopulationSettings:
    """One field's population.

    Attributes
    ----------
    founders
        Live cells in the field at time 0 (the border round it gets its share on top).
    doubling_time_h
        Of the population, net of death; may be infinite.
    cycle_cv
        Coefficient of variation of the cycle time.
    death_rate_per_h
        Hazard of death, 1/h.
    height_px, width_px
        The field.
    cell_diameter_px
        Mean equivalent diameter of a spread cell.
    speed_diameters_per_h
        Root mean square speed of migration.
    horizon_h
        End of the simulated time.
    """

    founders: int
    doubling_time_h: float
    cycle_cv: float
    death_rate_per_h: float
    height_px: int
    width_px: int
    cell_diameter_px: float
    speed_diameters_per_h: float
    horizon_h: float

    @property
    def border_px(self) -> float:
        """Width of the border round the field in which cells live unseen, in pixels."""
        return 1.5 * self.cell_diameter_px


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All bodies on the dish at one instant, in arrays of shape (n,).

    Attributes
    ----------
    identity
        Number of the cell in its lineage, constant over its life.
    y_px, x_px
        Centres in field coordinates (pixel centres are integers; may lie outside the field).
    angle
        Direction of the long axis, radians.
    roundness
        0 spread to 1 fully rounded up.
    size
        Area relative to the mean of spread cells.
    dividing
        In mitosis, not yet split.
    dead_h
        Hours since death; NaN for live cells.
    in_field
        Centre lies within the field.
    """

    identity: npt.NDArray[np.int64]
    y_px: Float64Array
    x_px: Float64Array
    angle: Float64Array
    roundness: Float64Array
    size: Float64Array
    dividing: npt.NDArray[np.bool_]
    dead_h: Float64Array
    in_field: npt.NDArray[np.bool_]

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """True for live cells, shape (n,)."""
        return np.isnan(self.dead_h)

    @property
    def count(self) -> int:
        """Live cells whose centre lies in the field: what a perfect counter would say."""
        return int(np.count_nonzero(self.live & self.in_field))

    @property
    def n_dividing(self) -> int:
        """Live cells of the field in mitosis."""
        return int(np.count_nonzero(self.dividing & self.live & self.in_field))

    @property
    def n_dead(self) -> int:
        """Dead bodies in the field that are not yet mere debris."""
        return int(np.count_nonzero((self.dead_h < _DEAD_BODY_H) & self.in_field))

    def centres(self) -> Float64Array:
        """Centres of the live cells of the field, shape (count, 2), (y, x) in pixels."""
        chosen = self.live & self.in_field
        return np.column_stack([self.y_px[chosen], self.x_px[chosen]])


class Population:
    """The cells of one field, moved forward in time.

    Parameters
    ----------
    settings
        What grows where.
    rng
        Source of all chance; equal generators give equal populations.
    """

    def __init__(self, settings: PopulationSettings, rng: np.random.Generator) -> None:
        self.settings = settings
        times = cycle_times(
            settings.doubling_time_h,
            cv=settings.cycle_cv,
            death_rate_per_h=settings.death_rate_per_h,
        )
        border = settings.border_px
        arena = (settings.height_px + 2 * border) * (settings.width_px + 2 * border)
        share = arena / (settings.height_px * settings.width_px)
        n_outside = round(settings.founders * (share - 1))
        self.lineage: Lineage = grow_lineage(
            settings.founders + n_outside,
            times,
            death_rate_per_h=settings.death_rate_per_h,
            horizon_h=settings.horizon_h + _MITOSIS_H,
            rng=rng,
        )
        self._rng = rng
        self._now_h = 0.0
        n = len(self.lineage)
        self._position = np.zeros((n, 2))
        self._heading = rng.uniform(0, 2 * math.pi, n)
        self._speed = rng.gamma(4.0, settings.speed_diameters_per_h / 4.0, n)
        self._placed = np.zeros(n, dtype=bool)
        self._place_founders(n_outside)

    def advance_to(self, elapsed_h: float) -> None:
        """Move everything forward to ``elapsed_h`` hours after the start.

        Parameters
        ----------
        elapsed_h
            Not before the present.

        Raises
        ------
        ValueError
            If ``elapsed_h`` lies in the past.
        """
        span = elapsed_h - self._now_h
        if span < 0:
            raise ValueError(f"time cannot run back from {self._now_h} h to {elapsed_h} h")
        n_steps = math.ceil(span / _MAX_STEP_H - 1e-9)
        start = self._now_h
        for step in range(1, n_steps + 1):
            self._step(start + span * step / n_steps)

    def cells(self) -> Cells:
        """Describe every visible body at the present instant."""
        now, lineage = self._now_h, self.lineage
        dead_h = np.where(lineage.dies, now - lineage.end_h, np.nan)
        shown = self._placed & (
            lineage.alive(now) | ((dead_h >= 0) & (dead_h < _DEAD_BODY_H + _DEBRIS_H))
        )
        index = np.flatnonzero(shown)
        y, x = self._position[index].T
        dead = np.where(dead_h[index] >= 0, dead_h[index], np.nan)
        settings = self.settings
        return Cells(
            identity=index,
            y_px=y,
            x_px=x,
            angle=self._heading[index],
            roundness=self._roundness(index, now),
            size=self._size(index, now),
            dividing=self._dividing(index, now) & np.isnan(dead),
            dead_h=dead,
            in_field=(y >= -0.5)
            & (y < settings.height_px - 0.5)
            & (x >= -0.5)
            & (x < settings.width_px - 0.5),
        )

    def _place_founders(self, n_outside: int) -> None:
        settings, rng = self.settings, self._rng
        border, field = settings.border_px, np.array([settings.height_px, settings.width_px])
        inside = rng.uniform(0, 1, (settings.founders, 2)) * field - 0.5
        outside = np.empty((0, 2))
        while len(outside) < n_outside:
            drawn = rng.uniform(0, 1, (4 * n_outside + 16, 2)) * (field + 2 * border) - border - 0.5
            in_field = np.all((drawn >= -0.5) & (drawn < field - 0.5), axis=1)
            outside = np.concatenate([outside, drawn[~in_field]])
        founders = np.arange(settings.founders + n_outside)
        self._position[founders] = np.concatenate([inside, outside[:n_outside]])
        self._placed[founders] = True
        in_field = np.arange(len(founders)) < settings.founders
        for _ in range(30):
            self._keep_distance(founders)
            # the number of founders in the field is part of the settings
            kept = np.clip(self._position[founders[in_field]], -0.5, field - 0.51)
            self._position[founders[in_field]] = kept
        self._push_out(founders[~in_field])

    def _push_out(self, index: npt.NDArray[np.int64]) -> None:
        """Move cells of the border that slid into the field back over its nearest edge."""
        field = np.array([self.settings.height_px, self.settings.width_px])
        position = self._position[index]
        inside = np.all((position >= -0.5) & (position < field - 0.5), axis=1)
        for at in np.flatnonzero(inside):
            y, x = position[at]
            distances = (y + 0.5, field[0] - 0.5 - y, x + 0.5, field[1] - 0.5 - x)
            edge = int(np.argmin(distances))
            axis = edge // 2
            position[at, axis] = -0.6 if edge % 2 == 0 else field[axis] - 0.4
        self._position[index] = position

    def _step(self, now_h: float) -> None:
        dt = now_h - self._now_h
        self._split(now_h)
        self._now_h = now_h
        index = np.flatnonzero(self._placed & self.lineage.alive(now_h))
        self._migrate(index, now_h, dt)
        self._keep_distance(index)
        self._keep_distance(index)

    def _split(self, now_h: float) -> None:
        """Place daughters on either side of where their mother was, along its axis."""
        lineage = self.lineage
        # mothers come first in the lineage, so that a daughter of a daughter is placed as well
        for cell in np.flatnonzero(~self._placed & (lineage.born_h <= now_h)):
            mother = lineage.parent[cell]
            first = cell == 0 or lineage.parent[cell - 1] != mother
            along = self._heading[mother]
            offset = 0.5 * _SPLIT_DISTANCE * self.settings.cell_diameter_px * (1 if first else -1)
            direction = np.array([math.sin(along), math.cos(along)])
            self._position[cell] = self._position[mother] + offset * direction
            # sisters glide apart before each goes its own way
            self._heading[cell] = along if first else along + math.pi
            self._placed[cell] = True

    def _migrate(self, index: npt.NDArray[np.int64], now_h: float, dt: float) -> None:
        """Take a step of a persistent random walk; rounded cells stay where they are."""
        rng, settings = self._rng, self.settings
        self._heading[index] += rng.normal(0, math.sqrt(2 * dt / 2.5), len(index))
        spread = 1 - self._roundness(index, now_h)
        length = self._speed[index] * spread * dt * settings.cell_diameter_px
        heading = self._heading[index]
        step = np.column_stack([np.sin(heading), np.cos(heading)]) * length[:, None]
        self._position[index] += step
        self._reflect(index)

    def _reflect(self, index: npt.NDArray[np.int64]) -> None:
        border = self.settings.border_px
        low = -border - 0.5
        for axis, extent in enumerate((self.settings.height_px, self.settings.width_px)):
            high = extent - 0.5 + border
            at = self._position[index, axis]
            outside = (at < low) | (at > high)
            folded = np.where(at < low, 2 * low - at, np.where(at > high, 2 * high - at, at))
            self._position[index, axis] = np.clip(folded, low, high)
            turned = index[outside]
            heading = self._heading[turned]
            self._heading[turned] = -heading if axis == 0 else math.pi - heading

    def _keep_distance(self, index: npt.NDArray[np.int64]) -> None:
        """Push apart cells that are nearer than they like, half of the overlap each time."""
        from scipy.spatial import cKDTree

        if len(index) < 2:
            return
        position = self._position[index]
        wanted = _PERSONAL_DISTANCE * self.settings.cell_diameter_px
        pairs = cKDTree(position).query_pairs(wanted, output_type="ndarray")
        if len(pairs) == 0:
            return
        apart = position[pairs[:, 0]] - position[pairs[:, 1]]
        distance = np.hypot(apart[:, 0], apart[:, 1])
        unit = apart / np.maximum(distance, 1e-6)[:, None]
        push = 0.25 * (wanted - distance)[:, None] * unit
        np.add.at(position, pairs[:, 0], push)
        np.add.at(position, pairs[:, 1], -push)
        self._position[index] = position
        self._reflect(index)

    def _roundness(self, index: npt.NDArray[np.int64], now_h: float) -> Float64Array:
        lineage = self.lineage
        to_division = lineage.division_h[index] - now_h
        rounding = np.clip((_MITOSIS_H + _ROUNDING_H - to_division) / _ROUNDING_H, 0, 1)
        since_birth = now_h - lineage.born_h[index]
        respreading = np.clip(1 - since_birth / _RESPREADING_H, 0, 1)
        respreading[lineage.parent[index] < 0] = 0
        level = np.maximum(rounding, 0.9 * respreading)
        return np.asarray(level * level * (3 - 2 * level))

    def _size(self, index: npt.NDArray[np.int64], now_h: float) -> Float64Array:
        """Area grows about twofold over the cycle: 0.72 at birth to 1.38 at division."""
        born = self.lineage.born_h[index]
        cycle = self.lineage.division_h[index] - born
        progress = np.where(np.isfinite(cycle), (now_h - born) / np.maximum(cycle, 1e-9), 0.5)
        return np.asarray(0.72 * 1.92 ** np.clip(progress, 0, 1))

    def _dividing(self, index: npt.NDArray[np.int64], now_h: float) -> npt.NDArray[np.bool_]:
        to_division = self.lineage.division_h[index] - now_h
        return np.asarray((to_division > 0) & (to_division <= _MITOSIS_H))
