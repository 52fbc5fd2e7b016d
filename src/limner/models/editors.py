"""Networks of the CAAE: images to codes, codes and labels to images, and their discriminators.

Zhang et al. 2017, arXiv 1702.08423, figure 3 and the published code; `networks.conv_pair` has the default's.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from limner.models.base import Shape
from limner.models.layers import OneHot
from limner.models.networks import conv_sizes

TILES = 50  # numbers that tell the paper's generator the label: one-hot, repeated
TAIL = (16,)  # channels of the paper's generator after the last enlargement


class Encoder(nn.Sequential):
    """Strided convolutions and a linear layer: (B, C, H, W) -> z (B, latent_dim) in [-1, 1].

    With `normalised`, each number has mean 0 and variance 1 over the batch before its tanh, so that it is
    nearly uniform at the start.
    """

    def __init__(self, shape: Shape, width: int, latent_dim: int, kernel: int, normalised: bool) -> None:
        sizes = conv_sizes(shape, kernel)
        channels = [shape[0], *(width * 2**i for i in range(len(sizes) - 1))]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, kernel, 2, (kernel - 1) // 2)]
            layers += [nn.LeakyReLU(0.2) if normalised else nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(channels[-1] * math.prod(sizes[-1]), latent_dim, not normalised)]
        layers += [nn.BatchNorm1d(latent_dim, affine=False)] if normalised else []
        super().__init__(*layers, nn.Tanh())


class TiledLabel(nn.Module):
    """Labels (B,) -> -1 and 1 (B, classes * tiles), 1 at the label, the whole repeated."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.one_hot, self.tiles = OneHot(classes), max(1, TILES // classes)

    def forward(self, y: Tensor) -> Tensor:
        return (2 * self.one_hot(y) - 1).repeat(1, self.tiles)


class PaperGenerator(nn.Module):
    """z (B, latent_dim) beside tiled labels -> images: a linear layer, then 5x5 transposed convolutions."""

    def __init__(self, shape: Shape, latent_dim: int, width: int, classes: int) -> None:
        super().__init__()
        up = conv_sizes(shape, 5)[::-1]
        channels = [width * 2**i // 2 for i in reversed(range(len(up)))]
        self.label = TiledLabel(classes)
        inputs = latent_dim + classes * self.label.tiles
        layers: list[nn.Module] = [nn.Linear(inputs, channels[0] * math.prod(up[0])), nn.ReLU()]
        layers += [nn.Unflatten(1, (channels[0], *up[0]))]
        for (small, large), (before, after) in zip(pairwise(up), pairwise(channels), strict=True):
            rows, columns = (b - (2 * a - 1) for a, b in zip(small, large, strict=True))
            layers += [nn.ConvTranspose2d(before, after, 5, 2, 2, (rows, columns)), nn.ReLU()]
        for before, after in pairwise((channels[-1], *TAIL)):
            layers += [nn.ConvTranspose2d(before, after, 5, padding=2), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(TAIL[-1], shape[0], 5, padding=2), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([z, self.label(y)], 1))


class PaperDiscriminator(nn.Module):
    """Images (B, C, H, W) of labels (B,) -> outputs (B, 1): the label is in planes after the first layer."""

    def __init__(self, shape: Shape, width: int, classes: int) -> None:
        super().__init__()
        sizes = conv_sizes(shape, 5)
        channels = [width * 2**i for i in range(len(sizes) - 1)]
        self.first = self.layer(shape[0], channels[0])
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += self.layer(before + (classes if before == channels[0] else 0), after)
        inputs = channels[-1] + (classes if len(channels) == 1 else 0)
        self.label = TiledLabel(classes)
        self.rest = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(inputs * math.prod(sizes[-1]), 1024), nn.LeakyReLU(0.2),
            nn.Linear(1024, 1),
        )  # fmt: skip
        self.classes = classes

    @staticmethod
    def layer(before: int, after: int) -> nn.Sequential:
        """A strided convolution with batch norm."""
        return nn.Sequential(nn.Conv2d(before, after, 5, 2, 2), nn.BatchNorm2d(after), nn.ReLU())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = self.first(x)
        planes = self.label(y)[:, : self.classes, None, None].expand(-1, -1, *maps.shape[2:])
        return self.rest(torch.cat([maps, planes], 1))


def paper_code_discriminator(latent_dim: int) -> nn.Sequential:
    """z (B, latent_dim) -> outputs (B, 1), by layers of 64, 32 and 16 with batch norm."""
    layers: list[nn.Module] = []
    for before, after in pairwise((latent_dim, 64, 32, 16)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(16, 1))


def init_paper_(layer: nn.Module) -> None:
    """Draw weights from N(0, 0.02); biases are 0."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
