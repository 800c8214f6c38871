"""The training loss: a weighted mean squared error for every head, where its target is known."""

from __future__ import annotations

import torch
from torch import Tensor

from livecount.training.recipe import HeadRecipe

__all__ = ["head_losses", "total_loss"]


def head_losses(
    maps: Tensor, targets: Tensor, known: Tensor, heads: tuple[HeadRecipe, ...]
) -> Tensor:
    """Compute the mean squared error of every head over the pixels where it is annotated.

    The few pixels near cell centres, which decide whether a peak is high enough, weigh
    ``1 + emphasis * target ** 2``.

    Parameters
    ----------
    maps, targets, known
        Shape (n, heads, y, x); ``known`` is 1 where the target is annotated, else 0.
    heads
        Names, weights and emphasis, in the order of the maps.

    Returns
    -------
    Tensor
        Shape (heads,), before the heads' own weights; 0 for a head that is known nowhere.
    """
    emphasis = torch.tensor([head.emphasis for head in heads], device=maps.device)
    weight = known * (1 + emphasis[None, :, None, None] * targets.square())
    # Known pixels, not weights, so that emphasis strengthens bright pixels and weakens none.
    pixels = known.sum(dim=(0, 2, 3)).clamp(min=1)
    return (weight * (maps - targets).square()).sum(dim=(0, 2, 3)) / pixels


def total_loss(losses: Tensor, heads: tuple[HeadRecipe, ...]) -> Tensor:
    """Add the heads' losses with the recipe's weights.

    Parameters
    ----------
    losses
        Shape (heads,), from :func:`head_losses`.
    heads
        In the same order.
    """
    weights = torch.tensor([head.loss_weight for head in heads], device=losses.device)
    return (weights * losses).sum()
