"""Every trouble made to happen in a real, short training; docs/doctor.md counts hits and false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

import limner
from limner.data import Dataset, Images
from limner.doctor import TROUBLES
from limner.models import MODELS
from limner.models.base import Batch, Logs, Update
from limner.models.gan import GAN

SMALL: dict[str, Any] = {"hidden": (64, 64), "lr": 1e-3, "dropout": 0.0}


class Grey(GAN):
    """A GAN whose output cannot be black or white."""

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().generate(z, y) * 0.2


class Jolted(GAN):
    """A GAN whose learning rates are a hundredfold from the 300th iteration on."""

    def optimizers(self) -> dict[str, Optimizer]:
        self.jolted, self.iterations = super().optimizers(), 0
        return self.jolted

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        self.iterations += 1
        if self.iterations == 300:
            for optimizer in self.jolted.values():
                optimizer.param_groups[0]["lr"] *= 100
        return super().step(data, update)


# trouble -> model, options, images, a line of the log every so many
MADE: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "discriminator overpowers": ("gan", SMALL | {"lr": 1e-2, "beta1": 0.9}, 24_000, 2000),
    "discriminator too weak": ("gan", SMALL | {"d_lr": 1e-6}, 12_000, 2000),
    "generator gradient vanishes": ("gan", SMALL | {"loss": "minimax", "d_lr": 5e-3}, 12_000, 2000),
    "mode collapse": ("gan", SMALL | {"latent_dim": 1}, 70_000, 5000),
    "oscillation without progress": (
        "gan",
        SMALL | {"loss": "wasserstein", "penalty": "none", "lr": 4e-3, "averaged": "nothing"},
        60_000,
        3000,
    ),
    "discriminator overfits": ("gan", SMALL | {"hidden": (128, 128)}, 60_000, 5000),
    "labels ignored": ("cgan", {"networks": "mlp", "hidden": (64, 64), "lr": 1e-3}, 60_000, 5000),
    "posterior collapse": (
        "vae",
        {"hidden": (64,), "beta": 50.0, "likelihood": "bernoulli", "binarisation": "dynamic"},
        12_000,
        2000,
    ),
    "prior mismatch": ("vae", {"hidden": (128,), "beta": 1e-3}, 60_000, 5000),
    "not finite": ("vae", {"hidden": (64,), "lr": 1e15}, 4000, 2000),
    "dead configuration": ("Grey", SMALL, 24_000, 3000),
    "getting worse": ("Jolted", SMALL, 60_000, 3000),
}


def changed(digits: Dataset, trouble: str) -> Dataset:
    """The data, spoilt where the trouble is made by them."""
    train = digits.train
    assert train.labels is not None
    if trouble == "discriminator overfits":
        return replace(digits, train=Images(train.pixels[:64].clone(), train.labels[:64].clone()))
    if trouble == "labels ignored":
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        return replace(digits, train=Images(train.pixels, train.labels[order]))
    return digits


def test_every_trouble_is_made() -> None:
    assert set(MADE) == set(TROUBLES)


@pytest.mark.parametrize("trouble", MADE)
def test_it_is_told_when_it_happens(
    trouble: str, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options, images, tick = MADE[trouble]
    for name in ("Grey", "Jolted"):
        monkeypatch.setitem(MODELS, name, f"{__name__}:{name}")
    settings = options | {"images": images, "tick": tick, "quiet": True, "save_seconds": 1e9}
    try:
        limner.train(model, changed(digits, trouble), out=tmp_path / "run", **settings)
    except limner.LimnerError:
        assert trouble == "not finite"
    log = limner.load(tmp_path / "run").log
    told = {name for line in log for name in line.get("troubles", [])}
    assert trouble in told, f"told instead: {told}"


HEALTHY: dict[str, tuple[dict[str, Any], int]] = {
    "autoencoder": ({}, 10_000),
    "conv-autoencoder": ({}, 4000),
    "vae": ({"hidden": (64,)}, 20_000),
    "gan": ({"hidden": (64, 64), "lr": 1e-3}, 80_000),
    "dcgan": ({"width": 4}, 6000),
    "cgan": ({"networks": "mlp", "hidden": (64, 64), "lr": 1e-3}, 60_000),
}


def test_every_model_is_watched_in_health() -> None:
    assert set(HEALTHY) == set(MODELS)


@pytest.mark.parametrize("model", HEALTHY)
def test_a_healthy_run_is_silent(model: str, digits: Dataset, tmp_path: Path) -> None:
    options, images = HEALTHY[model]
    run = limner.train(
        model, digits, out=tmp_path / "run", images=images, tick=images // 10, quiet=True,
        save_seconds=1e9, **options,
    )  # fmt: skip
    assert {name for line in run.log for name in line["troubles"]} == set()
