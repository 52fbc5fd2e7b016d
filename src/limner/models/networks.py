"""Pairs of networks (generator, discriminator) that several GANs share.

Every generator maps noise (B, latent_dim) to images (B, C, H, W) in [-1, 1]; every discriminator maps such
images to outputs (B, 1).  `pixels` is the range inside the networks: 'centred', [-1, 1] from a tanh, or
'unit', [0, 1] from a sigmoid.  With `classes`, both networks take labels (B,) as a second argument;
`condition` is how the discriminator uses them: 'projection' (Miyato & Koyama 2018, arXiv 1802.05637) or
'embedding', beside the image (Mirza & Osindero 2014, arXiv 1411.1784).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

from torch import nn

from limner.errors import LimnerError
from limner.models.base import Shape
from limner.models.layers import (
    EMBEDDING,
    AlwaysDropout,
    ConcatLabel,
    ConditionalBatchNorm,
    ConditionalSequential,
    Maxout,
    OneHot,
    PixelRange,
    Projection,
    SigmoidGenerator,
    SigmoidPixels,
    UnitPixels,
    init_dcgan_,
    init_uniform_,
    input_pixels,
    output_pixels,
)

Pair = tuple[nn.Module, nn.Module]  # generator, discriminator
Sizes = list[tuple[int, int]]  # heights and widths, from the image's down
Condition = Literal["projection", "embedding"]


def mlp_pair(
    shape: Shape,
    latent_dim: int,
    hidden: tuple[int, ...],
    *,
    dropout: float,
    generator_dropout: float = 0.0,
    pixels: PixelRange = "centred",
    classes: int | None = None,
    condition: Condition = "projection",
) -> Pair:
    """LeakyReLU networks: G with layer norm, D with dropout and G's widths in reverse; labels are one-hot."""
    size = math.prod(shape)
    layers: list[nn.Module] = []
    for before, after in pairwise((latent_dim + (classes or 0), *hidden)):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.LeakyReLU(0.2)]
        layers += [AlwaysDropout(generator_dropout)] if generator_dropout else []
    G = nn.Sequential(*layers, nn.Linear(hidden[-1], size), output_pixels(pixels), nn.Unflatten(1, shape))

    label_inputs = classes if classes and condition == "embedding" else 0
    layers = []
    for before, after in pairwise((size + label_inputs, *reversed(hidden))):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
    start, last = [*input_pixels(pixels), nn.Flatten()], nn.Linear(hidden[0], 1)

    if classes is None:
        return G, nn.Sequential(*start, *layers, last)
    conditional_G = ConcatLabel(OneHot(classes), G)
    if condition == "projection":
        return conditional_G, Projection(nn.Sequential(*start, *layers), last, classes)
    D = ConcatLabel(OneHot(classes), nn.Sequential(*layers, last), features=nn.Sequential(*start))
    return conditional_G, D


# Radford et al. 2015, arXiv 1511.06434
def conv_pair(
    shape: Shape,
    latent_dim: int,
    width: int,
    *,
    kernel: int = 4,
    activation: Literal["leaky", "relu"] = "leaky",
    batch_norm: Literal["both", "generator", "nothing"] = "both",
    generator_dropout: float = 0.0,
    pixels: PixelRange = "centred",
    classes: int | None = None,
    condition: Condition = "projection",
) -> Pair:
    """The DCGAN's networks: G goes up by transposed convolutions, D goes down by as many strided ones.

    width: channels next to the image; they double where the sides halve.  activation: G's.
    Raises LimnerError for images smaller than 8x8.
    """
    if min(shape[1:]) < 8:
        raise LimnerError(f"convolutions need images of 8x8 or more, not {shape[1]}x{shape[2]}")
    sizes = conv_sizes(shape, kernel)
    inputs = latent_dim + (EMBEDDING if classes and batch_norm == "nothing" else 0)
    convolutions = transposed_convolutions(shape, sizes, inputs, width, kernel, bias=batch_norm == "nothing")
    G = conv_generator(
        convolutions, sizes[-1], activation, batch_norm != "nothing", generator_dropout, pixels, classes
    )
    D = conv_discriminator(shape, sizes, width, kernel, batch_norm == "both", pixels, classes, condition)
    return G.apply(init_dcgan_), D.apply(init_dcgan_)


