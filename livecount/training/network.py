"""The DeepDistance network: one shared U-Net encoder and one full decoder for every map.

Koyuncu et al., Medical Image Analysis 63 (2020): levels of two 3 x 3 convolutions with a dropout
between them, 2 x 2 max-pooling, nearest up-sampling with concatenation, 1 x 1 heads. Widths,
blocks, dropout, heads and normalisation are the recipe's; the paper's own network has widths
64-128-256-512-1024, dropout 0.2 and no normalisation. A head that reads another head's map belongs
to a second network behind the first one, trained together with it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from livecount.training.recipe import HeadRecipe, NetworkRecipe, Norm

__all__ = [
    "KERNELS",
    "UNBOUNDED_PX",
    "DeepDistanceNet",
    "count_parameters",
    "halo_px",
    "memory_bytes_per_px",
    "receptive_radius_px",
]

UNBOUNDED_PX: Final = 1 << 16
"""Stands for a reach over any frame: who tiles with such a halo takes every frame whole."""

_BYTES_PER_PX_AND_FILTER: Final = 75
"""Twice what ONNX Runtime took for each filter of the finest level, with room for the frame."""

KERNELS: Final = {"plain": (3,), "residual": (3,), "multiscale": (1, 3, 5)}
"""Edge lengths of a block's convolutions, in pixels."""


class DeepDistanceNet(nn.Module):
    """A shared encoder and one decoder per head, and such a network behind each map that is read.

    Parameters
    ----------
    network
        Widths per level, blocks, channels, dropout, normalisation.
    heads
        What each output map is drawn from, and its activation.
    """

    def __init__(self, network: NetworkRecipe, heads: tuple[HeadRecipe, ...]) -> None:
        super().__init__()
        self.in_channels = network.in_channels
        self.names = [head.name for head in heads]
        self.from_image = [head.name for head in heads if not head.reads]
        self.encoder = _encoder(network.in_channels, network)
        self.decoders = nn.ModuleList(_Decoder(network, head) for head in heads if not head.reads)
        read = [name for name in self.names if any(head.reads == name for head in heads)]
        self.cascades = nn.ModuleList(_Cascade(network, heads, name) for name in read)

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
            Shape (n, heads, y, x), in the order of the heads.
        """
        features = _encoded(image.expand(-1, self.in_channels, -1, -1), self.encoder)
        drawn = {
            name: decoder(features)
            for name, decoder in zip(self.from_image, self.decoders, strict=True)
        }
        for cascade in self.cascades:
            drawn |= cascade(drawn[cascade.reads])  # type: ignore[index]
        return torch.cat([drawn[name] for name in self.names], dim=1)


class _Cascade(nn.Module):
    """A whole network whose image is another head's map."""

    def __init__(self, network: NetworkRecipe, heads: tuple[HeadRecipe, ...], reads: str) -> None:
        super().__init__()
        self.reads = reads
        behind = [head for head in heads if head.reads == reads]
        self.names = [head.name for head in behind]
        self.encoder = _encoder(1, network)
        self.decoders = nn.ModuleList(_Decoder(network, head) for head in behind)

    def forward(self, drawn: Tensor) -> dict[str, Tensor]:
        features = _encoded(drawn, self.encoder)
        return {
            name: decoder(features) for name, decoder in zip(self.names, self.decoders, strict=True)
        }


def _encoder(channels: int, network: NetworkRecipe) -> nn.ModuleList:
    widths = (channels, *network.widths)
    return nn.ModuleList(_block(before, after, network) for before, after in pairwise(widths))


def _encoded(image: Tensor, encoder: nn.ModuleList) -> list[Tensor]:
    features: list[Tensor] = []
    current = image
    for level, block in enumerate(encoder):
        current = block(current if level == 0 else functional.max_pool2d(current, 2))
        features.append(current)
    return features


def _block(before: int, after: int, network: NetworkRecipe) -> nn.Module:
    if network.block == "residual":
        return _ResidualBlock(before, after, network)
    if network.block == "multiscale":
        return _MultiscaleBlock(before, after, network)
    return _ConvBlock(before, after, network)


class _ConvBlock(nn.Module):
    """Two convolutions with ReLU, a dropout between them."""

    def __init__(self, before: int, after: int, network: NetworkRecipe, kernel: int = 3) -> None:
        super().__init__()
        self.first = _conv(before, after, network.norm, kernel)
        self.dropout = nn.Dropout(network.dropout) if network.dropout else nn.Identity()
        self.second = _conv(after, after, network.norm, kernel)

    def summed(self, features: Tensor) -> Tensor:
        """Draw what comes before the last ReLU."""
        between = functional.relu(self.first(features))
        drawn: Tensor = self.second(self.dropout(between))
        return drawn

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.summed(features))


