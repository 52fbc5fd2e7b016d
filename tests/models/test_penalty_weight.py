"""Gamma means what the papers on penalties mean, whatever factor the loss has."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from small import blobs, small
from torch import Tensor
from updates import RecordingUpdate

from limner.models import create
from limner.models.adversarial import GAMES

SHAPE = (1, 8, 8)


def build(loss: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return create("gan", SHAPE, **{**small("gan"), "loss": loss, "dropout": 0.0, **options})


def pair() -> tuple[Tensor, Tensor]:
    x = blobs(12, SHAPE).pixels / 127.5 - 1
    return x[:6], x[6:]


def published(loss: str, real: Tensor, fake: Tensor) -> Tensor:
    """D's loss as the papers on penalties have it, a plain sum of expectations."""
    softplus, relu = torch.nn.functional.softplus, torch.relu
    match loss:
        case "non-saturating" | "minimax":  # Mescheder et al. 2018, eq. 1, f(t) = -log(1 + e^-t)
            return softplus(-real).mean() + softplus(fake).mean()
        case "least-squares":
            return (real - 1).square().mean() + fake.square().mean()
        case "hinge":
            return relu(1 - real).mean() + relu(1 + fake).mean()
        case "wasserstein":
            return fake.mean() - real.mean()
    return softplus(fake - real).mean()  # Huang et al. 2024


def gradient(model: Any, total: Tensor) -> Tensor:
    model.zero_grad()
    total.backward()
    return torch.cat([p.grad.flatten() for p in model.D.parameters()])


@pytest.mark.parametrize("gamma", [0.5, 10.0])
@pytest.mark.parametrize("loss", GAMES)
def test_r1_pulls_against_the_loss_as_in_the_paper(loss: str, gamma: float) -> None:
    model, (x, fake) = build(loss, penalty="r1", gamma=gamma), pair()
    paper = copy.deepcopy(model)
    penalty = model.gradient_penalty(x, fake, None, RecordingUpdate())["penalty"]
    ours = gradient(
        model, model.discriminator_loss(model.logits(x, None), model.logits(fake, None)) + penalty
    )
    x.requires_grad_()
    real_logit = paper.discriminate(x)
    (slope,) = torch.autograd.grad(real_logit.sum(), x, create_graph=True)
    r1 = gamma / 2 * slope.square().sum((1, 2, 3)).mean()  # eq. 9
    theirs = gradient(paper, published(loss, real_logit, paper.discriminate(fake)) + r1)
    cosine = torch.nn.functional.cosine_similarity(ours, theirs, dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-5), "Adam and SGD follow the direction"
    assert float(ours.norm() / theirs.norm()) == pytest.approx(model.game.factor, rel=1e-4)


def test_the_default_weight_is_the_same_beside_every_loss() -> None:
    for loss, game in GAMES.items():
        for penalty, weight in (("r1", 1), ("r2", 1), ("r1+r2", 1), ("gp", 10)):
            default = build(loss, penalty=penalty)
            assert default.penalty_weight == weight
            stated = build(loss, penalty=penalty, gamma=weight / game.factor)
            assert stated.penalty_weight == weight, "1 and 10, or 2 and 20, as the help says"


def test_the_published_pairs_have_their_papers_weights() -> None:
    assert build("wasserstein").penalty_weight == 10  # Gulrajani et al. 2017
    assert build("relativistic", gamma=0.7).penalty_weight == 0.7  # Huang et al. 2024
    assert build("non-saturating", penalty="r1", gamma=10.0).penalty_weight == 5  # Mescheder et al. 2018
