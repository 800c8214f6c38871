"""How cells look: outlines, thickness, nuclei, granules, drawn as optical phase in radians."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.simulation.looks import Look, draw_look
from livecount.simulation.population import Cells
from livecount.simulation.textures import TILE, Textures

__all__ = ["BodyPainter"]

_ANGLES = 256

_Walls = tuple[tuple[float, float, float], ...]
"""Directions (unit y, x) and distances of the neighbours that a cell may touch."""


class BodyPainter:
    """Adds bodies to a map of optical phase.

    Parameters
    ----------
    diameter_px
        Mean equivalent diameter of a spread cell.
    textures
        Tiles made for cells of that diameter.
    seed
        Chooses how the field's cells look.
    """

    def __init__(
        self, diameter_px: float, textures: Textures, seed: np.random.SeedSequence
    ) -> None:
        self._d = diameter_px
        self._textures = textures
        self._seed = int(seed.generate_state(1)[0])
        self._looks: dict[int, Look] = {}
        self._theta = np.arange(_ANGLES) * (2 * math.pi / _ANGLES) - math.pi

    def paint(self, phase: FloatArray, cells: Cells, elapsed_h: float, *, origin_px: float) -> None:
        """Draw all bodies into ``phase``, in place.

        Parameters
        ----------
        phase
            Shape (y, x), radians.
        cells
            Bodies in field coordinates.
        elapsed_h
            Hours since the start; outlines change slowly with it.
        origin_px
            Where the field's pixel (0, 0) lies in ``phase``, along both axes.
        """
        for n, at, look, walls in self._near(phase.shape, cells, origin_px):
            if not math.isnan(cells.dead_h[n]):
                self._paint_dead(phase, *at, float(cells.dead_h[n]), look)
                continue
            shape = self._shape(phase, cells, n, at, elapsed_h, walls, look)
            if shape is not None:
                self._paint_live(*shape, float(cells.roundness[n]), look)

    def mark(
        self, masks: npt.NDArray[np.int32], cells: Cells, elapsed_h: float, *, origin_px: float
    ) -> None:
        """Write the number ``n + 1`` of each live cell ``n`` on the pixels it covers, in place.

        Where two outlines overlap, a pixel belongs to the cell in which it lies further inside.

        Parameters
        ----------
        masks
            Shape (y, x), 0 = background; as large as the phase map of ``paint``, because outlines
            follow the dish from the map's corner on.
        cells
            Bodies in field coordinates.
        elapsed_h, origin_px
            As for ``paint``.
        """
        nearest = np.ones(masks.shape, np.float32)
        for n, at, look, walls in self._near(masks.shape, cells, origin_px):
            if not math.isnan(cells.dead_h[n]):
                continue
            shape = self._shape(nearest, cells, n, at, elapsed_h, walls, look)
            if shape is None:
                continue
            patch, s = shape
            roundness = float(cells.roundness[n])
            if roundness > 0.5:
                s = s / np.float32(_core(roundness))
            won = s < patch.target
            patch.target[won] = s[won]
            masks[patch.window][won] = n + 1

    def _near(
        self, shape: tuple[int, ...], cells: Cells, origin_px: float
    ) -> Iterator[tuple[int, tuple[float, float], Look, _Walls]]:
        """Yield the bodies that may reach into a map, with their place in it."""
        neighbours = _neighbours(cells, self._d)
        for n in range(len(cells.identity)):
            y, x = float(cells.y_px[n]) + origin_px, float(cells.x_px[n]) + origin_px
            if not (-2 * self._d < y < shape[0] + 2 * self._d):
                continue
            if not (-2 * self._d < x < shape[1] + 2 * self._d):
                continue
            yield n, (y, x), self._look(int(cells.identity[n])), neighbours.get(n, ())

    def paint_speck(self, phase: FloatArray, rng: np.random.Generator) -> None:
        """Draw one speck of debris at a random place into ``phase``, in place."""
        y, x = rng.uniform(0, 1, 2) * phase.shape
        n_grains = 1 + rng.geometric(0.45)
        size = max(0.8, 0.022 * self._d * rng.lognormal(0, 0.3))
        strength = rng.uniform(0.1, 0.45)
        for _ in range(n_grains):
            _add_blob(phase, y, x, size, strength)
            y, x = np.array([y, x]) + rng.normal(0, 1.6 * size, 2)

    def _look(self, identity: int) -> Look:
        look = self._looks.get(identity)
        if look is None:
            look = draw_look(np.random.default_rng([self._seed, 1, identity]))
            self._looks[identity] = look
        return look

    def _outline(self, look: Look, roundness: float, size: float, elapsed_h: float) -> FloatArray:
        """Radius over the angle from the long axis, shape (_ANGLES,), pixels."""
        theta = self._theta
        spread = (1 - roundness) ** 2
        aspect = 1 + (look.aspect - 1) * spread
        radius = 1 / np.sqrt((np.cos(theta) ** 2) / aspect + aspect * np.sin(theta) ** 2)
        for k, (amplitude, at, speed) in enumerate(
            zip(look.amplitudes, look.phases, look.speeds, strict=True), start=2
        ):
            radius *= 1 + spread * amplitude * np.cos(k * theta + at + speed * elapsed_h)
        for at, length, width, rhythm in look.arms:
            away = (theta - at + math.pi) % (2 * math.pi) - math.pi
            grown = length * (0.7 + 0.3 * math.sin(rhythm * elapsed_h + 7 * at))
            # a cusp, so that the outline between two arms is hollow, as a stretched sheet's
            radius += spread * grown * np.exp(-np.sqrt(away**2 + 0.01) / width)
        area = np.mean(radius**2)
        # a rounded cell covers a third of what it covered when spread
        wanted = size * (1 - 0.68 * roundness) * look.flatness ** (spread)
        outline: FloatArray = np.float32(0.5 * self._d * math.sqrt(wanted / area)) * radius.astype(
            np.float32
        )
        return outline

    def _shape(
        self,
        target: FloatArray,
        cells: Cells,
        n: int,
        at: tuple[float, float],
        elapsed_h: float,
        walls: _Walls,
        look: Look,
    ) -> tuple[_Patch, FloatArray] | None:
        """Cut a live cell's window and say, pixel by pixel, how far out it lies: 1 at its edge."""
        roundness = float(cells.roundness[n])
        outline = self._outline(look, roundness, float(cells.size[n]), elapsed_h)
        reach = float(outline.max()) * 1.05 + 2
        patch = _Patch.around(
            target, at, reach, float(cells.angle[n]), self._textures, 1 - roundness
        )
        if patch is None:
            return None
        s = patch.r / outline[patch.sector]
        return patch, _confined(s, patch, walls) if walls else s

    def _paint_live(self, patch: _Patch, s: FloatArray, roundness: float, look: Look) -> None:
        body = self._spread_body(patch, s, look) * np.float32(1 - roundness) ** 1.5
        if roundness > 0.02:
            # a cell rounds up from its middle, its skirt still flat
            core = s / np.float32(_core(roundness))
            body += self._round_body(patch, core, look) * np.float32(roundness**0.6)
        np.maximum(patch.target, body, out=patch.target)

    def _spread_body(self, patch: _Patch, s: FloatArray, look: Look) -> FloatArray:
        d = np.float32(self._d)
        inside = np.clip((1 - s) * np.float32(8), 0, 1)
        inside = inside * inside * (3 - 2 * inside)
        far = np.sqrt(patch.u * patch.u + patch.v * patch.v) / d
        centre = np.exp(np.float32(-7.0) * far * far)
        grain, granules = self._texture(patch, look)
        body = np.float32(0.09) + np.float32(0.13) * centre
        # the rim ruffles: thicker than the sheet behind it, most at the tips of arms
        rim = np.exp(-(((s - 0.84) / 0.13) ** 2))
        body += rim * np.clip(far * far * np.float32(0.6), 0.08, 0.5)
        body += grain * (np.float32(0.02) + np.float32(0.025) * centre)
        nucleus = self._nucleus_distance(patch, look)
        outside = np.clip((nucleus - np.float32(0.85)) * 5, 0, 1)
        perinuclear = np.exp(-(((far - 0.30) / 0.16) ** 2)) * outside
        body += granules * (np.float32(0.10) + perinuclear) * np.float32(0.55 * look.granules)
        body += np.float32(0.09) * np.exp(-(((nucleus - 1) / 0.15) ** 2))
        body -= np.float32(0.07) * (1 - outside)
        self._add_nucleoli(body, patch, look)
        body *= inside * np.float32(look.darkness)
        # a phase beyond a quarter wave turns bright again: flat cells are never that thick
        np.minimum(body, np.float32(0.55), out=body)
        return body

    def _nucleus_distance(self, patch: _Patch, look: Look) -> FloatArray:
        """Distance from the centre of the nucleus in units of its radius, shape (y, x)."""
        shift_u, shift_v, radius, squash = look.nucleus
        scale_u, scale_v = math.sqrt(squash) / radius, 1 / (radius * math.sqrt(squash))
        u = patch.u * np.float32(scale_u / self._d) - np.float32(shift_u * scale_u)
        v = patch.v * np.float32(scale_v / self._d) - np.float32(shift_v * scale_v)
        distance: FloatArray = np.sqrt(u * u + v * v)
        return distance

    def _add_nucleoli(self, body: FloatArray, patch: _Patch, look: Look) -> None:
        for at_u, at_v, size in look.nucleoli:
            width = np.float32(1 / (size * self._d))
            u = (patch.u - np.float32(at_u * self._d)) * width
            v = (patch.v - np.float32(at_v * self._d)) * width
            body += np.float32(0.30) * np.exp(-(u * u + v * v))

    def _round_body(self, patch: _Patch, s: FloatArray, look: Look) -> FloatArray:
        """Draw a ball, in which the chromosomes line up as a plate across the axis."""
        d = np.float32(self._d)
        ball = np.sqrt(np.clip(1 - s * s, 0, 1))
        plate = np.exp(-((patch.u / (d * np.float32(0.045))) ** 2 + (patch.v * 6.5 / d) ** 2))
        grain, granules = self._texture(patch, look)
        body: FloatArray = ball * (
            np.float32(2.25 + 0.25 * look.darkness)
            + np.float32(0.18) * grain
            + np.float32(0.5) * granules
            - np.float32(0.9) * plate
        )
        return body

    def _texture(self, patch: _Patch, look: Look) -> tuple[FloatArray, FloatArray]:
        offset_u, offset_v = look.tile_offset
        row = (patch.u + offset_u).astype(np.int32) % TILE
        column = (patch.v + offset_v).astype(np.int32) % TILE
        at = row * TILE + column
        return self._textures.grain.ravel()[at], self._textures.granules.ravel()[at]

    def _paint_dead(self, phase: FloatArray, y: float, x: float, dead_h: float, look: Look) -> None:
        """Draw a shrunken bright ball with blebs, which falls to debris and fades."""
        decay = min(dead_h / 28.0, 1.0)
        strength = 2.6 * (1 - decay) ** 1.5
        core = 0.15 * self._d * (1 - 0.4 * decay)
        _add_blob(phase, y, x, core, strength)
        for at_y, at_x, size, lag in look.blebs:
            reach = 0.2 * self._d * (1 + 0.6 * decay)
            _add_blob(
                phase,
                y + reach * at_y,
                x + reach * at_x,
                max(0.8, size * self._d * (1 - 0.5 * decay)),
                strength * lag,
            )


