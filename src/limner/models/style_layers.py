"""Layers of the StyleGANs: equalised learning rates, resampling with a filter, styles, noise.

Karras et al. 2018 (arXiv 1710.10196), 2019 (arXiv 1812.04948) and 2020 (arXiv 1912.04958).  Each form here is
the quickest on a CPU of several that are equal: the filter is two matrix products, and styles scale
activations, because both keep their second derivatives as cheap as their first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.losses import full_precision
from limner.models.abilities import NoiseMode

Size = tuple[int, int]  # height, width
HE = math.sqrt(2)  # gain before a leaky ReLU, which halves the variance
FILTER = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
EPSILON = 1e-8


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2."""
    return F.leaky_relu(x, 0.2)


# Karras et al. 2018, section 4.2:  x / sqrt(mean_j x_j^2 + epsilon)
def normalise(z: Tensor) -> Tensor:
    """Each code divided by its root mean square: (B, dim) -> (B, dim)."""
    return z * (z.square().mean(1, keepdim=True) + EPSILON).rsqrt()


# Karras et al. 2018, section 4.1:  w = c w', w' ~ N(0, 1), c = gain / sqrt(inputs)
class EqualLinear(nn.Module):
    """A linear layer whose weights are scaled as it runs, so that Adam moves all layers at one relative rate.

    rate: a multiplier of the learning rate; the weights are stored divided by it.
    """

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, bias: float = 0.0, rate: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = gain * rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """The same as a convolution without padding at its strides, else with as much as keeps the size."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        gain: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.stride = gain / math.sqrt(inputs * kernel**2), stride
        self.padding = kernel // 2 if stride == 1 else 0

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


# Karras et al. 2020, appendix B: bilinear filtering, [1, 3, 3, 1] along rows and columns
class Resampling(nn.Module):
    """Insert zeros, filter, leave out pixels, along rows and columns, as a matrix for each.

    y_i = up sum_j FILTER[up j - down i + padding] x_j,  of as many i as the new size has
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, before: Size, after: Size, *, up: int = 1, down: int = 1, padding: int = 1) -> None:
        super().__init__()
        for name, inputs, outputs in zip(("rows", "columns"), before, after, strict=True):
            places = [[up * j - down * i + padding for j in range(inputs)] for i in range(outputs)]
            weights = [[up * FILTER[k] if 0 <= k < len(FILTER) else 0.0 for k in row] for row in places]
            self.register_buffer(name, torch.tensor(weights), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(n, height, width * channels)  # channels last: no copy
        x = torch.matmul(self.rows.to(x.dtype), x).reshape(-1, width, channels)
        x = torch.matmul(self.columns.to(x.dtype), x)
        return x.reshape(n, len(self.rows), len(self.columns), channels).permute(0, 3, 1, 2)


class Enlargement(Resampling):
    """An image of about twice the size."""

    def __init__(self, before: Size, after: Size) -> None:
        super().__init__(before, after, up=2, padding=2)


class Reduction(Resampling):
    """An image of half the size, rounded up."""

    def __init__(self, before: Size, after: Size) -> None:
        super().__init__(before, after, down=2, padding=1)


class UpConv(nn.Module):
    """Zeros between pixels, a 3x3 convolution with the weight (O, I, 3, 3), the filter: to twice the size.

    The first two are one transposed convolution.
    """

    def __init__(self, before: Size, after: Size) -> None:
        super().__init__()
        height, width = before
        self.blur = Resampling((2 * height + 1, 2 * width + 1), after, padding=1)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        # the filter has the gain 1 here; zeros between the pixels take 3 of 4 away
        return self.blur(F.conv_transpose2d(x, 4 * weight.transpose(0, 1), stride=2))


class SameConv(nn.Module):
    """A convolution with the weight (O, I, k, k) at the same size."""

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2)


