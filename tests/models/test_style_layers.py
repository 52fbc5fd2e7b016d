"""Layers of the StyleGANs: each quick form against its definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.models.style_layers import (
    EPSILON,
    FILTER,
    HE,
    AdaIN,
    AdaINLayer,
    Enlargement,
    EqualConv,
    EqualLinear,
    MinibatchDeviation,
    ModulatedConv,
    Noise,
    Reduction,
    Resampling,
    SameConv,
    UpConv,
    demodulation,
    normalise,
)
from limner.models.style_networks import DownBlock, StyleDiscriminator, style_sizes, style_widths

SIZES = [((4, 4), (8, 8)), ((5, 3), (9, 6)), ((7, 7), (14, 13))]  # small, large: twice, or one less
every_size = pytest.mark.parametrize(("small", "large"), SIZES, ids=str)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(channels: int, size: tuple[int, int], n: int = 3) -> Tensor:
    return torch.randn(n, channels, *size, dtype=torch.double)


def insert_zeros(x: Tensor) -> Tensor:
    """A zero after each pixel of rows and columns."""
    n, channels, height, width = x.shape
    y = x.new_zeros(n, channels, 2 * height, 2 * width)
    y[..., ::2, ::2] = x
    return y


def convolve_with_filter(x: Tensor) -> Tensor:
    """The filter as a convolution of each channel by itself, without padding."""
    fir = torch.tensor(FILTER, dtype=x.dtype)
    kernel = (fir[:, None] * fir).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, groups=x.shape[1])


def crop(x: Tensor, size: tuple[int, int]) -> Tensor:
    return x[..., : size[0], : size[1]]


# Resampling


@every_size
def test_enlargement_inserts_zeros_and_filters(small: tuple[int, int], large: tuple[int, int]) -> None:
    x = images(3, small)
    expected = 4 * convolve_with_filter(F.pad(insert_zeros(x), (2, 1, 2, 1)))
    torch.testing.assert_close(Enlargement(small, large).double()(x), crop(expected, large))


def test_enlargement_is_bilinear_inside() -> None:
    x = images(2, (6, 6))
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    enlarged = Enlargement((6, 6), (12, 12)).double()(x)
    torch.testing.assert_close(enlarged[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])


@every_size
def test_reduction_filters_and_leaves_out_every_other_pixel(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    x = images(3, large)
    expected = convolve_with_filter(F.pad(x, (1, 2, 1, 2)))[..., ::2, ::2]
    torch.testing.assert_close(Reduction(large, small).double()(x), crop(expected, small))


def test_the_filter_is_three_averages_of_two_pixels() -> None:
    x, blur = images(3, (9, 7)), Resampling((9, 7), (8, 6), padding=1).double()
    averaged = F.pad(x, (1, 1, 1, 1))
    for _ in range(3):
        averaged = F.avg_pool2d(averaged, 2, 1)
    torch.testing.assert_close(blur(x), averaged)
    torch.testing.assert_close(blur(x), convolve_with_filter(F.pad(x, (1, 1, 1, 1))))


@every_size
def test_an_up_convolution_inserts_zeros_convolves_and_filters(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    x, weight = images(3, small), torch.randn(5, 3, 3, 3, dtype=torch.double)
    kernel = weight.flip(2, 3)  # a transposed convolution turns its kernel
    plane = F.pad(insert_zeros(x), (4, 4, 4, 4))
    expected = 4 * convolve_with_filter(F.conv2d(plane, kernel))[..., 1:-2, 1:-2]
    torch.testing.assert_close(UpConv(small, large).double()(x, weight), crop(expected, large))


@every_size
def test_an_up_convolution_is_one_polyphase_convolution(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    x, weight = images(3, small), torch.randn(5, 3, 3, 3, dtype=torch.double)
    fir = torch.tensor(FILTER, dtype=torch.double)
    kernel = F.conv2d(weight.flatten(0, 1)[:, None], 4 * (fir[:, None] * fir)[None, None], padding=3)
    phases = kernel.view(5, 3, 3, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).flip(4, 5).reshape(20, 3, 3, 3)
    expected = F.pixel_shuffle(F.conv2d(x, phases, padding=1), 2)
    torch.testing.assert_close(UpConv(small, large).double()(x, weight), crop(expected, large))


@pytest.mark.parametrize("residual", [False, True])
@every_size
def test_a_block_of_the_discriminator_filters_before_it_strides(
    small: tuple[int, int], large: tuple[int, int], residual: bool
) -> None:
    block, x = DownBlock(3, 4, large, small, residual).double(), images(3, large)
    y = convolve_with_filter(F.pad(F.leaky_relu(block.conv(x), 0.2), (2, 3, 2, 3)))
    y = F.conv2d(y, block.down.weight * block.down.scale, block.down.bias, stride=2)
    expected = F.leaky_relu(crop(y, small), 0.2)
    if residual:
        assert block.skip is not None
        expected = expected + block.skip(Reduction(large, small).double()(x))
    torch.testing.assert_close(block(x), expected)


def test_sides_are_halved_and_widths_doubled() -> None:
    assert style_sizes((1, 32, 32)) == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert style_sizes((3, 28, 23)) == [(28, 23), (14, 12), (7, 6)]
    assert style_widths(style_sizes((1, 32, 32)), 16, 128) == [16, 32, 64, 128]
    assert style_widths(style_sizes((1, 32, 32)), 64, 128) == [64, 128, 128, 128]


# Equalised learning rates


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_layers_keep_the_variance_and_their_rate_is_multiplied(rate: float) -> None:
    layer = EqualLinear(512, 256, gain=HE, bias=0.5, rate=rate)
    y = layer(torch.randn(200, 512))
    assert y.std().item() == pytest.approx(HE, rel=0.05)
    assert y.mean().item() == pytest.approx(0.5, abs=0.05)
    before = layer(torch.eye(512)).detach()
    layer(torch.eye(512)).sum().backward()
    torch.optim.Adam(layer.parameters(), 0.1).step()
    moved = before - layer(torch.eye(512)).detach()  # each weight by lr, times the constant c, and the bias
    torch.testing.assert_close(
        moved, torch.full_like(moved, 0.1 * rate * (HE / math.sqrt(512) + 1)), rtol=0.01, atol=1e-6
    )


@pytest.mark.parametrize(("kernel", "stride", "size"), [(1, 1, 9), (3, 1, 9), (3, 2, 4)])
def test_convolutions_keep_the_variance(kernel: int, stride: int, size: int) -> None:
    y = EqualConv(64, 32, kernel, stride=stride, gain=HE)(torch.randn(20, 64, 9, 9))
    assert y.shape == (20, 32, size, size)
    assert y[..., 1:-1, 1:-1].std().item() == pytest.approx(HE, rel=0.1)


def test_normalised_codes_lie_on_a_sphere() -> None:
    z = normalise(torch.randn(5, 8) * 100)
    torch.testing.assert_close(z.square().mean(1), torch.ones(5))


# Modulation


def modulate_explicitly(layer: ModulatedConv, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of each image by equations 1 and 3, (B, O, I, k, k), and its convolution with them."""
    s = layer.style(w)
    weights = layer.weight[None] * layer.scale * s[:, None, :, None, None]
    if layer.demodulate:
        weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    outputs = [layer.convolve(image[None], weight) for image, weight in zip(x, weights, strict=True)]
    return weights, torch.cat(outputs) * (HE if layer.demodulate else 1)


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "same": {"kernel": 3, "convolve": SameConv()},
    "up": {"kernel": 3, "convolve": UpConv((5, 4), (10, 8))},
    "pixels": {"kernel": 1, "convolve": SameConv(), "demodulate": False},
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_scaled_activations_are_modulated_weights(kind: str) -> None:
    layer = ModulatedConv(6, 7, dim=4, **CONVOLUTIONS[kind]).double()
    x, w = images(6, (5, 4)).requires_grad_(), torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    _, expected = modulate_explicitly(layer, x, w)
    torch.testing.assert_close(layer(x, w), expected)
    inputs = [x, w, layer.weight]
    gradients = torch.autograd.grad(layer(x, w).pow(3).sum(), inputs)
    for gradient, one in zip(gradients, torch.autograd.grad(expected.pow(3).sum(), inputs), strict=True):
        torch.testing.assert_close(gradient, one)


