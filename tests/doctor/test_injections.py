"""Every trouble made to happen in a real, short training; docs/doctor.md counts hits and false alarms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from doctor import pairs
from doctor.training import train_until_named
from small import DOMAIN_MODELS
from torch import Tensor

import limner
from limner.data import Dataset, Domains, load
from limner.doctor import TROUBLES
from limner.models import MODELS, model_class
from limner.models.base import Clock
from limner.models.gan import GAN

SMALL: dict[str, Any] = {"hidden": (64, 64), "lr": 1e-3, "dropout": 0.0}
EDITOR: dict[str, Any] = {"width": 4, "e_width": 4, "d_width": 4, "lr": 2e-3}
NO_GAMES: dict[str, Any] = {"prior": 0.0, "image": 0.0, "confusion": 0.0, "random_labels": False}


class Grey(GAN):
    """A GAN whose output cannot be black or white."""

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().generate(z, y) * 0.2


class Jolted(GAN):
    """A GAN whose learning rates are fifty times as high from the 1,200th iteration on, when it is good."""

    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        return {"lr": self.rates[name] * (50 if clock.iteration >= 1200 else 1)}


# trouble -> model, options, images, images between two lines of the log
INJECTIONS: dict[str, tuple[str, dict[str, Any], int, int]] = {
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
    "identity lost": (
        "caae",
        EDITOR | {"networks": "paper", "latent_dim": 16, "batch": 128, "lr": 4e-3},
        21_000,
        5250,
    ),
    "codes off the prior": ("caae", EDITOR | NO_GAMES | {"batch": 250, "lr": 4e-3}, 21_000, 5250),
    "not finite": ("vae", {"hidden": (64,), "lr": 1e15}, 4000, 2000),
    "dead configuration": (f"{__name__}:Grey", SMALL, 24_000, 3000),
    "getting worse": (f"{__name__}:Jolted", SMALL | {"lr": 2e-3, "batch": 32}, 48_000, 3000),
}


def spoil(digits: Dataset, trouble: str) -> Dataset:
    """The data, changed for the troubles that come from them."""
    train = digits.train
    if trouble == "discriminator overfits":
        return replace(digits, train=train.subset(torch.arange(64)))
    if trouble == "labels ignored":
        assert train.labels is not None
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        return replace(digits, train=replace(train, labels=train.labels[order]))
    if trouble in ("identity lost", "codes off the prior"):
        return load("digits", size=16)
    return digits


def test_every_trouble_is_injected() -> None:
    assert set(INJECTIONS) | set(pairs.INJECTIONS) == set(TROUBLES), "the latter by test_translations"


@pytest.mark.parametrize("trouble", INJECTIONS)
def test_it_is_named_when_it_happens(trouble: str, digits: Dataset, tmp_path: Path) -> None:
    model, options, images, tick = INJECTIONS[trouble]
    settings = options | {"images": images, "tick": tick, "quiet": True, "save_seconds": 1e9}
    lines = train_until_named(trouble, model, spoil(digits, trouble), tmp_path / "run", **settings)
    assert trouble in lines[-1]["troubles"], f"named instead: {[line['troubles'] for line in lines]}"


# what a model needs besides its `tiny` options to train well in a short run
NEEDED: dict[str, dict[str, Any]] = {
    "conv-autoencoder": {"images": 4000},
    "gan": {"hidden": (64, 64), "latent_dim": 64, "lr": 1e-3, "images": 55_000},
    "dcgan": {"width": 4, "images": 4000},
    "stylegan": {"images": 2000, "size": 16},
    "cgan": {"networks": "mlp", "hidden": (64, 64), "lr": 1e-3, "images": 55_000},
    "caae": {
        "width": 12,
        "d_width": 12,
        "latent_dim": 16,
        "lr": 2e-3,
        "ema_half_life": 500,
        "images": 6000,
        "size": 16,
    },
    "cyclegan": {"lr": 2e-3, "batch": 10, "images": 200, "size": 16},  # test_translations has a long one
}


def dimmed(digits: Dataset) -> Domains:
    """Small digits, and the same in light grey on grey; negatives would be inverted, which has a name."""
    train, test = (
        replace(images, pixels=60 + images.pixels // 2, labels=None) for images in (digits.train, digits.test)
    )
    return Domains("dimmed", digits, replace(digits, train=train, test=test, classes=None, fingerprint="0"))


@pytest.mark.parametrize("model", MODELS)
def test_a_healthy_run_has_no_trouble(model: str, tmp_path: Path) -> None:
    settings = {"images": 15_000, **model_class(model).tiny, **NEEDED.get(model, {})}
    data = load("digits", size=settings.pop("size", None))
    data = dimmed(data) if model in DOMAIN_MODELS else data
    run = limner.train(
        model, data, out=tmp_path / "run", tick=settings["images"] // 10, quiet=True, save_seconds=1e9,
        **settings,
    )  # fmt: skip
    assert {name for line in run.log for name in line["troubles"]} == set()
