"""Algorithm 1 and the paper's networks, checked on the algorithm's own terms."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from small import blobs
from torch import nn

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create
from limner.models.adversarial import Pixels
from limner.models.gan import FallingSGD, Maxout
from limner.training import Trainer

SHAPE = (1, 16, 16)


@pytest.mark.parametrize("k", [1, 3])
def test_each_discriminator_step_sees_fresh_data_and_noise(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, drawn, seen, order = create("gan", SHAPE, critic_steps=k), [], [], []
    z = model.z
    monkeypatch.setattr(model, "z", lambda n: drawn.append(z(n)) or drawn[-1])
    stream = Stream(blobs(64, SHAPE), batch=8)

    class Watched:
        def __next__(self) -> tuple[torch.Tensor, torch.Tensor | None]:
            seen.append(next(stream))
            return seen[-1]

    model.step(Watched(), lambda name, loss: order.append(name))
    assert order == ["D"] * k + ["G"]
    assert (len(seen), len(drawn)) == (k, k + 1)
    for some in ([x for x, _ in seen], drawn):
        assert all(not torch.equal(a, b) for a, b in itertools.combinations(some, 2))


def test_the_generator_is_scored_by_the_updated_discriminator() -> None:
    model = create("gan", SHAPE, dropout=0.0)
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    losses: dict[str, torch.Tensor] = {}
    state = {key: value.clone() for key, value in model.state_dict().items()}

    def watch(name: str, loss: torch.Tensor) -> None:
        losses[name] = loss.detach()
        trainer.update(name, loss)

    torch.manual_seed(0)
    model.step(trainer.data, watch)
    torch.manual_seed(0)
    z = [model.z(8), model.z(8)][1]
    old = create("gan", SHAPE, dropout=0.0)
    old.load_state_dict(state)
    new_d = model.generator_loss(model.D(old.G(z)))
    old_d = model.generator_loss(old.D(old.G(z)))
    torch.testing.assert_close(losses["G"], new_d.detach())
    assert not torch.allclose(losses["G"], old_d)


def test_no_gradient_reaches_the_other_player() -> None:
    model = create("gan", SHAPE)
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    next(trainer)
    d_gradients = [p.grad.clone() for p in model.D.parameters()]
    trainer.update("G", model.generator_loss(model.D(model.G(model.z(8)))))
    for before, p in zip(d_gradients, model.D.parameters(), strict=True):
        assert torch.equal(before, p.grad)


def test_it_learns_where_the_data_is() -> None:
    torch.manual_seed(0)
    images = blobs(256, SHAPE)
    model = create("gan", SHAPE, hidden=(64, 64), lr=1e-3)
    trainer = Trainer(model, Stream(images, batch=32), ema_half_life=500)
    real = images.pixels.float() / 127.5 - 1
    with trainer.inference() as shown:
        far = (shown.sample(256).mean(0) - real.mean(0)).abs().mean()
    for _ in itertools.islice(trainer, 400):
        pass
    with trainer.inference() as shown:
        near = (shown.sample(256).mean(0) - real.mean(0)).abs().mean()
    assert near < far / 4, "the mean image of the samples approaches the data's"


def test_inference_uses_the_average() -> None:
    model = create("gan", SHAPE)
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=8))
    for _ in itertools.islice(trainer, 5):
        pass
    live = model.G[0].weight.detach().clone()
    with trainer.inference() as shown:
        assert not torch.equal(shown.G[0].weight, live)
        assert torch.equal(shown.G[0].weight, trainer.averages["G.0.weight"])
    assert torch.equal(model.G[0].weight, live)


def test_maxout_is_the_largest_piece() -> None:
    layer, x = Maxout(4, 3, pieces=5), torch.randn(7, 4)
    pieces = layer.linear(x).reshape(7, 3, 5)
    torch.testing.assert_close(layer(x), pieces.max(2).values)


def test_the_paper_preset_is_the_papers() -> None:
    model = create(
        "gan",
        (1, 28, 28),
        **{k: v for k, v in type(create("gan", SHAPE)).presets["paper"].items() if k != "batch"},
    )
    assert [layer.out_features for layer in model.G.modules() if isinstance(layer, nn.Linear)] == [
        1200,
        1200,
        784,
    ]
    assert [m.linear.out_features for m in model.D.modules() if isinstance(m, Maxout)] == [1200, 1200]
    assert [m.p for m in model.D.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5]
    assert max(p.abs().max().item() for p in model.D.parameters()) <= 0.005
    assert max(p.abs().max().item() for p in model.G.parameters()) <= 0.05
    assert model.ema == ()
    assert model.z(1000).abs().max() > 2, "Gaussian noise"
    assert create("gan", SHAPE, noise="uniform").z(1000).abs().max() <= 1
    pixels = blobs(50, (1, 28, 28)).pixels
    model.prepare(pixels, fresh=True)
    torch.testing.assert_close(
        model.G.output.bias.sigmoid(), (pixels.float().mean(0) / 255).flatten().clamp(1e-3, 1 - 1e-3)
    )


def test_falling_sgd_follows_its_schedule_and_its_state_keeps_it() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = FallingSGD([weight], 0.1)
    for _ in range(1000):
        weight.grad = torch.zeros(1)
        optimizer.step()
    (group,) = optimizer.param_groups
    assert group["lr"] == pytest.approx(0.1 / 1.000004**1000)
    assert group["momentum"] == pytest.approx(0.5 + 0.2 * 1000 / 125_000)
    other = FallingSGD([nn.Parameter(torch.ones(1))], 0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == group["lr"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hidden": ()}, "hidden needs widths of at least 1"),
        ({"hidden": (8, 0)}, "hidden needs widths of at least 1"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, not 1.0"),
        ({"networks": "maxout"}, "maxout networks see inputs unit"),
        (
            {"networks": "maxout", "inputs": "unit", "generator_dropout": 0.3},
            "the maxout networks have no generator_dropout: leave it out, or choose networks leaky",
        ),
        ({"optimizer": "adamw"}, "optimizer cannot be 'adamw': did you mean 'adam'"),
    ],
    ids=str,
)
def test_mistakes_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LimnerError, match=told):
        create("gan", SHAPE, **options)


def test_the_discriminator_mirrors_the_generator() -> None:
    model = create("gan", (3, 8, 8), hidden=(16, 32), generator_dropout=0.2)
    widths = [
        [
            (layer.in_features, layer.out_features)
            for layer in network.modules()
            if isinstance(layer, nn.Linear)
        ]
        for network in (model.G, model.D)
    ]
    assert widths == [[(64, 16), (16, 32), (32, 192)], [(192, 32), (32, 16), (16, 1)]]
    assert isinstance(model.G[-2], nn.Tanh)
    assert isinstance(create("gan", SHAPE, inputs="unit").G[-2], Pixels)
