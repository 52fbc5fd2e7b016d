"""Networks of the StyleGANs: codes to styles, styles to images, and their discriminators.

Karras et al. 2019 (arXiv 1812.04948), figure 1, without progressive growing; Karras et al. 2020 (arXiv
1912.04958), figure 2 (c) and figure 7, a generator with skip connections and a residual discriminator.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from limner.errors import LimnerError
from limner.models.base import Shape, require_labels
from limner.models.networks import Sizes
from limner.models.style_layers import (
    HE,
    AdaINLayer,
    Enlargement,
    EqualConv,
    EqualLinear,
    MinibatchDeviation,
    ModulatedConv,
    ModulatedLayer,
    Noise,
    NoiseMode,
    Reduction,
    Resampling,
    SameConv,
    Size,
    UpConv,
    activate,
    normalise,
)  # fmt: skip

MAPPING_RATE = 0.01  # of the learning rate: section B of the first paper


def style_sizes(shape: Shape) -> Sizes:
    """Heights and widths from the image's down: halved, rounded up, while at least 4 remain.

    Raises LimnerError for images smaller than 8x8.
    """
    if min(shape[1:]) < 8:
        raise LimnerError(f"a StyleGAN needs images of 8x8 or more, not {shape[1]}x{shape[2]}")
    sizes = [shape[1:]]
    while True:
        height, width = ((side + 1) // 2 for side in sizes[-1])
        if min(height, width) < 4:
            return sizes
        sizes.append((height, width))


def style_widths(sizes: Sizes, width: int, max_width: int) -> list[int]:
    """The channels at each size, from the image's down: doubled where the sides halve, up to a limit."""
    return [min(width * 2**i, max_width) for i in range(len(sizes))]


# Karras et al. 2019, section 2
class Mapping(nn.Module):
    """f: z -> w, fully connected layers from a normalised code: (B, dim) -> (B, dim).

    A class has a vector beside the code (Karras et al. 2020, arXiv 2006.06676).  `mean` is the running mean
    of w, which truncation goes towards.
    """

    mean: Tensor

    def __init__(self, dim: int, layers: int, classes: int | None) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, dim) if classes else None
        widths = [2 * dim if classes else dim] + [dim] * layers
        self.layers = nn.ModuleList(
            EqualLinear(a, b, gain=HE, rate=MAPPING_RATE) for a, b in pairwise(widths)
        )
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        w = normalise(z)
        if self.embed is not None:
            w = torch.cat([w, normalise(self.embed(require_labels(y)))], 1)
        for layer in self.layers:
            w = activate(layer(w))
        return w


class Synthesis(nn.Module):
    """g: a style for each layer -> images (B, C, H, W): a learned constant, and two layers at each size."""

    def __init__(self, shape: Shape, sizes: Sizes, widths: list[int], dim: int) -> None:
        super().__init__()
        self.up_sizes, self.up_widths = sizes[::-1], widths[::-1]
        self.styles = 2 * len(sizes)
        self.style_sizes = [size for size in self.up_sizes for _ in range(2)]  # of each style's layer
        self.constant = nn.Parameter(torch.randn(1, self.up_widths[0], *self.up_sizes[0]))

    def start(self, w: Tensor) -> Tensor:
        """The constant for as many images as there are styles (B, styles, dim)."""
        return self.constant.expand(len(w), -1, -1, -1)

    def affine_layers(self) -> list[EqualLinear]:
        """The layer that each style goes through."""
        raise NotImplementedError


# Karras et al. 2020, figure 2 (c) and figure 7 (b)
class SkipSynthesis(Synthesis):
    """The second StyleGAN's: modulated convolutions; the image is the sum of those of all sizes."""

    def __init__(
        self, shape: Shape, sizes: Sizes, widths: list[int], dim: int, noise_side: int | None
    ) -> None:
        super().__init__(shape, sizes, widths, dim)

        def layer(inputs: int, outputs: int, convolve: nn.Module, size: Size) -> ModulatedLayer:
            noise = Noise(size, 1) if has_noise(size, noise_side) else None
            return ModulatedLayer(inputs, outputs, dim, convolve, noise)

        levels = list(zip(pairwise(self.up_sizes), pairwise(self.up_widths), strict=True))
        self.first = layer(self.up_widths[0], self.up_widths[0], SameConv(), self.up_sizes[0])
        self.ups = nn.ModuleList(
            layer(a, b, UpConv(small, large), large) for (small, large), (a, b) in levels
        )
        self.convs = nn.ModuleList(layer(b, b, SameConv(), large) for (_, large), (_, b) in levels)
        self.enlarge = nn.ModuleList(Enlargement(small, large) for (small, large), _ in levels)
        self.pixels = nn.ModuleList(
            ModulatedConv(width, shape[0], 1, dim, SameConv(), demodulate=False) for width in self.up_widths
        )
        self.bias = nn.Parameter(torch.zeros(shape[0], 1, 1))
        self.style_sizes = [*self.style_sizes[1:], self.up_sizes[-1]]  # one layer only at the least size

    def affine_layers(self) -> list[EqualLinear]:
        levels = [layer for pair in zip(self.ups, self.convs, strict=True) for layer in pair]
        convs = [layer.conv for layer in (self.first, *levels) if isinstance(layer, ModulatedLayer)]
        return [conv.style for conv in (*convs, self.pixels[-1]) if isinstance(conv, ModulatedConv)]

    def forward(self, w: Tensor, mode: NoiseMode = "random") -> Tensor:
        x = self.first(self.start(w), w[:, 0], mode)
        image = self.pixels[0](x, w[:, 1])
        levels = zip(self.ups, self.convs, self.enlarge, self.pixels[1:], strict=True)
        for i, (up, conv, enlarge, pixels) in enumerate(levels):
            x = conv(up(x, w[:, 2 * i + 1], mode), w[:, 2 * i + 2], mode)
            image = enlarge(image) + pixels(x, w[:, 2 * i + 3])
        return image + self.bias


