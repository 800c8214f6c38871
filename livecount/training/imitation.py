"""What a network draws of images in the mean of several views: steadier than what one look gives.

A network draws somewhat other maps of a field that is turned, mirrored or a little larger, though
its cells are the same. One that learns the mean of such maps needs no annotation for it, and comes
near the mean at the price of one look (Radosavovic et al., "Data distillation: towards
omni-supervised learning", CVPR 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["mean_of_views"]

_ORIENTATIONS = 8


def mean_of_views(
    network: nn.Module,
    images: Tensor,
    *,
    views: int,
    scale: tuple[float, float],
    multiple_px: int,
) -> Tensor:
    """Average the maps of images that are turned, mirrored and scaled at random.

    Parameters
    ----------
    network
        In evaluation mode; it learns nothing.
    images
        Shape (n, 1, y, y), square.
    views
        Number of orientations, of eight that there are, none of them twice.
    scale
        Smallest and largest factor of the images' size, drawn for each view on a log scale.
    multiple_px
        Sides that the network takes are multiples of this.

    Returns
    -------
    Tensor
        Shape (n, heads, y, y), float32.
    """
    side, (smallest, largest) = images.shape[-1], scale
    total: Tensor | None = None
    for orientation in torch.randperm(_ORIENTATIONS)[:views].tolist():
        factor = smallest * (largest / smallest) ** float(torch.rand(()))
        seen_px = multiple_px * max(1, round(side * factor / multiple_px))
        turned = _oriented(_resized(images, seen_px), orientation)
        with torch.no_grad():
            maps = network(turned.contiguous(memory_format=torch.channels_last)).float()
        back = _resized(_straightened(maps, orientation), side)
        total = back if total is None else total + back
    assert total is not None, "at least one view"
    return total / views


def _resized(images: Tensor, side_px: int) -> Tensor:
    if images.shape[-1] == side_px:
        return images
    return functional.interpolate(images, size=(side_px, side_px), mode="bilinear", antialias=True)


def _oriented(images: Tensor, orientation: int) -> Tensor:
    turned = torch.rot90(images, orientation % 4, (-2, -1))
    return turned.flip(-1) if orientation >= 4 else turned


def _straightened(maps: Tensor, orientation: int) -> Tensor:
    """Undo :func:`_oriented`."""
    unmirrored = maps.flip(-1) if orientation >= 4 else maps
    return torch.rot90(unmirrored, -(orientation % 4), (-2, -1))