def test_demodulated_weights_give_unit_variance() -> None:
    layer = ModulatedConv(64, 32, 3, 16, SameConv())
    w = 3 * torch.randn(4, 16)
    x = torch.randn(4, 64, 40, 40)
    weights, _ = modulate_explicitly(layer, x, w)
    torch.testing.assert_close(weights.square().sum((2, 3, 4)), torch.ones(4, 32))
    inside = layer(x, w)[..., 1:-1, 1:-1] / HE
    assert inside.std((2, 3)).mean().item() == pytest.approx(1, abs=0.02)
    assert (layer.convolve(x, layer.weight) * layer.scale).std() > 0.5, "without it, the scale is free"


def test_demodulation_keeps_full_precision_in_bf16() -> None:
    weight, s = torch.randn(8, 16, 3, 3), torch.randn(4, 16)
    with torch.autocast("cpu", torch.bfloat16):
        factors = demodulation(weight, s)
    assert factors.dtype == torch.float32
    assert torch.equal(factors, demodulation(weight, s))


# AdaIN, noise, deviation


def test_adain_is_instance_norm_with_the_statistics_of_the_style() -> None:
    layer, x, w = AdaIN(5, 4).double(), images(5, (6, 6)), torch.randn(3, 4, dtype=torch.double)
    scale, shift = layer.style(w)[:, :, None, None].chunk(2, 1)
    torch.testing.assert_close(layer(x, w), F.instance_norm(x, eps=EPSILON) * (1 + scale) + shift)
    torch.testing.assert_close(layer(x, w).mean((2, 3)), shift[..., 0, 0])


