"""The DeepDistance network: one shared U-Net encoder and one full decoder for every map.

Koyuncu et al., Medical Image Analysis 63 (2020): levels of two 3 x 3 convolutions with a dropout
between them, 2 x 2 max-pooling, nearest up-sampling with concatenation, 1 x 1 heads. Widths,
dropout, heads and batch normalisation are parameters; the paper's own network has widths
64-128-256-512-1024, dropout 0.2 and no normalisation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from livecount.training.recipe import HeadRecipe, NetworkRecipe, Norm

__all__ = ["DeepDistanceNet", "count_parameters", "receptive_radius_px"]


class DeepDistanceNet(nn.Module):
    """A shared encoder and one decoder per head.

    Parameters
    ----------
    network
        Widths per level, channels, dropout, normalisation.
    heads
        Name and activation of each output map.
    """

    def __init__(self, network: NetworkRecipe, heads: tuple[HeadRecipe, ...]) -> None:
        super().__init__()
        self.in_channels = network.in_channels
        widths = (network.in_channels, *network.widths)
        self.encoder = nn.ModuleList(
            _ConvBlock(before, after, network.dropout, network.norm)
            for before, after in pairwise(widths)
        )
        self.decoders = nn.ModuleList(_Decoder(network, head) for head in heads)

    def forward(self, image: Tensor) -> Tensor:
        """Draw the maps of normalised images.

        Parameters
        ----------
        image
            Shape (n, 1, y, x), grey (repeated where the network takes more channels); y and x
            multiples of ``2 ** (levels - 1)``.

        Returns
        -------
        Tensor
            Shape (n, heads, y, x).
        """
        features: list[Tensor] = []
        current = image.expand(-1, self.in_channels, -1, -1)
        for level, block in enumerate(self.encoder):
            current = block(current if level == 0 else functional.max_pool2d(current, 2))
            features.append(current)
        return torch.cat([decoder(features) for decoder in self.decoders], dim=1)


class _ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with ReLU, a dropout between them."""

    def __init__(self, before: int, after: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.first = _conv(before, after, norm)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.second = _conv(after, after, norm)

    def forward(self, features: Tensor) -> Tensor:
        between = functional.relu(self.first(features))
        return functional.relu(self.second(self.dropout(between)))


def _conv(before: int, after: int, norm: Norm) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=norm == "none")
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
        return nn.Sequential(convolution)
    return nn.Sequential(convolution, nn.BatchNorm2d(after))


class _Decoder(nn.Module):
    """From the deepest features back to one map of full size."""

    def __init__(self, network: NetworkRecipe, head: HeadRecipe) -> None:
        super().__init__()
        upward = network.widths[::-1]
        self.blocks = nn.ModuleList(
            _ConvBlock(below + level, level, network.dropout, network.norm)
            for below, level in pairwise(upward)
        )
        self.head = nn.Conv2d(network.widths[0], 1, 1)
        self.activation = head.activation
        # A ReLU head that starts below zero everywhere would never learn.
        nn.init.constant_(self.head.bias, 0.1 if head.activation == "relu" else 0.0)  # type: ignore[arg-type]

    def forward(self, features: list[Tensor]) -> Tensor:
        current = features[-1]
        for block, skipped in zip(self.blocks, features[-2::-1], strict=True):
            larger = functional.interpolate(current, scale_factor=2.0, mode="nearest")
            current = block(torch.cat([larger, skipped], dim=1))
        drawn: Tensor = self.head(current)
        if self.activation == "relu":
            return functional.relu(drawn)
        if self.activation == "sigmoid":
            return torch.sigmoid(drawn)
        return drawn


def count_parameters(network: nn.Module) -> int:
    """Count the learned numbers of a network."""
    counts: list[int] = [parameter.numel() for parameter in network.parameters()]
    return sum(counts)


def receptive_radius_px(levels: int) -> int:
    """Bound how far, in pixels, an input pixel can reach into the maps.

    Each 3 x 3 convolution reaches one pixel of its level; pooling and up-sampling each may add up
    to one pixel of the finer level's grid.

    Parameters
    ----------
    levels
        Number of encoder levels.
    """
    down = sum(2 << level for level in range(levels))
    up = sum(2 << level for level in range(levels - 1))
    grid = 2 * sum(1 << level for level in range(levels - 1))
    return down + up + grid
