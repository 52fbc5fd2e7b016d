"""Layers of the GANs' networks: pixel ranges, class conditioning, initial weights."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.utils.parametrizations import spectral_norm

from limner.models.base import Shape

PixelRange = Literal["centred", "unit"]
EMBEDDING = 50  # numbers in the vector that tells a convolutional generator the class


class SigmoidPixels(nn.Module):
    """The end of a generator: numbers to pixels in [0, 1] by a sigmoid, returned in [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid() * 2 - 1


class UnitPixels(nn.Module):
    """The start of a discriminator: pixels in [-1, 1] to pixels in [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


def output_pixels(pixels: PixelRange) -> nn.Module:
    """The last activation of a generator."""
    return SigmoidPixels() if pixels == "unit" else nn.Tanh()


def input_pixels(pixels: PixelRange) -> list[nn.Module]:
    """The first layer of a discriminator, if it needs one."""
    return [UnitPixels()] if pixels == "unit" else []


class AlwaysDropout(nn.Dropout):
    """Dropout that stays on in sampling: noise in several layers of a generator."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.p, training=True)


class Maxout(nn.Module):
    """Each unit is the largest of its linear pieces (Goodfellow et al. 2013): (B, n) -> (B, units)."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class SigmoidGenerator(nn.Module):
    """ReLU layers, then sigmoid pixels: noise (B, latent_dim) -> images in [-1, 1]."""

    def __init__(self, shape: Shape, latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((latent_dim, *hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.hidden, self.output = nn.Sequential(*layers), nn.Linear(hidden[-1], math.prod(shape))
        self.pixels = nn.Sequential(SigmoidPixels(), nn.Unflatten(1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.pixels(self.output(self.hidden(z)))


class OneHot(nn.Module):
    """Labels (B,) -> (B, classes), 1 at the label and 0 elsewhere."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, y: Tensor) -> Tensor:
        return one_hot(y, self.classes).float()


class ConcatLabel(nn.Module):
    """network([features(x), embed(y)]), concatenated along the channels; `features` is x by default."""

    def __init__(self, embed: nn.Module, network: nn.Module, features: nn.Module | None = None) -> None:
        super().__init__()
        self.embed, self.network, self.features = embed, network, features or nn.Identity()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.network(torch.cat([self.features(x), self.embed(y)], 1))


class Projection(nn.Module):
    """psi(f(x)) + <embed(y), f(x)>; embed(y) is row y of a linear layer, which spectral norm includes."""

    def __init__(self, f: nn.Module, psi: nn.Linear, classes: int) -> None:
        super().__init__()
        self.f, self.psi, self.embed = f, psi, nn.Linear(psi.in_features, classes, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.f(x)
        return self.psi(features) + self.embed(features).gather(1, y[:, None])


# Brock et al. 2019, arXiv 1809.11096: gain and bias by class, from one vector of it
class ConditionalBatchNorm(nn.Module):
    """norm(x) (1 + gain(e)) + bias(e), e (B, 50) the vector of the class.

    With `size`, after a generator's first layer, every place of the map has its own bias, and there is no
    gain: if it fell to 0 there, the images would no longer depend on z.
    """

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.norm, self.size = nn.BatchNorm2d(channels), (channels, *(size or (1, 1)))
        self.gain = None if size else nn.Linear(EMBEDDING, channels, bias=False)
        self.bias = nn.Linear(EMBEDDING, math.prod(self.size), bias=False)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        x = self.norm(x)
        if self.gain is not None:
            x = x * (1 + self.gain(e)[:, :, None, None])
        return x + self.bias(e).unflatten(1, self.size)


class ConditionalSequential(nn.Module):
    """Layers in a row; each ConditionalBatchNorm also gets the vector of the class.

    Concatenated to z, the class would make up most of the variance that batch norm divides by, and training
    ends with a generator that ignores z.
    """

    def __init__(self, embed: nn.Embedding, layers: list[nn.Module]) -> None:
        super().__init__()
        self.embed, self.layers = embed, nn.ModuleList(layers)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        e = self.embed(y)
        for layer in self.layers:
            z = layer(z, e) if isinstance(layer, ConditionalBatchNorm) else layer(z)
        return z


# Radford et al. 2015, section 4: "All weights were initialized from a zero-centered Normal distribution with
# standard deviation 0.02"
def init_dcgan_(layer: nn.Module) -> None:
    """Draw a layer's weights from N(0, 0.02), a batch norm's from N(1, 0.02); biases are 0."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def init_uniform_(network: nn.Module, bound: float) -> nn.Module:
    """Draw the weights uniformly from [-bound, bound], as in the published code of the GAN; biases are 0."""
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(weight)
        else:
            nn.init.uniform_(weight, -bound, bound)
    return network


# Miyato et al. 2018, arXiv 1802.05957
def normalise_spectrally_(network: nn.Module) -> None:
    """Divide the weights of every linear and convolutional layer by their largest singular value."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer)
