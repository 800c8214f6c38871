"""The training loss: one number for every head, over the pixels where its target is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from livecount.training.recipe import HeadRecipe

__all__ = ["head_losses", "total_loss"]


def head_losses(
    maps: Tensor, targets: Tensor, known: Tensor, heads: tuple[HeadRecipe, ...]
) -> Tensor:
    """Compute the loss of every head over the pixels where it is annotated.

    ``mse`` is the squared error, ``bce`` the binary cross-entropy, ``focal`` that of Lin et al.
    (ICCV 2017), each in the mean of the known pixels; ``dice`` is 1 minus the Dice coefficient of
    all of them together (Milletari et al., 3DV 2016). The few pixels near cell centres, which
    decide whether a peak is high enough, weigh ``1 + emphasis * target ** 2``.

    Parameters
    ----------
    maps, targets, known
        Shape (n, heads, y, x), float32; ``known`` is 1 where the target is annotated, else 0.
    heads
        Losses, weights and emphasis, in the order of the maps.

    Returns
    -------
    Tensor
        Shape (heads,), before the heads' own weights; 0 for a head that is known nowhere.
    """
    losses = [
        _head_loss(maps[:, number], targets[:, number], known[:, number], head)
        for number, head in enumerate(heads)
    ]
    return torch.stack(losses)


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


def _head_loss(drawn: Tensor, target: Tensor, known: Tensor, head: HeadRecipe) -> Tensor:
    if head.loss == "dice":
        return _dice(drawn, target, known)
    if head.loss == "bce":
        errors = functional.binary_cross_entropy(drawn, target, reduction="none")
    elif head.loss == "focal":
        errors = _focal(drawn, target, head.focal_alpha, head.focal_gamma)
    else:
        errors = (drawn - target).square()
    weight = known * (1 + head.emphasis * target.square())
    # Known pixels, not weights, so that emphasis strengthens bright pixels and weakens none.
    return (weight * errors).sum() / known.sum().clamp(min=1)


def _focal(drawn: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    entropy = functional.binary_cross_entropy(drawn, target, reduction="none")
    weight = alpha * target + (1 - alpha) * (1 - target)
    return weight * (drawn - target).abs().pow(gamma) * entropy


def _dice(drawn: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Of crops without a cell it is the less, the less is drawn; the 1 keeps it defined."""
    both = (known * drawn * target).sum()
    either = (known * drawn).sum() + (known * target).sum()
    return 1 - (2 * both + 1) / (either + 1)
