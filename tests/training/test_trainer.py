"""The trainer: the clock, the isolation of gradients, the averages, and what is not a number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from small import blobs
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from limner.data.stream import Stream
from limner.models import MODELS, create
from limner.models.base import Batch, Logs, Model, Update
from limner.training import Trainer
from limner.training.trainer import NotFinite

SHAPE = (1, 16, 16)


class Line(Model):
    """One weight on its way down a slope: w <- w - 0.1 a step."""

    ema = ("net",)

    def __init__(self, shape: tuple[int, int, int] = SHAPE) -> None:
        super().__init__(shape)
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.net.weight)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": SGD(self.parameters(), 0.1)}

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        return self.net.weight.sum(), {}


def stream(batch: int = 4, n: int = 10, seed: int = 0) -> Stream:
    return Stream(blobs(n, SHAPE), batch, seed)


def test_every_image_comes_once_an_epoch_in_a_new_order() -> None:
    numbered = blobs(10, SHAPE)
    numbered.pixels[:] = torch.arange(10, dtype=torch.uint8)[:, None, None, None]
    data = Stream(numbered, batch=4)
    ids = torch.cat([((next(data)[0][:, 0, 0, 0] + 1) * 127.5).round().int() for _ in range(5)]).tolist()
    assert sorted(ids[:10]) == sorted(ids[10:]) == list(range(10))
    assert ids[:10] != ids[10:]
    assert data.images_seen == 20


def test_a_stream_goes_on_from_a_number_alone() -> None:
    one, other = stream(batch=7), stream(batch=7)
    for _ in range(5):
        next(one)
    other.images_seen = one.images_seen
    for _ in range(5):
        (x, y), (x_, y_) = next(one), next(other)
        assert torch.equal(x, x_)
        assert torch.equal(y, y_)


def test_a_batch_may_be_larger_than_the_data() -> None:
    x, y = next(stream(batch=25, n=10))
    assert x.shape == (25, *SHAPE)
    assert y is not None
    assert -1 <= x.min() < x.max() <= 1


def test_another_seed_is_another_order() -> None:
    assert not torch.equal(next(stream(seed=0))[1], next(stream(seed=1))[1])


def test_the_average_has_its_half_life_in_images() -> None:
    trainer = Trainer(Line(), stream(batch=4), ema_half_life=8)
    for _ in itertools.islice(trainer, 3):
        pass
    share = 1 - 0.5 ** (4 / 8)
    average = 0.0
    for step in (1, 2, 3):
        average += share * (-0.1 * step - average)
    assert trainer.averages["net.weight"].item() == pytest.approx(average)
    assert trainer.images_seen == 12


def test_clip_bounds_the_gradient() -> None:
    trainer = Trainer(Line(), stream(), clip=0.5)
    next(trainer)
    assert trainer.model.net.weight.item() == pytest.approx(-0.05, rel=1e-4)


def test_a_tick_gives_the_means_since_the_last_one() -> None:
    trainer = Trainer(Line(), stream())
    for _ in itertools.islice(trainer, 3):
        pass
    assert trainer.tick()["loss/main"] == pytest.approx(-0.1)
    assert trainer.tick() == {}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named_with_its_step(bad: float) -> None:
    class Bad(Line):
        steps = 0

        def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
            self.steps += 1
            return self.net.weight.sum() * (bad if self.steps == 3 else 1.0) + (
                bad if self.steps == 3 else 0
            ), {}

    trainer = Trainer(Bad(), stream())
    for _ in itertools.islice(trainer, 5):
        pass
    with pytest.raises(
        NotFinite, match=r"loss/main became (nan|inf) at step 3; try a lower --lr or --clip 1"
    ):
        trainer.tick()


def test_the_earliest_of_several_bad_losses_is_named() -> None:
    trainer = Trainer(create("gan", SHAPE, critic_steps=3), stream(batch=4))
    for _ in itertools.islice(trainer, 5):
        pass
    with torch.no_grad():
        next(trainer.model.G.parameters()).fill_(torch.nan)
    for _ in itertools.islice(trainer, 2):
        pass
    with pytest.raises(NotFinite, match="loss/D became nan at step 6"):
        trainer.tick()


def test_in_bf16_too_code_after_an_update_sees_the_new_weights() -> None:
    seen: list[Tensor] = []

    class Twice(Line):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(256, 1, bias=False)  # a layer that autocast casts

        def step(self, data: Iterator[Batch], update: Update) -> Logs:
            x, _ = next(data)
            for _ in range(2):
                out = self.net(x.flatten(1))
                seen.append(out.detach())
                update("main", out.mean())
            return {}

    next(Trainer(Twice(), stream(), precision="bf16"))
    assert seen[0].dtype == torch.bfloat16
    assert not torch.equal(*seen)


def test_weights_that_are_not_finite_are_caught_at_the_same_tick() -> None:
    trainer = Trainer(Line(), stream())
    next(trainer)
    with torch.no_grad():
        trainer.model.net.weight.fill_(torch.inf)
    with pytest.raises(NotFinite, match="the weights became infinite"):
        trainer.tick()


@pytest.mark.parametrize("name", MODELS)
def test_inference_leaves_training_as_it_was(name: str) -> None:
    def trained(look: bool) -> dict[str, Tensor]:
        torch.manual_seed(0)
        trainer = Trainer(create(name, SHAPE), stream(batch=8, n=32))
        for _ in itertools.islice(trainer, 4):
            if look:
                with trainer.inference() as model:
                    assert not model.training
                    model.preview(torch.zeros(3, *SHAPE), 3)
        return trainer.model.state_dict()

    one, other = trained(look=False), trained(look=True)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", MODELS)
def test_a_restored_trainer_goes_on_bit_for_bit(name: str) -> None:
    def new() -> Trainer:
        torch.manual_seed(3)
        return Trainer(create(name, SHAPE), stream(batch=8, n=30))

    straight = new()
    for _ in itertools.islice(straight, 6):
        pass
    first = new()
    for _ in itertools.islice(first, 3):
        pass
    torch.save(first.state(), "state.pt")
    torch.manual_seed(99)
    second = Trainer(create(name, SHAPE), stream(batch=8, n=30))
    second.restore(torch.load("state.pt", weights_only=True))
    for _ in itertools.islice(second, 3):
        pass
    for key, value in straight.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    for key, value in straight.averages.items():
        assert torch.equal(value, second.averages[key]), key


@pytest.mark.parametrize("name", MODELS)
def test_bf16_trains_too(name: str) -> None:
    torch.manual_seed(0)
    trainer = Trainer(create(name, SHAPE), stream(batch=8, n=32), precision="bf16")
    for _ in itertools.islice(trainer, 3):
        pass
    assert trainer.tick()
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
