"""Weights chosen on validation images, and learning rates that fall."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import limner
from limner.data import Dataset, Images
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create
from limner.training import TrainConfig, Trainer
from limner.training.best_weights import BestWeights
from limner.training.checkpoint import read_state, read_weights

SETTINGS = {"latent_dim": 2, "batch": 50, "validation": 300, "quiet": True, "save_seconds": 0}
OVERFIT = {"lr": 1e-2, "hidden": (200, 200), "latent_dim": 16}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The validation images are looked at often, so that short runs say something."""
    monkeypatch.setattr("limner.training.setup.SHORTEST_TICK", 2000)


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """So few images that a network soon knows them by heart."""
    train = Images(digits.train.pixels[:400], digits.train.labels[:400])
    return dataclasses.replace(digits, train=train)


def test_the_weights_kept_are_those_with_the_lowest_validation_loss(few: Dataset, tmp_path: Path) -> None:
    run = limner.train("vae", few, out=tmp_path / "run", images=10_000, **SETTINGS | OVERFIT)
    losses = {line["images"]: line["validation/loss"] for line in run.log}
    best = min(losses, key=lambda images: losses[images])
    assert best < 10_000, "it must have overfitted for the test to say anything"
    assert run.images_seen == best
    state = read_state(run.path / "state.pt")
    assert state["images_seen"] == 10_000, "resuming goes on from the last weights"
    kept, last = read_weights(run.path / "weights.safetensors")[0], state["model"]
    assert not torch.equal(kept["decoder.0.weight"], last["decoder.0.weight"])
    there = limner.train("vae", few, out=tmp_path / "there", images=best, **SETTINGS | OVERFIT)
    then = read_state(there.path / "state.pt")["model"]
    assert all(torch.equal(kept[name], then[name]) for name in then if not name.startswith("prior"))


def test_validation_images_are_not_trained_on(few: Dataset, tmp_path: Path) -> None:
    numbered = Images(torch.arange(400, dtype=torch.uint8)[:, None, None, None], torch.arange(400))
    held_out = numbered.split_off(300, seed=0)[1].labels
    changed = few.train.pixels.clone()
    changed[held_out] = 255 - changed[held_out]
    other = dataclasses.replace(few, train=Images(changed, few.train.labels))
    runs = [
        limner.train("vae", d, out=tmp_path / str(i), images=2000, **SETTINGS)
        for i, d in enumerate((few, other))
    ]
    one, two = (read_state(run.path / "state.pt")["model"] for run in runs)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert runs[0].log[-1]["validation/loss"] != runs[1].log[-1]["validation/loss"]


def test_validation_images_are_of_every_class_where_the_data_are_sorted_by_class(digits: Dataset) -> None:
    order = digits.train.labels.argsort(stable=True)
    rest, chosen = digits.train.subset(order).split_off(320, seed=0)
    assert set(chosen.labels.tolist()) == set(rest.labels.tolist()) == set(range(10))


def test_a_resumed_run_chooses_as_one_that_never_stopped(few: Dataset, tmp_path: Path) -> None:
    settings = SETTINGS | OVERFIT | {"lr_drops": (1_000, 3_000), "lr_drop": 0.5}
    straight = limner.train("vae", few, out=tmp_path / "a", images=4_000, **settings)
    limner.train("vae", few, out=tmp_path / "b", images=2_000, **settings)
    parts = limner.train(data=few, out=tmp_path / "b", images=4_000, resume=True, quiet=True)
    assert parts.images_seen == straight.images_seen
    assert [line["validation/loss"] for line in parts.log] == [
        line["validation/loss"] for line in straight.log
    ]
    one, two = (read_weights(run.path / "weights.safetensors")[0] for run in (straight, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_cannot_be_validated_is_refused(few: Dataset, tmp_path: Path) -> None:
    with pytest.raises(LimnerError, match="a GAN has no loss to choose weights by"):
        limner.train("gan", few, out=tmp_path / "run", images=100, validation=10)
    with pytest.raises(LimnerError, match="has 400, not more than 400"):
        limner.train("vae", few, out=tmp_path / "run", images=100, validation=400)
    with pytest.raises(LimnerError, match="validation must be at least 0"):
        limner.train("vae", few, out=tmp_path / "run", images=100, validation=-1)
    assert not (tmp_path / "run").exists()


def test_an_epoch_is_what_is_trained_on(few: Dataset, tmp_path: Path) -> None:
    run = limner.train("vae", few, out=tmp_path / "run", epochs=3, **SETTINGS)
    assert run.config.training.images == 300


def test_learning_rates_fall_when_so_many_images_have_been_seen(digits: Dataset) -> None:
    config = TrainConfig(lr_drops=(100, 175), lr_drop=0.1)
    trainer = Trainer(create("gan", (1, 28, 28)), Stream(digits.train, 50), config)
    first = {name: o.param_groups[0]["lr"] for name, o in trainer.optimizers.items()}
    falls = []
    for _ in itertools.islice(trainer, 6):
        now = {name: o.param_groups[0]["lr"] / first[name] for name, o in trainer.optimizers.items()}
        assert len({round(share, 9) for share in now.values()}) == 1, "every optimiser's"
        falls.append((trainer.images_seen, round(next(iter(now.values())), 9)))
    # the rate of the step that ends at so many images seen
    assert falls == [(50, 1), (100, 1), (150, 0.1), (200, 0.1), (250, 0.01), (300, 0.01)]


def test_impossible_schedules_are_refused(few: Dataset) -> None:
    with pytest.raises(LimnerError, match="lr_drop must be above 0 and at most 1, not 3"):
        limner.train("vae", few, images=100, lr_drop=3.0)
    with pytest.raises(LimnerError, match="lr_drops must be at least 1, not 0"):
        limner.train("vae", few, images=100, lr_drops=(0,))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0])
def test_a_worse_value_or_none_at_all_does_not_replace_weights(value: float) -> None:
    best = BestWeights("loss")
    best.restore({"value": 1.0, "images": 5, "weights": {}})
    best.consider(value, cast(Any, None))
    assert (best.value, best.images) == (1.0, 5)


def test_a_value_that_is_not_a_number_keeps_no_weights() -> None:
    best = BestWeights("loss")
    best.consider(float("nan"), cast(Any, None))
    assert not best
