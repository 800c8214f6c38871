"""Golden tiles: images whose cells every runtime must find as the reference found them.

A runtime computes the same network with other arithmetic, fused layers or fewer bits. Whether its
counts can stand beside those of the others is not a matter of trust: each model carries a few
images and the peaks that ONNX Runtime finds in them in fp32, and an engine that does not reproduce
these is refused. The images are painted; they prove arithmetic, not accuracy on cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from livecount.detection import find_peaks
from livecount.errors import ModelError
from livecount.frame import Candidates, FloatArray
from livecount.weighing import detection_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livecount.inference import Engine
    from livecount.inference.models import Model

__all__ = ["GOLDEN_NAME", "GoldenTiles", "read_golden", "write_golden"]

GOLDEN_NAME: Final = "golden.npz"
DISTANCE_TOLERANCE_PX: Final = 1.0
"""How far a cell's place may lie from the reference's, in pixels at the model's scale."""
PROMINENCE_TOLERANCE: Final = 0.01
"""A cell this close to h may be one for one runtime and none for the other."""
MEAN_TOLERANCE: Final = 0.005
"""How far prominences may differ in the mean. A single one may by more: of two peaks of nearly the
same height the least error decides which one ends at the other."""
_TOP_H: Final = 0.1
"""Cells are told by the tops of their peaks, which move less with the last digits of a map than
whole bodies do: of those, one lesser peak more or less may be part."""
_STEPS_PER_UNIT: Final = 15.0
"""Normalised values lie within -8 and 8, so that this many grey levels a unit fit into int8."""


@dataclass(frozen=True, slots=True, eq=False)
class GoldenTiles:
    """Images and the reference peaks in them.

    Attributes
    ----------
    images
        Normalised, shape (n, y, x).
    peaks
        The candidates of each, as ONNX Runtime found them in fp32.
    """

    images: FloatArray
    peaks: tuple[Candidates, ...]

    def find_difference(self, model: Model, engine: Engine) -> str:
        """Say where an engine's cells differ from the reference's; empty where they agree.

        They agree where each cell has its counterpart within :data:`DISTANCE_TOLERANCE_PX`, both
        ways, save those within :data:`PROMINENCE_TOLERANCE` of h, and where prominences differ by
        :data:`MEAN_TOLERANCE` at most in the mean.

        Parameters
        ----------
        model
            The model that the tiles belong to.
        engine
            The engine to be judged.

        Raises
        ------
        EngineError
            The engine failed on a tile.
        """
        errors: list[npt.NDArray[np.float64]] = []
        for number, (image, reference) in enumerate(zip(self.images, self.peaks, strict=True)):
            found = _find(model, engine.infer(image))
            for one, other, what in (
                (reference, found, "misses the reference's"),
                (found, reference, "finds, unlike the reference, a"),
            ):
                prominences = _nearest_prominences(one.at(model.h), other)
                lost = np.flatnonzero(prominences < model.h - PROMINENCE_TOLERANCE)
                if lost.size:
                    return f"golden tile {number}: it {what} cell {_described(one, lost[0])}"
                errors.append(np.abs(prominences - one.at(model.h).prominence))
        differences = np.concatenate(errors)
        mean = float(differences.mean()) if differences.size else 0.0
        if mean > MEAN_TOLERANCE:
            return f"golden tiles: prominences differ by {mean:.3f} in the mean"
        return ""


def read_golden(model: Model) -> GoldenTiles:
    """Read a model's golden tiles.

    Raises
    ------
    ModelError
        The model has none, or they cannot be read.
    """
    path = model.folder / GOLDEN_NAME
    try:
        with np.load(path, allow_pickle=False) as kept:
            images = kept["images"].astype(np.float32) / np.float32(_STEPS_PER_UNIT)
            cells, tile = kept["cells"].astype(np.float32), kept["tile"]
            belongs_to = str(kept["onnx_sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The golden tiles {path} of model {model.name!r} cannot be read: {error}",
            hint="Install or train the model again; until then only ONNX Runtime is used",
        ) from error
    if belongs_to != model.onnx_sha256:
        raise ModelError(
            f"The golden tiles {path} belong to another network than model {model.name!r} has",
            hint="Install or train the model again; until then only ONNX Runtime is used",
        )
    peaks = tuple(Candidates(*cells[tile == number].T) for number in range(len(images)))
    return GoldenTiles(images, peaks)


def write_golden(model: Model, reference: Engine, images: Sequence[FloatArray]) -> Path:
    """Keep images beside a model, with the peaks that the reference finds in them.

    Parameters
    ----------
    model
        The model; its folder receives ``golden.npz``.
    reference
        The engine whose peaks are right by definition: ONNX Runtime in fp32.
    images
        Normalised, all of one shape (y, x), sizes multiples of the model's.

    Returns
    -------
    Path
        The file.
    """
    steps = np.clip(np.rint(np.stack(images) * _STEPS_PER_UNIT), -127, 127).astype(np.int8)
    cells: list[FloatArray] = []
    tile: list[npt.NDArray[np.int16]] = []
    for number, image in enumerate(steps.astype(np.float32) / np.float32(_STEPS_PER_UNIT)):
        found = _find(model, reference.infer(image))
        cells.append(np.stack([found.y_px, found.x_px, found.prominence], axis=1))
        tile.append(np.full(len(found), number, np.int16))
    path = model.folder / GOLDEN_NAME
    np.savez_compressed(
        path,
        images=steps,
        cells=np.concatenate(cells),
        tile=np.concatenate(tile),
        onnx_sha256=np.array(model.onnx_sha256),
    )
    return path


def _find(model: Model, maps: FloatArray) -> Candidates:
    drawn = detection_map(maps, model.heads, model.weighing)
    return find_peaks(drawn, h=min(model.h, _TOP_H))


def _nearest_prominences(cells: Candidates, others: Candidates) -> npt.NDArray[np.float64]:
    """Give the prominence of each cell's nearest counterpart, 0 where none is near; shape (n,)."""
    if not len(cells) or not len(others):
        return np.zeros(len(cells))
    places = np.stack([others.y_px, others.x_px], axis=1)
    distance, nearest = cKDTree(places).query(np.stack([cells.y_px, cells.x_px], axis=1))
    near = distance <= DISTANCE_TOLERANCE_PX
    return np.where(near, others.prominence[nearest].astype(np.float64), 0.0)


def _described(cells: Candidates, place: int) -> str:
    y_px, x_px, prominence = cells.y_px[place], cells.x_px[place], cells.prominence[place]
    return f"at y {y_px:.1f}, x {x_px:.1f} (prominence {prominence:.3f})"