class _ResidualBlock(_ConvBlock):
    """Two convolutions with a shortcut around them (He et al., CVPR 2016)."""

    def __init__(self, before: int, after: int, network: NetworkRecipe) -> None:
        super().__init__(before, after, network)
        same = before == after
        self.shortcut = nn.Identity() if same else _conv(before, after, network.norm, 1)
        _weaken([self.second], paths=2)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.summed(features) + self.shortcut(features))


class _MultiscaleBlock(nn.Module):
    """The sum of double convolutions of 1 x 1, 3 x 3 and 5 x 5, then ReLU."""

    def __init__(self, before: int, after: int, network: NetworkRecipe) -> None:
        super().__init__()
        kernels = KERNELS["multiscale"]
        self.scales = nn.ModuleList(
            _ConvBlock(before, after, network, kernel) for kernel in kernels
        )
        _weaken([scale.second for scale in self.scales], paths=len(kernels))  # type: ignore[misc]

    def forward(self, features: Tensor) -> Tensor:
        drawn = [scale.summed(features) for scale in self.scales]  # type: ignore[operator]
        return functional.relu(sum(drawn[1:], start=drawn[0]))


def _weaken(convolutions: list[nn.Sequential], paths: int) -> None:
    """Scale first weights so that the sum of several paths begins as strong as one."""
    with torch.no_grad():
        for convolution in convolutions:
            convolution[0].weight.div_(paths**0.5)  # type: ignore[operator]


def _conv(before: int, after: int, norm: Norm, kernel: int) -> nn.Sequential:
    bare = norm == "none"
    convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=bare)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
        return nn.Sequential(convolution)
    following = nn.GroupNorm(1, after) if norm == "group" else nn.BatchNorm2d(after)
    return nn.Sequential(convolution, following)


class _Decoder(nn.Module):
    """From the deepest features back to one map of full size."""

    def __init__(self, network: NetworkRecipe, head: HeadRecipe) -> None:
        super().__init__()
        upward = network.widths[::-1]
        self.blocks = nn.ModuleList(
            _block(below + level, level, network) for below, level in pairwise(upward)
        )
        self.head = nn.Conv2d(network.widths[0], 1, 1)
        self.activation = head.activation
        nn.init.constant_(self.head.bias, _first_bias(head))  # type: ignore[arg-type]

    def forward(self, features: list[Tensor]) -> Tensor:
        current = features[-1]
        for block, skipped in zip(self.blocks, features[-2::-1], strict=True):
            larger = functional.interpolate(current, scale_factor=2.0, mode="nearest")
            current = block(torch.cat([larger, skipped], dim=1))
        drawn: Tensor = self.head(current)
        if drawn.dtype == torch.bfloat16:
            # There a certainty soon rounds to 1, where nothing more is learnt.
            drawn = drawn.float()
        if self.activation == "relu":
            return functional.relu(drawn)
        if self.activation == "sigmoid":
            return torch.sigmoid(drawn)
        return drawn


def _first_bias(head: HeadRecipe) -> float:
    if head.activation == "sigmoid":
        return math.log(head.begins_at / (1 - head.begins_at))
    # A ReLU head that starts below zero everywhere would never learn.
    return 0.1 if head.activation == "relu" else 0.0


def count_parameters(network: nn.Module) -> int:
    """Count the learned numbers of a network."""
    counts: list[int] = [parameter.numel() for parameter in network.parameters()]
    return sum(counts)


def receptive_radius_px(network: NetworkRecipe, heads: tuple[HeadRecipe, ...]) -> int:
    """Bound how far, in pixels, an input pixel can reach into the maps.

    Each convolution reaches half its kernel in pixels of its level; pooling and up-sampling each
    may add up to one pixel of the finer level's grid. A cascade adds the reaches of its networks.
    Group normalisation carries every pixel everywhere: :data:`UNBOUNDED_PX`.

    Parameters
    ----------
    network
        Levels, blocks and normalisation.
    heads
        Which of them read others.
    """
    if network.norm == "group":
        return UNBOUNDED_PX
    levels = len(network.widths)
    convolutions = 2 * (max(KERNELS[network.block]) // 2)
    down = sum(convolutions << level for level in range(levels))
    up = sum(convolutions << level for level in range(levels - 1))
    grid = 2 * sum(1 << level for level in range(levels - 1))
    behind: dict[str, int] = {}
    for head in heads:
        behind[head.name] = 1 + (behind[head.reads] if head.reads else 0)
    return (down + up + grid) * max(behind.values())


def halo_px(network: NetworkRecipe, heads: tuple[HeadRecipe, ...]) -> int:
    """Give the halo of a tile: the receptive radius, up to a multiple of what sides must be."""
    step = max(16, 1 << (len(network.widths) - 1))
    return -(-receptive_radius_px(network, heads) // step) * step


def memory_bytes_per_px(network: NetworkRecipe) -> int:
    """Bound the working memory of a network for each pixel that it is given at once."""
    return _BYTES_PER_PX_AND_FILTER * network.widths[0] * len(KERNELS[network.block])