class Noise(nn.Module):
    """x + B(n): noise of one plane, times a learned strength of each channel, or of all (channels 1)."""

    fixed: Tensor

    def __init__(self, size: Size, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("fixed", torch.randn(1, *size))

    def forward(self, x: Tensor, mode: NoiseMode) -> Tensor:
        if mode == "off":
            return x
        noise = self.fixed if mode == "fixed" else torch.randn_like(x[:, :1])
        return x + self.strength * noise


# Karras et al. 2020, eq. 1 and 3:  w'_ijk = s_i w_ijk,  w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + epsilon)
def demodulation(weight: Tensor, s: Tensor) -> Tensor:
    """The factor of each output channel: weights (O, I, k, k), styles (B, I) -> (B, O).

    sum_ik (s_i w_ijk)^2 = sum_i s_i^2 sum_k w_ijk^2, so that no image's own weights have to be formed.
    """
    with full_precision(s.device):
        return (s.to(weight.dtype).square() @ weight.square().sum((2, 3)).T + EPSILON).rsqrt()


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by a style: the inputs are, instead, and so are the outputs."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        dim: int,
        convolve: nn.Module,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.style = EqualLinear(dim, inputs, bias=1.0)
        self.convolve, self.demodulate = convolve, demodulate
        self.scale = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s, weight = self.style(w), self.weight * self.scale
        x = self.convolve(x * s[:, :, None, None], weight)
        if not self.demodulate:
            return x
        return x * (HE * demodulation(weight, s)).to(x.dtype)[:, :, None, None]


class ModulatedLayer(nn.Module):
    """A layer of the second StyleGAN: modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, dim: int, convolve: nn.Module, noise: Noise | None) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, dim, convolve)
        self.noise = noise
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x: Tensor, w: Tensor, mode: NoiseMode) -> Tensor:
        x = self.conv(x, w)
        if self.noise is not None:
            x = self.noise(x, mode)
        return activate(x + self.bias)


# Karras et al. 2019, eq. 1:  AdaIN(x_i, y) = y_(s, i) (x_i - mu(x_i)) / sigma(x_i) + y_(b, i)
class AdaIN(nn.Module):
    """Adaptive instance normalisation: the style w sets the mean and the deviation of each channel."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.style = EqualLinear(dim, 2 * channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.style(w)[:, :, None, None].chunk(2, 1)
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        return (x - mean) * (variance + EPSILON).rsqrt() * (1 + scale) + shift


class AdaINLayer(nn.Module):
    """A layer of the first StyleGAN: convolution (not over the constant), noise, bias, leaky ReLU, AdaIN."""

    def __init__(
        self, inputs: int, outputs: int, dim: int, convolve: nn.Module | None, noise: Noise | None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3)) if convolve is not None else None
        self.convolve, self.scale = convolve, HE / math.sqrt(inputs * 9)
        self.noise = noise
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.adain = AdaIN(outputs, dim)

    def forward(self, x: Tensor, w: Tensor, mode: NoiseMode) -> Tensor:
        if self.convolve is not None and self.weight is not None:
            x = self.convolve(x, self.weight * self.scale)
        if self.noise is not None:
            x = self.noise(x, mode)
        return self.adain(activate(x + self.bias), w)


# Karras et al. 2018, section 3
class MinibatchDeviation(nn.Module):
    """One more channel: how much the images of a group differ, averaged over places and channels.

    Groups have 4 images, or 3 or 2 where the batch is no multiple; else the batch is one group.
    """

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        group = next((size for size in (4, 3, 2) if n % size == 0), n)
        values = x.unflatten(0, (group, -1))  # images of a group stand n / group apart
        variance = (values - values.mean(0)).square().mean(0)  # quicker than var
        deviation = (variance + EPSILON).sqrt().mean((1, 2, 3))  # (n / group,)
        plane = deviation.repeat(group)[:, None, None, None].expand(n, 1, height, width)
        return torch.cat([x, plane], 1)


def mix_styles(w: Tensor, other: Tensor, layers: Tensor) -> Tensor:
    """The styles w (B, L, dim), and `other` at the layers (L,) or (B, L) that are true."""
    return torch.where(layers[..., None], other, w)


def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """|J_w^T y| for images y of noise, over the layers as a root mean square: w (B, L, dim) -> (B,)."""
    images = synthesis(w)
    y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()
