"""The lecture's five guidelines, one by one on the layers themselves, and the paper's own settings."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from small import blobs
from torch import Tensor, nn
from torch.optim import Adam
from updates import RecordingUpdate

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create, model_options
from limner.models.adversarial import Adversarial
from limner.models.dcgan import DCGAN
from limner.models.layers import SigmoidPixels

SHAPES = [(1, 28, 28), (1, 16, 16), (3, 32, 32), (3, 64, 64), (3, 128, 128), (1, 17, 23)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_kernel = pytest.mark.parametrize("kernel", [4, 5])
STRUCTURE = (nn.Sequential, nn.Flatten, nn.Unflatten)


def build(shape: tuple[int, int, int] = (1, 16, 16), preset: str | None = "lecture", **options: Any) -> Any:
    """A DCGAN by the lecture's guidelines, narrow unless the paper's."""
    torch.manual_seed(0)
    return create("dcgan", shape, preset, **({} if preset == "paper" else {"width": 8}) | options)


def layers(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    """The network's layers in order, without containers and reshaping."""
    every = [m for m in network.modules() if not isinstance(m, STRUCTURE)]
    return [m for m in every if isinstance(m, kinds)] if kinds else every


@every_shape
def test_batch_norm_is_everywhere_but_at_the_two_ends(shape: tuple[int, int, int]) -> None:
    model = build(shape)
    G, D = layers(model.G), layers(model.D)
    for after, network in ((nn.ConvTranspose2d, G), (nn.Conv2d, D)):
        normalised = [
            isinstance(follower, nn.BatchNorm2d)
            for layer, follower in pairwise(network)
            if isinstance(layer, after)
        ]
        bare = len(normalised) - 1 if network is G else 0  # G's last, D's first
        assert normalised == [i != bare for i in range(len(normalised))]
    for network in (G, D):
        for layer, follower in pairwise(network):
            if isinstance(follower, nn.BatchNorm2d):
                assert layer.bias is None, "batch norm takes the bias away again"


@every_shape
@every_kernel
def test_sizes_change_by_strided_and_transposed_convolutions_alone(
    shape: tuple[int, int, int], kernel: int
) -> None:
    model = build(shape, kernel=kernel)
    known = {nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Linear, nn.Tanh}
    assert {type(layer) for layer in layers(model)} - {type(model)} <= known, "no pooling, no upsampling"
    down, up = layers(model.D, nn.Conv2d), layers(model.G, nn.ConvTranspose2d)
    assert layers(model.D, nn.ConvTranspose2d) == layers(model.G, nn.Conv2d) == []
    assert {layer.stride for layer in down} == {layer.stride for layer in up[1:]} == {(2, 2)}
    assert {layer.kernel_size for layer in down} == {layer.kernel_size for layer in up[1:]} == {(kernel,) * 2}
    assert len(up) == len(down) + 1, "one from the noise, then one for each of D's"
    sides: list[Tensor] = []
    for layer in down:
        layer.register_forward_hook(lambda layer, x, y: sides.append(torch.tensor(y.shape[2:])))
    generated: list[Tensor] = []
    for layer in up:
        layer.register_forward_hook(lambda layer, x, y: generated.append(torch.tensor(y.shape[2:])))
    images = model.sample(2)
    assert images.shape == (2, *shape)
    assert model.discriminate(images).shape == (2, 1)
    expected = [torch.tensor(shape[1:]), *sides]
    assert all(torch.equal(a, b) for a, b in zip(generated, reversed(expected), strict=True)), "G mirrors D"
    assert min(sides[-1]) >= 3
    assert min(sides[-1]) < 6, "halved as often as can be"


@every_shape
def test_nothing_is_fully_connected_but_the_discriminators_last_layer(shape: tuple[int, int, int]) -> None:
    model = build(shape)
    assert layers(model.G, nn.Linear) == []
    assert layers(model.D, nn.Linear) == [layers(model.D)[-1]]
    assert layers(model.D)[-1].out_features == 1


@every_shape
def test_leaky_relu_is_everywhere_but_at_the_outputs(shape: tuple[int, int, int]) -> None:
    model = build(shape)
    G, D = layers(model.G), layers(model.D)
    assert isinstance(G[-1], nn.Tanh)
    assert isinstance(D[-1], nn.Linear), "D ends in the logit, its logistic function is in the loss"
    for network, kind in ((G, nn.ConvTranspose2d), (D, nn.Conv2d)):
        active = [layer for layer in network[:-1] if not isinstance(layer, (kind, nn.BatchNorm2d))]
        assert {type(layer) for layer in active} == {nn.LeakyReLU}
        assert {layer.negative_slope for layer in active} == {0.2}
        hidden = len(layers(nn.ModuleList(network), kind)) - (network is G)
        assert len(active) == hidden, "one after every convolution but G's last"


def test_adam_has_the_papers_rate_and_momentum() -> None:
    for optimizer in build().optimizers().values():
        assert isinstance(optimizer, Adam)
        assert optimizer.param_groups[0]["lr"] == 2e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("options", [{}, {"inputs": "unit"}, {"activation": "relu", "kernel": 5}])
