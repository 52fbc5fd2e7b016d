"""The trainer: the clock, schedules, the isolation of gradients, averages, and losses that are no numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from small import DOMAIN_MODELS, blobs, small, small_examples
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from limner.data.stream import Stream
from limner.models import MODELS, create
from limner.models.base import Batch, Clock, Logs, Model, Update
from limner.training import NotFinite, TrainConfig, Trainer
from limner.training.trainer import half_life

SHAPE = (1, 16, 16)


class Line(Model):
    """One weight on its way down a slope: w <- w - 0.1 a step."""

    ema = ("net",)

    def __init__(self, shape: tuple[int, int, int] = SHAPE) -> None:
        super().__init__(shape, self.Options())
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.net.weight)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": SGD(self.parameters(), 0.1)}

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        return self.net.weight.sum(), {}


def stream(batch: int = 4, n: int = 10, seed: int = 0) -> Stream:
    return Stream(blobs(n, SHAPE), batch, seed)


def test_the_average_has_its_half_life_in_images() -> None:
    trainer = Trainer(Line(), stream(batch=4), TrainConfig(ema_half_life=8))
    for _ in itertools.islice(trainer, 3):
        pass
    share = 1 - 0.5 ** (4 / 8)
    average = 0.0
    for step in (1, 2, 3):
        average += share * (-0.1 * step - average)
    assert trainer.averages["net.weight"].item() == pytest.approx(average)
    assert trainer.images_seen == 12


def test_a_long_half_life_grows_with_the_run() -> None:
    assert [half_life(30_000, seen) for seen in (64, 200_000, 400_000, 600_000, 10**7)] == [
        10_000, 10_000, 20_000, 30_000, 30_000
    ]  # fmt: skip
    assert {half_life(1000, seen) for seen in (64, 10**7)} == {1000}


def test_clip_bounds_the_gradient() -> None:
    trainer = Trainer(Line(), stream(), TrainConfig(clip=0.5))
    next(trainer)
    assert trainer.model.net.weight.item() == pytest.approx(-0.05, rel=1e-4)


def test_a_tick_gives_the_means_since_the_last_one() -> None:
    trainer = Trainer(Line(), stream())
    for _ in itertools.islice(trainer, 3):
        pass
    assert trainer.tick()["loss/main"] == pytest.approx(-0.1)
    assert trainer.tick() == {}


def test_terms_are_part_of_the_objective_and_logged_apart() -> None:
    class Lazy(Line):
        def step(self, data: Iterator[Batch], update: Update) -> Logs:
            next(data)
            weight = self.net.weight.sum()
            terms = {"penalty": 8 * weight} if update.iteration % 4 == 0 else {}
            update("main", weight, **terms)
            return {}

    trainer = Trainer(Lazy(), stream())
    for _ in itertools.islice(trainer, 8):
        pass
    # one step of 4 has a slope of 9, the others of 1
    assert trainer.model.net.weight.item() == pytest.approx(-0.1 * (2 * 9 + 6 * 1), rel=1e-5)
    means = trainer.tick()
    weights = [0, -0.9, -1.0, -1.1, -1.2, -2.1, -2.2, -2.3]
    assert means["loss/main"] == pytest.approx(sum(weights) / 8, rel=1e-4), "the loss without the penalty"
    assert means["penalty/main"] == pytest.approx(8 * (0 - 1.2) / 8, rel=1e-4), "averaged over all updates"


def test_schedules_are_functions_of_the_clock() -> None:
    clocks: list[tuple[int, int, float]] = []

    class Scheduled(Line):
        def schedule(self, name: str, clock: Clock) -> dict[str, float]:
            clocks.append((clock.iteration, clock.images_seen, clock.progress))
            return {"lr": 0.1 / (1 + clock.iteration), "momentum": 0.5}

    trainer = Trainer(Scheduled(), stream(batch=4), TrainConfig(images=16))
    for iteration in range(3):
        next(trainer)
        (group,) = trainer.optimizers["main"].param_groups
        assert group["lr"] == pytest.approx(0.1 / (1 + iteration))
        assert group["momentum"] == 0.5
    assert clocks == [(0, 4, 0.25), (1, 8, 0.5), (2, 12, 0.75)]
    assert not Trainer(Line(), stream()).progress


def test_warm_up_raises_the_rates_from_nothing() -> None:
    trainer = Trainer(Line(), stream(batch=4), TrainConfig(warmup=16))
    rates = []
    for _ in itertools.islice(trainer, 6):
        rates.append(trainer.optimizers["main"].param_groups[0]["lr"])
    assert rates == pytest.approx([0.1 * share / 16 for share in (1, 5, 9, 13, 16, 16)])


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
    outputs: list[Tensor] = []

    class Twice(Line):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(256, 1, bias=False)  # a layer that autocast casts

        def step(self, data: Iterator[Batch], update: Update) -> Logs:
            x, _ = next(data)
            for _ in range(2):
                out = self.net(x.flatten(1))
                outputs.append(out.detach())
                update("main", out.mean())
            return {}

    next(Trainer(Twice(), stream(), TrainConfig(precision="bf16")))
    assert outputs[0].dtype == torch.bfloat16
    assert not torch.equal(*outputs)


def test_weights_that_are_not_finite_are_caught_at_the_same_tick() -> None:
    trainer = Trainer(Line(), stream())
    next(trainer)
    with torch.no_grad():
        trainer.model.net.weight.fill_(torch.inf)
    with pytest.raises(NotFinite, match="the weights became infinite"):
        trainer.tick()


def new_trainer(name: str, n: int, config: TrainConfig | None = None) -> Trainer:
    """Of a model in the table; of a small one where the default network is slow on a CPU."""
    model = create(name, SHAPE, **(small(name) if name in DOMAIN_MODELS else {}))
    return Trainer(model, small_examples(name, SHAPE, n).stream(8, 0, model.device), config)


@pytest.mark.parametrize("name", MODELS)
def test_inference_leaves_training_as_it_was(name: str) -> None:
    def trained(look: bool) -> dict[str, Tensor]:
        torch.manual_seed(0)
        trainer = new_trainer(name, 32)
        x, y = small_examples(name, SHAPE, 4).batch(trainer.model.device)
        for _ in itertools.islice(trainer, 4):
            if look:
                with trainer.inference() as model:
                    assert not model.training
                    model.preview(x, y, 4)
        return trainer.model.state_dict()

    one, other = trained(look=False), trained(look=True)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", MODELS)
def test_a_restored_trainer_goes_on_bit_for_bit(name: str) -> None:
    def new() -> Trainer:
        torch.manual_seed(3)
        return new_trainer(name, 30)

    straight = new()
    for _ in itertools.islice(straight, 6):
        pass
    first = new()
    for _ in itertools.islice(first, 3):
        pass
    torch.save(first.state(), "state.pt")
    torch.manual_seed(99)
    second = new_trainer(name, 30)
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
    trainer = new_trainer(name, 32, TrainConfig(precision="bf16"))
    for _ in itertools.islice(trainer, 3):
        pass
    assert trainer.tick()
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