def _core(roundness: float) -> float:
    """Radius of the ball in a cell that rounds up, over that of its skirt."""
    return 0.45 + 0.55 * roundness


def _confined(s: FloatArray, patch: _Patch, walls: _Walls) -> FloatArray:
    """Flatten an outline half way to each neighbour, where the two cells meet (a soft maximum)."""
    s = s * s
    s *= s
    for wall_y, wall_x, distance in walls:
        along = patch.y * np.float32(wall_y / (0.58 * distance))
        along = along + patch.x * np.float32(wall_x / (0.58 * distance))
        np.maximum(along, 0, out=along)
        along *= along
        along *= along
        s += along
    return np.sqrt(np.sqrt(s))


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """A window of the phase map with coordinates of one body, all of shape (y, x), pixels.

    ``u`` runs along the long axis, ``v`` across; ``r`` and ``sector`` (of the outline) as well as
    ``y`` and ``x`` are those of the crooked dish. ``target`` is the ``window`` of the map.
    """

    window: tuple[slice, slice]
    target: FloatArray
    u: FloatArray
    v: FloatArray
    y: FloatArray
    x: FloatArray
    r: FloatArray
    sector: npt.NDArray[np.intp]

    @classmethod
    def around(
        cls,
        phase: FloatArray,
        at: tuple[float, float],
        reach: float,
        angle: float,
        textures: Textures,
        crookedness: float,
    ) -> _Patch | None:
        top, left = max(0, math.floor(at[0] - reach)), max(0, math.floor(at[1] - reach))
        bottom, right = math.ceil(at[0] + reach) + 1, math.ceil(at[1] + reach) + 1
        window = (slice(top, max(bottom, 0)), slice(left, max(right, 0)))
        target = phase[window]
        if target.size == 0:
            return None
        rows, columns = np.arange(top, top + target.shape[0]), np.arange(target.shape[1]) + left
        grid = np.ix_(rows % TILE, columns % TILE)
        flat_y = (rows - at[0]).astype(np.float32)[:, None]
        flat_x = (columns - at[1]).astype(np.float32)[None, :]
        # the warp belongs to the dish, so that two cells agree on where they meet
        y = flat_y + textures.warp_y[grid] * np.float32(crookedness)
        x = flat_x + textures.warp_x[grid] * np.float32(crookedness)
        sine, cosine = np.float32(math.sin(angle)), np.float32(math.cos(angle))
        turn = np.arctan2(y * cosine - x * sine, x * cosine + y * sine) + np.float32(math.pi)
        sector = (turn * np.float32(_ANGLES / (2 * math.pi))).astype(np.intp) % _ANGLES
        return cls(
            window,
            target,
            flat_x * cosine + flat_y * sine,
            flat_y * cosine - flat_x * sine,
            y,
            x,
            np.sqrt(y * y + x * x),
            sector,
        )


