"""The bound over a test set: a model whose log p(x) is known, draws that stay the image's own, units."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from limner.errors import LimnerError
from limner.metrics.likelihood import Likelihood, bits_per_dim, importance_bound, likelihood

SIGMA = 0.5
D = 4
W = torch.tensor([[0.9, 0.1], [-0.4, 0.8], [0.3, 0.3], [0.0, -0.7]], dtype=torch.float64)
EXACT = MultivariateNormal(torch.zeros(D).double(), W @ W.T + SIGMA**2 * torch.eye(D).double())


class Linear:
    """x = W z + noise, with the exact posterior or one that is too wide."""

    def __init__(self, too_wide: float = 1) -> None:
        precision = torch.eye(2).double() + W.T @ W / SIGMA**2
        covariance = torch.linalg.inv(precision)
        self.gain = covariance @ W.T / SIGMA**2
        self.covariance = too_wide * covariance

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        x = x.flatten(1).double()
        q = MultivariateNormal(x @ self.gain.T, self.covariance)
        z = q.mean + torch.randn(k, len(x), 2).double() @ torch.linalg.cholesky(self.covariance).T
        log_w = Normal(z @ W.T, SIGMA).log_prob(x).sum(2) + Normal(0, 1).log_prob(z).sum(2) - q.log_prob(z)
        return log_w.logsumexp(0) - math.log(k)


class Binarised(Linear):
    """Draws its input black or white before all else, as with dynamic binarisation."""

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        return super().log_likelihood(torch.bernoulli(torch.full_like(x, 0.5)), k)


def images(n: int, seed: int = 0) -> Tensor:
    draws = torch.randn(n, D, generator=torch.Generator().manual_seed(seed)).double()
    return (draws @ EXACT.scale_tril.T).view(n, 1, 2, 2)


def test_with_the_exact_posterior_every_k_gives_log_p() -> None:
    x = images(20)
    for values in importance_bound(Linear(), x, (1, 7)).values():
        torch.testing.assert_close(values, EXACT.log_prob(x.flatten(1)))


def test_with_a_wrong_posterior_the_bound_rises_to_log_p() -> None:
    x = images(400)
    exact = EXACT.log_prob(x.flatten(1)).mean()
    found = importance_bound(Linear(too_wide=4), x, (1, 10, 100, 2000))
    gaps = [float(exact - values.mean()) for values in found.values()]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx(4 - 1 - math.log(4), abs=0.5)  # KL(q || p) in two dimensions
    assert gaps[-1] == pytest.approx(0, abs=0.02)


def test_an_image_has_its_number_whatever_comes_with_it() -> None:
    x, model = images(9), Linear(too_wide=4)
    whole = importance_bound(model, x, (3, 50))
    assert torch.equal(importance_bound(model, x[:4], (50,))[50], whole[50][:4])
    assert torch.equal(importance_bound(model, x, (50, 3))[3], whole[3])
    assert not torch.equal(importance_bound(model, x, (3,), seed=1)[3], whole[3])
    same = importance_bound(model, x[:1].expand(5, 1, 2, 2), (3,))[3]
    assert len(same.unique()) == 5, "each image has draws of its own"
    assert {values.dtype for values in whole.values()} == {torch.float64}


def test_each_k_sees_the_same_binarisation() -> None:
    found = importance_bound(Binarised(), torch.zeros(12, 1, 2, 2), (1, 20))
    torch.testing.assert_close(found[1], found[20])
    assert len(found[1].round(decimals=9).unique()) > 1


def test_the_callers_random_state_is_kept_and_nothing_has_a_gradient() -> None:
    before, model = torch.get_rng_state(), Linear()
    model.gain.requires_grad_()
    assert not importance_bound(model, images(2), (2,))[2].requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_the_mean_has_the_error_of_the_mean() -> None:
    assert likelihood(torch.tensor([-1.0, -3.0, -5.0, -7.0]), 50) == Likelihood(
        -4, pytest.approx((20 / 3) ** 0.5 / 2), 50, 4
    )
    means = [likelihood(images(100, seed).flatten(1)[:, 0], 1).mean for seed in range(200)]
    error = likelihood(images(100).flatten(1)[:, 0], 1).standard_error
    assert torch.tensor(means).std() == pytest.approx(error, rel=0.25)


def test_bits() -> None:
    assert bits_per_dim(-784 * math.log(2), 784) == pytest.approx(1)  # a fair coin for each pixel
    assert bits_per_dim(0, 10, levels=256) == 8  # the uniform density: 8 bits for each byte
    spread = Normal(0, 0.1).entropy()  # of a density in [0, 1]: its entropy in bits, and 8 more
    assert bits_per_dim(float(-5 * spread), 5, 256) == pytest.approx(8 + float(spread) / math.log(2))


def test_what_has_no_bound() -> None:
    for x, ks in ((images(0), (1,)), (images(1), ()), (images(1), (5, 0))):
        with pytest.raises(LimnerError, match="a bound needs"):
            importance_bound(Linear(), x, ks)
    with pytest.raises(LimnerError, match="2 images"):
        likelihood(torch.zeros(1), 1)
