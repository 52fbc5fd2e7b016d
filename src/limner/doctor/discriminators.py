"""Signals of a discriminator's outputs: how it separates real from generated images, and what G learns."""

from __future__ import annotations

import torch
from torch import Tensor

from limner.models.abilities import Players

SATURATED = 0.01  # of the largest slope


def discriminator_signals(players: Players, held_out: Tensor | None) -> dict[str, float]:
    """The signals of one discriminator; `held_out`: its outputs for held-out images (B, 1), where known.

    `overlap`, `separation`, `accuracy` and `held_out_gap` are the same for outputs that are multiplied or
    shifted, so they mean the same for every loss.
    """
    real, fake, scale = players.real.float(), players.fake.float(), players.scale
    wins = (real > fake.T).float().mean() + 0.5 * (real == fake.T).float().mean()
    signals = {"overlap": float(wins), "separation": separation(real, fake), "accuracy": accuracy(real, fake)}
    if scale == "logit":
        signals |= {"d_real": float(real.sigmoid().mean()), "d_fake": float(fake.sigmoid().mean())}
    if held_out is not None:
        signals["held_out_gap"] = held_out_gap(real, held_out, fake)
    slope = generator_slope(players)
    signals["g_slope"] = float(slope.mean())
    signals["g_saturated"] = float((slope < SATURATED).float().mean())
    return signals


def separation(real: Tensor, fake: Tensor) -> float:
    """The difference of the means, in standard deviations (root mean square of both); 0 for equal outputs."""
    gap = real.double().mean() - fake.double().mean()
    deviation = ((real.double().var() + fake.double().var()) / 2).sqrt()
    return float(gap / deviation.clamp(min=1e-3 * gap.abs())) if gap != 0 else 0.0


def held_out_gap(real: Tensor, held_out: Tensor, fake: Tensor) -> float:
    """Where held-out images lie for D: 0 at the training images, 1 at the generated ones.

    0 where D separates so little that chance would decide: the standard error would be above a sixth.  It is
    that of images which are as real as the others, so the outputs of held-out images do not enter into it.
    """
    gap = real.mean() - fake.mean()
    variance = (real.var() + fake.var()) / 2
    error = (variance * (1 / len(real) + 1 / len(held_out))).sqrt()
    return float((real.mean() - held_out.mean()) / gap) if gap > 6 * error else 0.0


def accuracy(real: Tensor, fake: Tensor) -> float:
    """The share of outputs on the right side of the middle between both means; equal outputs count half.

    D's own threshold would mislead: outputs around 0.7 for real images and 0.55 for generated ones separate
    them, though both are above 0.5.
    """
    middle = (real.double().mean() + fake.double().mean()) / 2
    correct = (real > middle).double() + (fake < middle).double()
    ties = (real == middle).double() + (fake == middle).double()
    return float((correct + 0.5 * ties).mean() / 2)


def generator_slope(players: Players) -> Tensor:
    """|dJ_G / dD(G(z))| of each generated image, the loss being a mean over B of them: (B, 1)."""
    with torch.enable_grad():
        fake = players.fake.detach().float().clone().requires_grad_()
        loss = players.generator_loss(fake, players.real.detach().float())
        (gradient,) = torch.autograd.grad(loss, fake)
    return gradient.abs() * len(gradient)
