"""The objectives as pure functions: likelihoods in nats per image, losses of GANs, gradient penalties."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
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


# Losses of GANs.  A discriminator's loss takes its outputs for real and for generated images, (B, 1) each;
# some also take target labels, 1 and 0 or soft ones (B, 1).


# H(p, q) = -(p log q + (1 - p) log(1 - q)), q = D(x) = sigmoid(logit)
def cross_entropy(logit: Tensor, target: Tensor | float) -> Tensor:
    """Binary cross-entropy of each logit with its target in [0, 1]: (B, 1) -> (B, 1), in nats."""
    return F.softplus(logit) - target * logit


# Goodfellow et al. 2014 (arXiv 1406.2661):  J_D = -1/2 E_x log D(x) - 1/2 E_z log(1 - D(G(z)))
def discriminator_loss(
    real_logit: Tensor, fake_logit: Tensor, real_label: Tensor | float = 1.0, fake_label: Tensor | float = 0.0
) -> Tensor:
    """Binary cross-entropy of real against generated, from logits: two (B, 1) -> scalar."""
    real, fake = cross_entropy(real_logit, real_label), cross_entropy(fake_logit, fake_label)
    return 0.5 * real.mean() + 0.5 * fake.mean()


# J_G = E_z log(1 - D(G(z))): its gradient vanishes where D is sure
def minimax_generator_loss(fake_logit: Tensor) -> Tensor:
    """The generator's side of the minimax game ("saturating"), from logits: (B, 1) -> scalar, at most 0."""
    return -F.softplus(fake_logit).mean()


# J_G = -E_z log D(G(z)): same fixed point, strong gradient where D is sure
def non_saturating_generator_loss(fake_logit: Tensor) -> Tensor:
    """The improved generator loss, from logits: (B, 1) -> scalar."""
    return F.softplus(-fake_logit).mean()


# Mao et al. 2017 (arXiv 1611.04076), eq. 9:  1/2 E_x (D(x) - 1)^2 + 1/2 E_z D(G(z))^2
def least_squares_discriminator_loss(
    real_logit: Tensor, fake_logit: Tensor, real_label: Tensor | float = 1.0, fake_label: Tensor | float = 0.0
) -> Tensor:
    """Squared distance of the discriminator's outputs to the labels: two (B, 1) -> scalar."""
    return 0.5 * (real_logit - real_label).square().mean() + 0.5 * (fake_logit - fake_label).square().mean()


# 1/2 E_z (D(G(z)) - 1)^2
def least_squares_generator_loss(fake_logit: Tensor) -> Tensor:
    """Squared distance of the discriminator's outputs to the label of real images: (B, 1) -> scalar."""
    return 0.5 * (fake_logit - 1).square().mean()


# Lim & Ye 2017 (arXiv 1705.02894):  E_x max(0, 1 - D(x)) + E_z max(0, 1 + D(G(z)))
def hinge_discriminator_loss(real_logit: Tensor, fake_logit: Tensor) -> Tensor:
    """The hinge: nothing is gained from outputs beyond 1 and -1: two (B, 1) -> scalar."""
    return F.relu(1 - real_logit).mean() + F.relu(1 + fake_logit).mean()


# Arjovsky et al. 2017 (arXiv 1701.07875):  E_z D(G(z)) - E_x D(x), D a critic without a sigmoid
def wasserstein_critic_loss(real_logit: Tensor, fake_logit: Tensor) -> Tensor:
    """Minus the critic's estimate of the Wasserstein distance: two (B, 1) -> scalar."""
    return fake_logit.mean() - real_logit.mean()


# -E_z D(G(z))
def critic_generator_loss(fake_logit: Tensor) -> Tensor:
    """The generator's loss of the hinge and the Wasserstein game: (B, 1) -> scalar."""
    return -fake_logit.mean()


# Jolicoeur-Martineau 2018 (arXiv 1807.00734); Huang et al. 2024 (arXiv 2501.05441), f(t) = -log(1 + e^-t):
# D: -E_{z, x} f(D(x) - D(G(z))),  G: -E_{z, x} f(D(G(z)) - D(x))
def relativistic_loss(should_win: Tensor, should_lose: Tensor) -> Tensor:
    """Small where the first logits exceed the second ones, pair by pair: two (B, 1) -> scalar."""
    return F.softplus(should_lose - should_win).mean()


# Mescheder et al. 2018 (arXiv 1801.04406), eq. 9:  gamma / 2 E ||grad D||^2, beside the loss
# E_x f(-D(x)) + E_z f(D(G(z))) without the factor 1/2 that some losses above have
def zero_centred_penalty(gradient: Tensor) -> Tensor:
    """Half the squared norm of each image's gradient: (B, C, H, W) -> (B,)."""
    return 0.5 * gradient.square().sum((1, 2, 3))


# Gulrajani et al. 2017 (arXiv 1704.00028), eq. 3:  lambda E (||grad D|| - 1)^2 between real and generated
def one_centred_penalty(gradient: Tensor) -> Tensor:
    """The squared distance of each image's gradient norm from 1: (B, C, H, W) -> (B,)."""
    return (gradient.square().sum((1, 2, 3)).add(1e-12).sqrt() - 1).square()


# A discriminator as a function of images alone: (B, C, H, W) -> (B, 1)
Discriminate = Callable[[Tensor], Tensor]


def input_gradient(discriminate: Discriminate, x: Tensor) -> Tensor:
    """The gradient of a discriminator's outputs by the pixels: (B, C, H, W) -> (B, C, H, W).

    It is differentiable, and computed in full precision, inside autocast too.
    """
    with full_precision(x.device), torch.enable_grad():
        x = x.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminate(x).sum(), x, create_graph=True)
    return gradient


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast switched off; the meta device has no autocast."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def r1(discriminate: Discriminate, x: Tensor) -> Tensor:
    """R1 at real images, R2 at generated ones, without its weight gamma: (B, C, H, W) -> scalar."""
    return zero_centred_penalty(input_gradient(discriminate, x)).mean()


def wgan_gp(discriminate: Discriminate, real: Tensor, fake: Tensor) -> Tensor:
    """WGAN-GP's penalty at random points between real and generated images: two (B, C, H, W) -> scalar."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    return one_centred_penalty(input_gradient(discriminate, fake + share * (real - fake))).mean()


def gradient_penalty(
    kind: Literal["r1", "r2", "r1+r2", "gp"], discriminate: Discriminate, real: Tensor, fake: Tensor
) -> Tensor:
    """The penalty of that kind, without its weight: two (B, C, H, W) -> scalar."""
    match kind:
        case "r1":
            return r1(discriminate, real)
        case "r2":
            return r1(discriminate, fake)
        case "r1+r2":
            return r1(discriminate, real) + r1(discriminate, fake)
        case "gp":
            return wgan_gp(discriminate, real, fake)