def test_weights_come_from_the_papers_normal(options: dict[str, Any]) -> None:
    model = build((3, 64, 64), width=32, **options)
    for layer in layers(model, nn.Conv2d, nn.ConvTranspose2d, nn.Linear):
        n = layer.weight.numel()
        assert layer.weight.mean().abs() < 5 * 0.02 / n**0.5
        assert layer.weight.std().item() == pytest.approx(0.02, rel=4 / n**0.5)
        assert layer.bias is None or not layer.bias.any()
    for layer in layers(model, nn.BatchNorm2d):
        assert layer.weight.mean().item() == pytest.approx(1, abs=0.015)
        assert 0.01 < layer.weight.std() < 0.03
        assert not layer.bias.any()


def test_the_paper_preset_is_the_papers() -> None:
    assert DCGAN.presets["paper"]["batch"] == 128
    model = build((3, 64, 64), "paper")
    up = layers(model.G, nn.ConvTranspose2d)
    assert [layer.out_channels for layer in up] == [1024, 512, 256, 128, 3], "figure 1"
    assert (up[0].in_channels, up[0].kernel_size) == (100, (4, 4))
    assert {layer.kernel_size for layer in up[1:]} == {(5, 5)}
    assert layers(model.G, nn.LeakyReLU) == []
    assert len(layers(model.G, nn.ReLU)) == 4
    assert {layer.negative_slope for layer in layers(model.D, nn.LeakyReLU)} == {0.2}
    z = model.draw_z(200)
    assert -1 <= z.min() < -0.95 < 0.95 < z.max() <= 1
    assert model.ema == ()
    for optimizer in model.optimizers().values():
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))


def test_the_default_is_the_lecture_preset_at_half_the_width_with_pixels_in_0_to_1() -> None:
    default, lecture = (model_options(DCGAN, preset, {}).model_dump() for preset in (None, "lecture"))
    assert {name for name in default if default[name] != lecture[name]} == {"width", "batch_norm", "inputs"}
    assert (default["inputs"], lecture["inputs"]) == ("unit", "centred")
    assert default["width"] == lecture["width"] / 2
    for network in (build(preset=None).G, build(preset=None).D):
        assert layers(network, nn.BatchNorm2d), "auto is batch norm in both"
    assert set(DCGAN.presets) == {"lecture", "paper"}


def test_real_and_generated_batches_are_normalised_apart() -> None:
    model = build()
    norm = layers(model.D, nn.BatchNorm2d)[0]
    inputs: list[Tensor] = []
    norm.register_forward_pre_hook(lambda layer, x: inputs.append(x[0].detach()))
    stream = Stream(blobs(16, model.shape), batch=8)
    model.train().step(stream, RecordingUpdate())
    assert [len(x) for x in inputs] == [8, 8, 8], "real, generated, and generated for G"
    stream.images_seen = 0
    model.discriminate(next(stream)[0])
    torch.testing.assert_close(inputs[0], inputs[3], msg="the first batch is of real images only")


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, (True, True)),
        ({"spectral_norm": True}, (True, False)),
        ({"penalty": "r1"}, (True, False)),
        ({"penalty": "gp"}, (True, False)),
        ({"loss": "wasserstein"}, (True, False)),
        ({"loss": "relativistic"}, (True, False)),
        ({"loss": "wasserstein", "penalty": "none"}, (True, True)),
        ({"batch_norm": "both", "penalty": "r1"}, (True, True)),
        ({"batch_norm": "generator"}, (True, False)),
        ({"batch_norm": "nothing"}, (False, False)),
    ],
    ids=str,
)
def test_batch_norm_stays_out_of_a_discriminator_with_another_norm(
    options: dict[str, Any], where: tuple[bool, bool]
) -> None:
    model = build(preset=None, **options)
    assert tuple(bool(layers(network, nn.BatchNorm2d)) for network in (model.G, model.D)) == where
    for network, normalised in zip((model.G, model.D), where, strict=True):
        if not normalised:
            convolutions = layers(network, nn.Conv2d, nn.ConvTranspose2d)
            assert all(layer.bias is not None for layer in convolutions)


def test_width_is_doubled_where_sides_are_halved() -> None:
    model = build((3, 64, 64), width=4)
    assert [layer.out_channels for layer in layers(model.D, nn.Conv2d)] == [4, 8, 16, 32]
    assert [layer.out_channels for layer in layers(model.G, nn.ConvTranspose2d)] == [32, 16, 8, 4, 3]


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"width": 0}, (1, 16, 16), "width must be at least 1, not 0"),
        ({}, (1, 7, 16), "need images of 8x8 or more, not 7x16"),
        ({"kernel": 3}, (1, 16, 16), "kernel cannot be '3'"),
        ({"activation": "tanh"}, (1, 16, 16), "activation cannot be 'tanh'"),
        ({"batch_norm": "none"}, (1, 16, 16), "batch_norm cannot be 'none'"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        build(shape, **options)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 9, 31)], ids=str)
@every_kernel
def test_the_least_and_the_odd_sizes_train(shape: tuple[int, int, int], kernel: int) -> None:
    model = build(shape, kernel=kernel)
    assert isinstance(model, Adversarial)
    update = RecordingUpdate()
    model.train().step(Stream(blobs(8, shape), batch=4), update)
    assert all(loss.isfinite() for loss in update.losses.values())
    assert update.names == ["D", "G"]


def test_unit_inputs_replace_the_tanh() -> None:
    assert isinstance(layers(build(inputs="unit").G)[-1], SigmoidPixels)
