"""Every formula against torch.distributions or the paper's own form."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from limner import losses


def test_kl_normal_is_the_divergence_of_two_normals() -> None:
    mu, logvar = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    reference = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(losses.kl_normal(mu, logvar), reference)


def test_bernoulli_nll_sums_over_pixels() -> None:
    logits, x = (
        torch.randn(4, 2, 3, 3, dtype=torch.float64),
        torch.rand(4, 2, 3, 3, dtype=torch.float64).round(),
    )
    reference = -Independent(Bernoulli(logits=logits), 3).log_prob(x)
    torch.testing.assert_close(losses.bernoulli_nll(logits, x), reference)


def test_gaussian_nll_sums_over_pixels() -> None:
    mean, x = torch.randn(4, 2, 3, 3, dtype=torch.float64), torch.randn(4, 2, 3, 3, dtype=torch.float64)
    variance = torch.tensor(0.3, dtype=torch.float64)
    reference = -Independent(Normal(mean, variance.sqrt()), 3).log_prob(x)
    torch.testing.assert_close(losses.gaussian_nll(mean, x, variance), reference)


def test_adversarial_losses_are_the_papers() -> None:
    real, fake = torch.randn(8, 1, dtype=torch.float64), torch.randn(8, 1, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    j_d = -0.5 * d_real.log().mean() - 0.5 * (1 - d_fake).log().mean()
    torch.testing.assert_close(losses.discriminator_loss(real, fake), j_d)
    torch.testing.assert_close(losses.minimax_generator_loss(fake), (1 - d_fake).log().mean())
    torch.testing.assert_close(losses.non_saturating_generator_loss(fake), -d_fake.log().mean())


def test_a_sure_discriminator_leaves_the_minimax_generator_no_gradient() -> None:
    logit = torch.full((4, 1), -20.0, requires_grad=True)
    (minimax,) = torch.autograd.grad(losses.minimax_generator_loss(logit), logit)
    (improved,) = torch.autograd.grad(losses.non_saturating_generator_loss(logit), logit)
    assert minimax.abs().max() < 1e-8
    assert improved.abs().sum() > 0.99


def test_no_loss_depends_on_the_batch_size() -> None:
    x, y = torch.rand(6, 1, 4, 4).round(), torch.randn(6, 1, 4, 4)
    whole = losses.bernoulli_nll(y, x)
    parts = torch.cat([losses.bernoulli_nll(y[i : i + 1], x[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(whole, parts)
