"""Algorithm 1, the schedule and the networks of the paper, each checked by itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from small import blobs
from torch import Tensor, nn
from torch.optim import SGD
from updates import RecordingUpdate

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create
from limner.models.base import Batch
from limner.models.gan import GAN
from limner.models.layers import Maxout, SigmoidGenerator, SigmoidPixels
from limner.training import TrainConfig, Trainer

SHAPE = (1, 16, 16)


def build(shape: tuple[int, int, int] = SHAPE, preset: str | None = None, **options: Any) -> GAN:
    torch.manual_seed(0)
    model = create("gan", shape, preset, **options)
    assert isinstance(model, GAN)
    return model


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("k", [1, 3])
def test_each_discriminator_step_gets_fresh_data_and_noise(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, update, stream = build(critic_steps=k), RecordingUpdate(), Stream(blobs(64, SHAPE), batch=8)
    noise: list[Tensor] = []
    batches: list[Tensor] = []
    original = model.draw_z

    def draw_z(n: int) -> Tensor:
        noise.append(original(n))
        return noise[-1]

    def data() -> Iterator[Batch]:
        for x, y in stream:
            batches.append(x)
            yield x, y

    monkeypatch.setattr(model, "draw_z", draw_z)
    model.step(data(), update)
    assert update.names == ["D"] * k + ["G"]
    assert (len(batches), len(noise)) == (k, k + 1)
    for tensors in (batches, noise):
        assert all(not torch.equal(a, b) for a, b in itertools.combinations(tensors, 2))


def test_the_generators_loss_is_by_the_updated_discriminator() -> None:
    model = build(dropout=0.0)
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    losses: dict[str, Tensor] = {}

    class Recorder(RecordingUpdate):
        def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
            losses[name] = loss.detach()
            trainer.update(name, loss, **terms)

    torch.manual_seed(0)
    model.step(trainer.data, Recorder())
    torch.manual_seed(0)
    z = [model.draw_z(8), model.draw_z(8)][1]
    old = build(dropout=0.0)
    old.load_state_dict(state)
    real = torch.zeros(8, 1)  # of no matter in this game
    new_loss = model.generator_loss(model.D(old.G(z)), real)
    old_loss = model.generator_loss(old.D(old.G(z)), real)
    torch.testing.assert_close(losses["G"], new_loss.detach())
    assert not torch.allclose(losses["G"], old_loss)


def test_no_gradient_reaches_the_other_network() -> None:
    model = build()
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    next(trainer)
    gradients = [p.grad.clone() for p in model.D.parameters() if p.grad is not None]
    fake = model.D(model.G(model.draw_z(8)))
    trainer.update("G", model.generator_loss(fake, torch.zeros_like(fake)))
    for before, p in zip(gradients, model.D.parameters(), strict=True):
        assert p.grad is not None
        assert torch.equal(before, p.grad)


def mean_distance(x: Tensor) -> float:
    """The mean distance of two images of x (n, C, H, W)."""
    return float(torch.pdist(x.flatten(1)).mean())


def test_it_learns_where_the_data_is_and_how_much_they_differ() -> None:
    images = blobs(256, SHAPE)
    model = build(hidden=(64, 64), lr=1e-3)
    trainer = Trainer(model, Stream(images, batch=32), TrainConfig(ema_half_life=500))
    mean = (images.pixels.float() / 127.5 - 1).mean(0)

    def distance() -> float:
        with trainer.inference():
            return (model.sample(256).mean(0) - mean).abs().mean().item()

    before = distance()
    for _ in itertools.islice(trainer, 400):
        pass
    assert distance() < before / 4, "the mean image of the samples approaches the data's"
    with trainer.inference():
        spread = mean_distance(model.sample(256)) / mean_distance(images.pixels / 127.5 - 1)
    assert 0.5 < spread < 2, "a generator of few kinds of images has a spread near 0"


def test_inference_uses_the_average() -> None:
    model = build()
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    for _ in itertools.islice(trainer, 5):
        pass
    weight = linear_layers(model.G)[0].weight
    live = weight.detach().clone()
    with trainer.inference():
        assert not torch.equal(weight, live)
        assert torch.equal(weight, trainer.averages["G.0.weight"])
    assert torch.equal(weight, live)


def test_maxout_is_the_largest_piece() -> None:
    layer, x = Maxout(4, 3, pieces=5), torch.randn(7, 4)
    pieces = layer.linear(x).reshape(7, 3, 5)
    torch.testing.assert_close(layer(x), pieces.max(2).values)


def test_the_paper_preset_is_the_papers() -> None:
    model = build((1, 28, 28), "paper")
    assert [layer.out_features for layer in linear_layers(model.G)] == [1200, 1200, 784]
    assert [m.linear.out_features for m in model.D.modules() if isinstance(m, Maxout)] == [1200, 1200]
    assert [m.p for m in model.D.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5]
    assert max(p.abs().max().item() for p in model.D.parameters()) <= 0.005
    assert max(p.abs().max().item() for p in model.G.parameters()) <= 0.05
    assert model.ema == ()
    assert model.draw_z(1000).abs().max() > 2, "Gaussian noise"
    assert build(noise="uniform").draw_z(1000).abs().max() <= 1


def test_the_papers_generator_starts_from_the_mean_image() -> None:
    model, pixels = build((1, 28, 28), "paper"), blobs(50, (1, 28, 28)).pixels
    model.initialise(pixels)
    assert isinstance(model.G, SigmoidGenerator)
    mean = (pixels.float().mean(0) / 255).flatten()
    torch.testing.assert_close(model.G.output.bias.sigmoid(), mean.clamp(1e-3, 1 - 1e-3))
    default = build()
    state = {key: value.clone() for key, value in default.state_dict().items()}
    default.initialise(pixels)
    assert all(torch.equal(value, state[key]) for key, value in default.state_dict().items())


def test_the_papers_rate_falls_and_its_momentum_rises_by_the_clock() -> None:
    model = build(preset="paper", d_lr=0.2)
    assert all(isinstance(optimizer, SGD) for optimizer in model.optimizers().values())
    assert model.schedule("G", RecordingUpdate(0)) == {"lr": 0.1, "momentum": 0.5}
    assert model.schedule("D", RecordingUpdate(0)) == {"lr": 0.2, "momentum": 0.5}
    later = model.schedule("G", RecordingUpdate(1000))
    assert later["lr"] == pytest.approx(0.1 / 1.000004**1000)
    assert later["momentum"] == pytest.approx(0.5 + 0.2 * 1000 / 125_000)
    assert model.schedule("G", RecordingUpdate(10**7)) == {"lr": 1e-6, "momentum": 0.7}


def test_the_schedule_reaches_the_optimisers_of_a_resumed_training_too() -> None:
    def trainer() -> Trainer:
        return Trainer(build(preset="paper", hidden=(16,)), Stream(blobs(64, SHAPE), batch=8))

    first, second = trainer(), trainer()
    for _ in itertools.islice(first, 3):
        pass
    second.restore(first.state())
    for _ in itertools.islice(second, 2):
        pass
    (group,) = second.optimizers["G"].param_groups
    assert group["lr"] == pytest.approx(0.1 / 1.000004**4, rel=1e-12)
    assert group["momentum"] == pytest.approx(0.5 + 0.2 * 4 / 125_000, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": ()}, "hidden needs at least 1 value"),
        ({"hidden": (8, 0)}, "hidden must be at least 1, not 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, not 1"),
        ({"networks": "maxout"}, "maxout networks need --inputs unit"),
        (
            {"networks": "maxout", "inputs": "unit", "generator_dropout": 0.3},
            "the maxout networks have no generator_dropout: leave it out, or choose networks leaky",
        ),
        ({"optimizer": "adamw"}, "optimizer cannot be 'adamw': did you mean 'adam'"),
    ],
    ids=str,
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        build(**options)


def test_the_discriminator_mirrors_the_generator() -> None:
    model = build((3, 8, 8), hidden=(16, 32), generator_dropout=0.2)
    widths = [
        [(layer.in_features, layer.out_features) for layer in linear_layers(network)]
        for network in (model.G, model.D)
    ]
    assert widths == [[(64, 16), (16, 32), (32, 192)], [(192, 32), (32, 16), (16, 1)]]


@pytest.mark.parametrize(("inputs", "activation"), [("centred", nn.Tanh), ("unit", SigmoidPixels)])
def test_the_generator_ends_in_the_activation_of_its_range(inputs: str, activation: type[nn.Module]) -> None:
    *_, last, unflatten = build(inputs=inputs).G.children()
    assert isinstance(last, activation)
    assert isinstance(unflatten, nn.Unflatten)
