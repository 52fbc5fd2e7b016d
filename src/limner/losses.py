"""The objectives, as pure functions: one value per image, in nats where it is a likelihood."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


# Kingma & Welling 2014, appendix B:  KL(q || p) = 1/2 sum_i (sigma_i^2 + mu_i^2 - log sigma_i^2 - 1)
def kl_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) of each dimension, in nats: (B, d) -> (B, d)."""
    return 0.5 * (logvar.exp() + mu.square() - logvar - 1)


# Kingma & Welling 2014, appendix C.1:  log p(x|z) = sum_i x_i log y_i + (1 - x_i) log(1 - y_i)
def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x) under a Bernoulli per pixel, x in [0, 1]: two (..., C, H, W) -> (...), summed over pixels."""
    return F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum((-3, -2, -1))


# Kingma & Welling 2014, appendix C.2:  log p(x|z) = log N(x; y, sigma^2 I)
def gaussian_nll(mean: Tensor, x: Tensor, variance: Tensor) -> Tensor:
    """-log N(x; mean, variance I), `variance` one number: two (..., C, H, W) -> (...), summed over pixels."""
    squares = (x - mean).square()
    pixels = math.prod(squares.shape[-3:])
    return 0.5 * (squares.sum((-3, -2, -1)) / variance + pixels * (math.log(2 * math.pi) + variance.log()))


# Goodfellow et al. 2014:  J_D = -1/2 E_x log D(x) - 1/2 E_z log(1 - D(G(z)))
def discriminator_loss(real_logit: Tensor, fake_logit: Tensor) -> Tensor:
    """Binary cross-entropy of real against generated, from logits: two (B, 1) -> scalar."""
    return 0.5 * F.softplus(-real_logit).mean() + 0.5 * F.softplus(fake_logit).mean()


# J_G = E_z log(1 - D(G(z))): its gradient vanishes where D is sure
def minimax_generator_loss(fake_logit: Tensor) -> Tensor:
    """The generator's side of the minimax game ("saturating"), from logits: (B, 1) -> scalar, at most 0."""
    return -F.softplus(fake_logit).mean()


# J_G = -E_z log D(G(z)): same fixed point, strong gradient where D is sure
def non_saturating_generator_loss(fake_logit: Tensor) -> Tensor:
    """The improved generator loss, from logits: (B, 1) -> scalar."""
    return F.softplus(-fake_logit).mean()