def _neighbours(cells: Cells, diameter_px: float) -> dict[int, _Walls]:
    """Directions (unit y, x) and distances of near live neighbours, by row of ``cells``."""
    from scipy.spatial import cKDTree

    live = np.flatnonzero(cells.live)
    if len(live) < 2:
        return {}
    position = np.column_stack([cells.y_px[live], cells.x_px[live]])
    found: dict[int, list[tuple[float, float, float]]] = {}
    for a, b in cKDTree(position).query_pairs(1.7 * diameter_px):
        apart = position[b] - position[a]
        distance = max(float(np.hypot(*apart)), 1.0)
        y, x = apart / distance
        found.setdefault(int(live[a]), []).append((float(y), float(x), distance))
        found.setdefault(int(live[b]), []).append((float(-y), float(-x), distance))
    return {row: tuple(walls) for row, walls in found.items()}


def _add_blob(phase: FloatArray, y: float, x: float, sigma: float, strength: float) -> None:
    reach = 3 * sigma + 1
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    patch = phase[top : max(int(y + reach) + 2, 0), left : max(int(x + reach) + 2, 0)]
    if patch.size == 0:
        return
    by_y = np.exp(-0.5 * ((np.arange(top, top + patch.shape[0]) - y) / sigma) ** 2)
    by_x = np.exp(-0.5 * ((np.arange(left, left + patch.shape[1]) - x) / sigma) ** 2)
    patch += (strength * np.outer(by_y, by_x)).astype(np.float32)
