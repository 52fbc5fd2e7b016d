"""The doctor on an overpowered and a fooled game of every loss, in short runs on the digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doctor.training import train_until_named

import limner
from limner.data import Dataset
from limner.doctor import diagnose
from limner.models.adversarial import GAMES

# D much faster than G; Wasserstein's critic without its penalty needs a fast G to stay far from the data
FAST: dict[str, Any] = {"lr": 1e-4, "d_lr": 1e-2, "penalty": "none", "images": 28_000}
OVERPOWERED = dict.fromkeys(GAMES, FAST) | {"wasserstein": {"lr": 1e-2, "beta1": 0.9, "images": 36_000}}


SMALL: dict[str, Any] = {"hidden": (64, 64), "dropout": 0.0, "tick": 2000, "quiet": True, "save_seconds": 1e9}


@pytest.mark.parametrize("loss", GAMES)
def test_a_discriminator_overpowers_with_every_loss(loss: str, digits: Dataset, tmp_path: Path) -> None:
    trouble, settings = "discriminator overpowers", SMALL | {"loss": loss} | OVERPOWERED[loss]
    lines = train_until_named(trouble, "gan", digits, tmp_path / "run", **settings)
    assert trouble in lines[-1]["troubles"]
    assert ("doctor/d_real" in lines[-1]) == (GAMES[loss].scale == "logit")


@pytest.mark.parametrize("loss", GAMES)
def test_a_discriminator_is_fooled_with_every_loss(loss: str, digits: Dataset, tmp_path: Path) -> None:
    settings = SMALL | {"loss": loss, "lr": 4e-3, "d_lr": 1e-6, "images": 10_000}
    run = limner.train("gan", digits, out=tmp_path / "run", **settings)
    named = {name for line in run.log for name in line["troubles"]}
    assert named == {"discriminator too weak"}, "and no advice to make D still weaker"
    (verdict,) = diagnose(run).verdicts
    assert "inverted" in verdict.evidence
