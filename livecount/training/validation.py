"""How good a network in training is on images it does not learn from, and which h suits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from livecount.detection import find_peaks
from livecount.evaluation import match_assignment
from livecount.frame import FloatArray
from livecount.inference import TileLimits, infer_tiled
from livecount.inference.tiling import MEMORY_LIMIT_MB
from livecount.training.images import AnnotatedFrame, load_frames
from livecount.training.losses import head_losses, total_loss
from livecount.training.network import halo_px, memory_bytes_per_px
from livecount.training.recipe import ImagesRecipe, Recipe
from livecount.training.views import View, whole_view
from livecount.weighing import detection_map

__all__ = ["Measured", "Validator", "draw_maps"]

_INNER = "inner"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A network's loss and f-scores; each data set counts the same.

    Attributes
    ----------
    loss
        The recipe's total loss on whole frames.
    f_scores
        Data set -> f-score by assignment in percent at every one of ``h_choices``, on frames in
        which every cell is marked, if there are any. Data sets in which no cell is marked have
        none: every h would score 0 or nothing there. Empty without an inner map.
    h_choices
        The recipe's.
    h_tolerance
        By how many points h may stay below the best mean f-score, to be as low as it can.
    count_ratios
        Data set -> cells found per marked one at every one of ``h_choices``, for the data sets that
        have f-scores.
    """

    loss: float
    f_scores: dict[str, npt.NDArray[np.float64]]
    h_choices: tuple[float, ...]
    h_tolerance: float = 0.0
    count_ratios: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def h(self) -> float | None:
        """The h with the best mean f-score (in a tie the middle one), or the lowest near it."""
        if not self.f_scores:
            return None
        mean = self._mean()
        if self.h_tolerance:
            near = np.flatnonzero(mean >= mean.max() - self.h_tolerance)
            return min(self.h_choices[int(place)] for place in near)
        best = np.flatnonzero(mean == mean.max())
        return self.h_choices[int(best[len(best) // 2])]

    @property
    def unbiased_h(self) -> float | None:
        """The h whose counts are nearest to the marked cells; the lowest of equally near ones."""
        if not self.count_ratios:
            return None
        off = np.abs(np.mean(list(self.count_ratios.values()), axis=0) - 1)
        return min(self.h_choices[int(place)] for place in np.flatnonzero(off == off.min()))

    @property
    def f_score(self) -> float | None:
        """The mean f-score of the data sets at that h, in percent."""
        return float(self._mean().max()) if self.f_scores else None

    def f_scores_at(self, h: float) -> dict[str, float]:
        """Give every data set's f-score at one of ``h_choices``, in percent."""
        if h not in self.h_choices:
            return {}
        place = self.h_choices.index(h)
        return {name: round(float(values[place]), 2) for name, values in self.f_scores.items()}

    def as_numbers(self) -> dict[str, float]:
        """Give the measures that exist, by name."""
        found = {"loss": self.loss, "f_score": self.f_score, "h": self.h}
        return {name: value for name, value in found.items() if value is not None}

    def _mean(self) -> npt.NDArray[np.float64]:
        mean: npt.NDArray[np.float64] = np.mean(list(self.f_scores.values()), axis=0)
        return mean


class Validator:
    """Measures a network on whole frames.

    Parameters
    ----------
    recipe
        Heads, scale and h to try.
    entries
        Which images.
    data_root
        What their folders are relative to.
    """

    def __init__(self, recipe: Recipe, entries: tuple[ImagesRecipe, ...], data_root: Path) -> None:
        self._recipe = recipe
        self._sets: dict[str, list[AnnotatedFrame]] = {}
        for entry in entries:
            frames = load_frames(entry, data_root)
            self._sets.setdefault(entry.root, []).extend(frames)

    @classmethod
    def of_frames(cls, recipe: Recipe, sets: Mapping[str, list[AnnotatedFrame]]) -> Validator:
        """Measure on frames that are not on disk, by the name of their set."""
        validator = cls(recipe, (), Path())
        validator._sets.update(sets)
        return validator

    def __bool__(self) -> bool:
        return bool(self._sets)

    def measure(self, network: nn.Module, device: torch.device) -> Measured:
        """Measure loss and f-score.

        Parameters
        ----------
        network
            Is put into evaluation mode; the caller puts it back.
        device
            Where the network lives.
        """
        losses: list[float] = []
        f_scores: dict[str, npt.NDArray[np.float64]] = {}
        count_ratios: dict[str, npt.NDArray[np.float64]] = {}
        has_inner = _INNER in self._recipe.head_names
        only_complete = self._some_are_complete()
        names = _names_of_sets(self._sets)
        for root, frames in self._sets.items():
            counts = np.zeros((len(self._recipe.run.h_choices), 3))
            of_set: list[float] = []
            for frame in frames:
                view = whole_view(frame, self._recipe)
                drawn = draw_maps(network, view.image, self._recipe, device)
                of_set.append(self._loss(view, drawn))
                if has_inner and (_every_cell_marked(frame) or not only_complete):
                    counts += self._counts(frame, drawn)
            losses.append(float(np.mean(of_set)))
            if counts[0, 2]:
                f_scores[names[root]] = 200 * counts[:, 0] / (counts[:, 1] + counts[:, 2])
                count_ratios[names[root]] = counts[:, 1] / counts[:, 2]
        run = self._recipe.run
        loss = float(np.mean(losses))
        return Measured(loss, f_scores, run.h_choices, run.h_tolerance, count_ratios)

    def _some_are_complete(self) -> bool:
        """Tell whether every cell is marked in some frames: h is then chosen on these alone.

        Where clicks left cells unmarked, these count as false the more, the lower h is: such a
        frame would argue for a high h whatever the network does.
        """
        return any(_every_cell_marked(frame) for of_set in self._sets.values() for frame in of_set)

    def _loss(self, view: View, drawn: FloatArray) -> float:
        parts = (drawn, view.maps.values, view.maps.known)
        maps, targets, known = (torch.from_numpy(part)[None] for part in parts)
        heads = self._recipe.heads
        return float(total_loss(head_losses(maps, targets, known, heads), heads))

    def _counts(self, frame: AnnotatedFrame, drawn: FloatArray) -> npt.NDArray[np.float64]:
        """Count true positives, detected and annotated cells at every h to try."""
        choices = self._recipe.run.h_choices
        recipe = self._recipe
        found_on = detection_map(drawn, recipe.head_names, recipe.detection.weighing)
        ratio_y, ratio_x = np.array(frame.pixels.shape) / np.array(found_on.shape)
        located = find_peaks(found_on).scaled(float(ratio_y), float(ratio_x))
        counts = np.zeros((len(choices), 3))
        for row, h in enumerate(choices):
            kept = located.at(h)
            detected = np.stack([kept.y_px, kept.x_px], axis=1).astype(np.float64)
            matched = match_assignment(detected, frame.centres, frame.match_radius_px)
            counts[row] = (len(matched), len(detected), len(frame.centres))
        return counts


def _names_of_sets(roots: Iterable[str]) -> dict[str, str]:
    """Name data sets as the recipe does; by the folder alone where that is one's own, absolute."""
    names: dict[str, str] = {}
    for root in roots:
        plain = Path(root).name if Path(root).is_absolute() else root
        alike = sum(other.partition(" (")[0] == plain for other in names.values())
        names[root] = f"{plain} ({alike + 1})" if alike else plain
    return names


def _every_cell_marked(frame: AnnotatedFrame) -> bool:
    return frame.complete or frame.masks is not None


def draw_maps(
    network: nn.Module,
    image: FloatArray,
    recipe: Recipe,
    device: torch.device,
    *,
    memory_limit_mb: float = MEMORY_LIMIT_MB,
) -> FloatArray:
    """Run a network over a whole normalised frame, at whose edges it sees what it does in use.

    Parameters
    ----------
    network
        Is put into evaluation mode.
    image
        Shape (y, x), at the model's scale, normalised.
    recipe
        Gives the network's reach, and the multiple that its images' sides are of.
    device
        Where the network lives.
    memory_limit_mb
        Larger frames are drawn in tiles, as in use: the maps are the same.

    Returns
    -------
    FloatArray
        Shape (heads, y, x).
    """

    def infer(padded: FloatArray) -> FloatArray:
        with torch.inference_mode():
            maps = network(torch.from_numpy(padded)[None, None].to(device))
        drawn: FloatArray = maps[0].float().cpu().numpy()
        return drawn

    network.eval()
    return infer_tiled(infer, image, _tile_limits(recipe, memory_limit_mb))


def _tile_limits(recipe: Recipe, memory_limit_mb: float) -> TileLimits:
    most_px = int(memory_limit_mb * 1e6 / memory_bytes_per_px(recipe.network))
    return TileLimits(most_px, halo_px(recipe.network, recipe.heads), recipe.multiple_px)