# Karras et al. 2019, figure 1 (b)
class AdaINSynthesis(Synthesis):
    """The first StyleGAN's: noise and a style after each convolution, and pixels from the last layer."""

    def __init__(
        self, shape: Shape, sizes: Sizes, widths: list[int], dim: int, noise_side: int | None
    ) -> None:
        super().__init__(shape, sizes, widths, dim)

        def layer(inputs: int, outputs: int, convolve: nn.Module | None, size: Size) -> AdaINLayer:
            noise = Noise(size, outputs) if has_noise(size, noise_side) else None
            return AdaINLayer(inputs, outputs, dim, convolve, noise)

        width, size = self.up_widths[0], self.up_sizes[0]
        layers = [layer(width, width, None, size), layer(width, width, SameConv(), size)]
        for (small, large), (a, b) in zip(pairwise(self.up_sizes), pairwise(self.up_widths), strict=True):
            layers += [layer(a, b, UpConv(small, large), large), layer(b, b, SameConv(), large)]
        self.layers = nn.ModuleList(layers)
        self.pixels = EqualConv(self.up_widths[-1], shape[0], 1)

    def affine_layers(self) -> list[EqualLinear]:
        return [layer.adain.style for layer in self.layers if isinstance(layer, AdaINLayer)]

    def forward(self, w: Tensor, mode: NoiseMode = "random") -> Tensor:
        x = self.start(w)
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, i], mode)
        return self.pixels(x)


def has_noise(size: Size, noise_side: int | None) -> bool:
    """Whether a layer of this size gets noise: where its sides are long enough; None: nowhere."""
    return noise_side is not None and min(size) >= noise_side


class StyleGenerator(nn.Module):
    """z -> w -> image: the mapping network, and the synthesis network with w at every layer."""

    def __init__(self, mapping: Mapping, synthesis: Synthesis) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis

    def styles(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The same w for every layer: z (B, dim), classes (B,) -> (B, styles, dim)."""
        return self.mapping(z, y)[:, None].expand(-1, self.synthesis.styles, -1)

    def forward(self, z: Tensor, y: Tensor | None = None, mode: NoiseMode = "random") -> Tensor:
        return self.synthesis(self.styles(z, y), mode)


class DownBlock(nn.Module):
    """Two convolutions, the second down to half the size; `residual` adds the reduced input."""

    def __init__(self, inputs: int, outputs: int, large: Size, small: Size, residual: bool) -> None:
        super().__init__()
        gain = math.sqrt(0.5) if residual else 1.0  # the sum of both paths keeps the variance
        self.conv = EqualConv(inputs, inputs, 3, gain=HE)
        padded = (2 * small[0] + 1, 2 * small[1] + 1)
        self.blur = Resampling(large, padded, padding=2)
        self.down = EqualConv(inputs, outputs, 3, stride=2, gain=HE * gain)
        self.reduce = Reduction(large, small) if residual else None
        self.skip = EqualConv(inputs, outputs, 1, gain=gain, bias=False) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = activate(self.down(self.blur(activate(self.conv(x)))))
        if self.reduce is None or self.skip is None:
            return y
        return y + self.skip(self.reduce(x))


# Karras et al. 2018, table 2; with residual connections: Karras et al. 2020, figure 7 (c)
class StyleDiscriminator(nn.Module):
    """Blocks down to the smallest size, deviation over the batch, two layers: (B, C, H, W) -> (B, 1).

    With classes the output is <embed(y), f(x)> / sqrt(dim) (Miyato & Koyama 2018, arXiv 1802.05637).
    """

    def __init__(
        self, shape: Shape, sizes: Sizes, widths: list[int], residual: bool, classes: int | None
    ) -> None:
        super().__init__()
        self.pixels = EqualConv(shape[0], widths[0], 1, gain=HE)
        self.blocks = nn.Sequential(
            *(
                DownBlock(a, b, large, small, residual)
                for (a, b), (large, small) in zip(pairwise(widths), pairwise(sizes), strict=True)
            )
        )
        last = widths[-1]
        self.deviation = MinibatchDeviation()
        self.conv = EqualConv(last + 1, last, 3, gain=HE)
        self.linear = EqualLinear(last * math.prod(sizes[-1]), last, gain=HE)
        self.output = EqualLinear(last, last if classes else 1)
        self.embed = nn.Embedding(classes, last) if classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.blocks(activate(self.pixels(x)))
        x = activate(self.conv(self.deviation(x)))
        x = self.output(activate(self.linear(x.flatten(1))))
        if self.embed is None:
            return x
        return (x * normalise(self.embed(require_labels(y)))).sum(1, keepdim=True) / math.sqrt(x.shape[1])


def style_pair(
    shape: Shape,
    dim: int,
    *,
    variant: int,
    width: int,
    max_width: int,
    mapping_layers: int,
    noise_side: int | None,
    classes: int | None,
) -> tuple[StyleGenerator, StyleDiscriminator]:
    """The generator and the discriminator of the first or the second StyleGAN."""
    sizes = style_sizes(shape)
    widths = style_widths(sizes, width, max_width)
    synthesis = (AdaINSynthesis if variant == 1 else SkipSynthesis)(shape, sizes, widths, dim, noise_side)
    G = StyleGenerator(Mapping(dim, mapping_layers, classes), synthesis)
    return G, StyleDiscriminator(shape, sizes, widths, variant == 2, classes)