def conv_sizes(shape: Shape, kernel: int) -> Sizes:
    """Heights and widths from the image's down: halved while at least 3 remain."""
    sizes = [shape[1:]]
    while True:
        height, width = ((side + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1 for side in sizes[-1])
        if min(height, width) < 3:
            return sizes
        sizes.append((height, width))


def transposed_convolutions(
    shape: Shape, sizes: Sizes, inputs: int, width: int, kernel: int, bias: bool
) -> list[nn.ConvTranspose2d]:
    """The convolutions from 1x1 to the smallest size and up to the image; the last always has a bias."""
    up, padding = sizes[::-1], (kernel - 1) // 2
    channels = [*(width * 2**i for i in reversed(range(len(up) - 1))), shape[0]]
    convolutions = [nn.ConvTranspose2d(inputs, channels[0], up[0], bias=bias)]
    for (small, large), (before, after) in zip(pairwise(up), pairwise(channels), strict=True):
        # a side s becomes 2 s - 2 - 2 padding + kernel + output padding
        rows, columns = (b - (2 * a - 2 - 2 * padding + kernel) for a, b in zip(small, large, strict=True))
        last = large == up[-1]
        convolutions += [
            nn.ConvTranspose2d(before, after, kernel, 2, padding, (rows, columns), bias=bias or last)
        ]
    return convolutions


def conv_generator(
    convolutions: list[nn.ConvTranspose2d],
    smallest: tuple[int, int],
    activation: Literal["leaky", "relu"],
    batch_norm: bool,
    dropout: float,
    pixels: PixelRange,
    classes: int | None,
) -> nn.Module:
    """Noise as a 1x1 image, then the convolutions.

    The class gives each batch norm a gain and a bias; without batch norm its vector is concatenated to z.
    smallest: height and width after the first convolution.
    """
    embed = nn.Embedding(classes, EMBEDDING) if classes else None
    layers: list[nn.Module] = [nn.Unflatten(1, (convolutions[0].in_channels, 1, 1))]
    for convolution in convolutions[:-1]:
        layers += [convolution]
        channels, first = convolution.out_channels, convolution is convolutions[0]
        if batch_norm and embed is not None:
            layers += [ConditionalBatchNorm(channels, smallest if first else None)]
        elif batch_norm:
            layers += [nn.BatchNorm2d(channels)]
        layers += [nn.LeakyReLU(0.2) if activation == "leaky" else nn.ReLU()]
        layers += [AlwaysDropout(dropout)] if dropout else []
    layers += [convolutions[-1], output_pixels(pixels)]
    if embed is None:
        return nn.Sequential(*layers)
    return ConditionalSequential(embed, layers) if batch_norm else ConcatLabel(embed, nn.Sequential(*layers))


def conv_discriminator(
    shape: Shape,
    sizes: Sizes,
    width: int,
    kernel: int,
    batch_norm: bool,
    pixels: PixelRange,
    classes: int | None,
    condition: Condition,
) -> nn.Module:
    """Strided convolutions, batch norm after all but the first, and one linear layer."""
    label_planes = 1 if classes and condition == "embedding" else 0
    channels = [shape[0] + label_planes, *(width * 2**i for i in range(len(sizes) - 1))]
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(channels)):
        norm = batch_norm and i > 0
        layers += [nn.Conv2d(before, after, kernel, 2, (kernel - 1) // 2, bias=not norm)]
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers += [nn.LeakyReLU(0.2)]
    layers += [nn.Flatten()]
    start, last = input_pixels(pixels), nn.Linear(channels[-1] * math.prod(sizes[-1]), 1)

    if classes is None:
        return nn.Sequential(*start, *layers, last)
    if condition == "projection":
        return Projection(nn.Sequential(*start, *layers), last, classes)
    height, width = shape[1:]
    plane = nn.Sequential(nn.Embedding(classes, height * width), nn.Unflatten(1, (1, height, width)))
    return ConcatLabel(plane, nn.Sequential(*layers, last), features=nn.Sequential(*start))


# Goodfellow et al. 2014, arXiv 1406.2661, with mnist.yaml of the published code
def maxout_pair(shape: Shape, latent_dim: int, hidden: tuple[int, ...], *, dropout: float) -> Pair:
    """ReLU layers to sigmoid pixels against two layers of 240 maxout units of 5 pieces; pixels are 'unit'.

    The discriminator drops 0.2 of the pixels and `dropout` of its hidden units.
    """
    G = SigmoidGenerator(shape, latent_dim, hidden)
    D = nn.Sequential(
        UnitPixels(), nn.Flatten(), nn.Dropout(0.2), Maxout(math.prod(shape), 240, 5),
        nn.Dropout(dropout), Maxout(240, 240, 5), nn.Dropout(dropout), nn.Linear(240, 1),
    )  # fmt: skip
    return init_uniform_(G, 0.05), init_uniform_(D, 0.005)


# Mirza & Osindero 2014, section 4.1: the generator's z -> 200 and y -> 1000 meet in 1200 ReLU units, the
# discriminator's x -> 240 and y -> 50 maxout units of 5 pieces in 240 of 4
def conditional_maxout_pair(
    shape: Shape, latent_dim: int, *, classes: int, dropout: float, generator_dropout: float = 0.0
) -> Pair:
    """The conditional GAN's MNIST networks, `dropout` in both; pixels are 'unit', labels one-hot.

    generator_dropout: above 0, it replaces G's dropout and stays on in sampling.
    """
    size = math.prod(shape)
    drop = AlwaysDropout(generator_dropout) if generator_dropout else nn.Dropout(dropout)
    G = ConcatLabel(
        nn.Sequential(OneHot(classes), nn.Linear(classes, 1000), nn.ReLU(), drop),
        nn.Sequential(
            nn.Linear(1200, 1200), nn.ReLU(), drop,
            nn.Linear(1200, size), SigmoidPixels(), nn.Unflatten(1, shape),
        ),
        features=nn.Sequential(nn.Linear(latent_dim, 200), nn.ReLU(), drop),
    )  # fmt: skip
    drop = nn.Dropout(dropout)
    D = ConcatLabel(
        nn.Sequential(OneHot(classes), Maxout(classes, 50, 5), drop),
        nn.Sequential(Maxout(240 + 50, 240, 4), drop, nn.Linear(240, 1)),
        features=nn.Sequential(UnitPixels(), nn.Flatten(), Maxout(size, 240, 5), drop),
    )
    return init_uniform_(G, 0.05), init_uniform_(D, 0.005)