def test_the_first_layer_of_the_first_variant_has_no_convolution() -> None:
    layer = AdaINLayer(5, 5, 4, None, None)
    assert layer.weight is None
    x, w = torch.randn(2, 5, 4, 4), torch.randn(2, 4)
    torch.testing.assert_close(layer(x, w, "off"), layer.adain(F.leaky_relu(x, 0.2), w))


def test_noise_is_random_or_fixed_or_off() -> None:
    noise, x = Noise((4, 4), 3), torch.zeros(2, 3, 4, 4)
    assert torch.equal(noise(x, "random"), x), "its strength starts at 0"
    nn.init.constant_(noise.strength, 2.0)
    assert torch.equal(noise(x, "off"), x)
    assert torch.equal(noise(x, "fixed"), 2 * noise.fixed.expand(2, 3, 4, 4))
    first, second = noise(x, "random"), noise(x, "random")
    assert not torch.equal(first, second)
    assert torch.equal(first[:, 0], first[:, 2]), "one plane for all channels"
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(("n", "group"), [(8, 4), (6, 3), (10, 2), (7, 7), (1, 1)])
def test_the_deviation_is_that_of_each_group(n: int, group: int) -> None:
    x = images(3, (4, 5), n)
    y = MinibatchDeviation()(x)
    assert torch.equal(y[:, :3], x)
    for i in range(n):
        others = x[i % (n // group) :: n // group]
        assert len(others) == group
        deviation = (others.var(0, correction=0) + EPSILON).sqrt().mean()
        torch.testing.assert_close(y[i, 3], deviation.expand(4, 5))


def test_the_discriminator_sees_a_batch_of_equal_images() -> None:
    shape = (1, 16, 16)
    sizes = style_sizes(shape)
    D = StyleDiscriminator(shape, sizes, style_widths(sizes, 8, 16), residual=True, classes=None)
    equal = torch.randn(1, *shape).expand(4, *shape)
    varied = torch.cat([equal[:1], torch.randn(3, *shape)])
    assert D(equal)[0].item() != pytest.approx(D(varied)[0].item(), abs=1e-4)
    torch.testing.assert_close(D(equal)[0], D(equal[:1])[0])
