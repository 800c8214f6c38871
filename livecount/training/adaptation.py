"""How far an adapted model goes from the one that it starts from, and which h it gets.

What the old model knew cannot be tried on the images that it learnt from: they are not there.
Painted frames stand for them. Where a network that learnt from a few frames finds painted cells
less well than before, it has begun to forget, and its weights go less of the way.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from livecount.training.images import AnnotatedFrame
from livecount.training.painting import paint_frame
from livecount.training.recipe import Recipe
from livecount.training.targets import cell_centroids
from livecount.training.validation import Validator

__all__ = ["Adaptation", "interpolate"]

_SHARES: Final = (1.0, 0.7, 0.45, 0.3, 0.15)
_FRAMES: Final = 40
_FRAME_PX: Final = 192
"""Many small ones: each has a look of its own, and twelve looks did not show what was forgotten.
Some 2,000 cells in all; measuring a network on them takes 5 s on two cores."""
_COVERAGE: Final = (0.3, 2.0)
_SEED: Final = 20_261_128
"""Another stream of random numbers than that of the frames that are learnt from."""

Weights = Mapping[str, Tensor]


def interpolate(before: Weights, trained: Weights, share: float) -> dict[str, Tensor]:
    """Go a share of the way from one network's weights to another's (Wortsman et al. 2022)."""
    return {
        name: torch.lerp(value, trained[name], share) if value.is_floating_point() else value
        for name, value in before.items()
    }


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A network before and after it learnt from a few frames.

    Attributes
    ----------
    recipe
        Its ``adaptation`` says how much may be lost, and how far to go at most.
    before
        The starting network, in evaluation mode.
    trained
        The weights that training ended with.
    device
        Where the networks live.
    painted
        Measures on painted frames; None where nothing says how much may be forgotten.
    """

    recipe: Recipe
    before: nn.Module
    trained: Weights
    device: torch.device
    painted: Validator | None

    @classmethod
    def at_the_end(
        cls, recipe: Recipe, before: nn.Module, trained: Weights, device: torch.device
    ) -> Adaptation:
        """Take up both networks when training has ended."""
        painted = _paint(recipe) if recipe.adaptation.most_forgotten else None
        return cls(recipe, before, trained, device, painted)

    def choose_share(self) -> float:
        """Give the largest share at which no more is forgotten than ``most_forgotten`` allows.

        Returns
        -------
        float
            Of the way from the old weights to the trained ones; the shortest where even that
            forgets more.
        """
        wanted = self.recipe.adaptation
        if self.painted is None:
            return wanted.interpolation
        was = self.painted.measure(self.before, self.device).f_score or 0.0
        share = 0.0
        for part in _SHARES:
            share = part * wanted.interpolation
            found = self.painted.measure(self.network(share), self.device).f_score or 0.0
            if found >= was - wanted.most_forgotten:
                break
        return share

    def choose_h(self, known: Validator) -> float:
        """Choose the h with which the old weights count as many cells as were clicked.

        The new weights draw the user's frames too well to choose by: they learnt from them. Where
        no cell was clicked, h is ``start_h``.

        Parameters
        ----------
        known
            Measures on the user's frames.
        """
        unbiased_h = known.measure(self.before, self.device).unbiased_h
        return self.recipe.adaptation.start_h if unbiased_h is None else unbiased_h

    def network(self, share: float) -> nn.Module:
        """Give a network that went so much of the way."""
        network = copy.deepcopy(self.before)
        network.load_state_dict(interpolate(self.before.state_dict(), self.trained, share))
        return network


def _paint(recipe: Recipe) -> Validator:
    """Paint crowded frames at the model's scale, always the same ones."""
    painting = replace(recipe.painting, empty=0.0, coverage=_COVERAGE)
    diameter_px = recipe.scale.cell_diameter_px
    frames = []
    for number in range(_FRAMES):
        rng = np.random.default_rng([_SEED, number])
        painted = paint_frame(_FRAME_PX, recipe.augmentation.diameter_px, painting, rng)
        frames.append(
            AnnotatedFrame(
                name=f"painted {number}",
                pixels=painted.pixels,
                masks=painted.masks,
                centres=cell_centroids(painted.masks).astype(np.float64),
                cell_diameter_px=diameter_px,
                match_radius_px=diameter_px / 2,
                complete=True,
            )
        )
    return Validator.of_frames(recipe, {"painted": frames})
