"""The bound over a test set: a model whose log p(x) is known, draws that stay the image's own, units."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.metrics.likelihood import Likelihood, bits_per_dim, dequantise, importance_bound, likelihood

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


class Peaks:
    """Every pixel is N(127 / 255, sigma^2) on the [0, 1] scale: a density of grey values."""

    def __init__(self, sigma: float) -> None:
        self.pixel = Normal(torch.tensor(127 / 255).double(), sigma)

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        return self.pixel.log_prob((x.double() + 1) / 2).flatten(1).sum(1)

    def probability(self, v: Tensor) -> Tensor:
        """Of grey levels v: the mass between the middles to the next levels."""
        return self.pixel.cdf((v + 0.5) / 255) - self.pixel.cdf((v - 0.5) / 255)


def bits_of(model: Peaks, levels: Tensor, x: Tensor) -> float:
    """The bits per dimension that the bound gives for images x of grey levels (N, C, H, W)."""
    return float(bits_per_dim(importance_bound(model, x, (1,))[1], levels[0].numel(), 256).mean())


@pytest.mark.parametrize("sigma", [0.2 / 255, 1 / 255, 10 / 255, 0.2])
def test_bits_of_a_density_are_a_bound_on_those_of_its_grey_levels(sigma: float) -> None:
    model, every = Peaks(sigma), torch.arange(256).double()
    p = model.probability(every)
    levels = p.multinomial(40 * 400, True, generator=torch.Generator().manual_seed(0)).view(40, 1, 20, 20)
    exact = float(-p[levels].log2().mean())
    x = levels / 127.5 - 1
    bound = bits_of(model, levels, dequantise(x))
    assert bound > exact - 0.01
    if sigma >= 1 / 255:
        assert bound == pytest.approx(exact, abs=0.1), "nearly exact where the density is smooth"
    if sigma < 1 / 255:
        assert bits_of(model, levels, x) < exact - 0.05, "without noise, better than is possible"


def test_narrower_peaks_gain_nothing() -> None:
    constant = torch.full((4, 1, 20, 20), 127)  # 0 bits: there is nothing to say
    x = constant / 127.5 - 1
    values = [bits_of(Peaks(sigma / 255), constant, dequantise(x)) for sigma in (1, 0.3, 0.03)]
    assert min(values) > 0
    assert values[2] > values[1]
    assert bits_of(Peaks(0.03 / 255), constant, x) < -3, "the density itself can have any value"


def test_dequantised_images_stay_within_their_level() -> None:
    levels = torch.arange(256).repeat(400).view(100, 1, 32, 32).to(torch.uint8)
    x = to_float(levels)
    noisy = dequantise(x)
    assert torch.equal(to_uint8(noisy), levels)
    moved = (noisy - x) * 127.5
    assert (float(moved.min()), float(moved.max())) == pytest.approx((-0.5, 0.5), abs=1e-3)
    assert float(moved.mean()) == pytest.approx(0, abs=0.005)
    assert float(moved.var()) == pytest.approx(1 / 12, rel=0.02)
    assert torch.equal(noisy, dequantise(x))
    assert torch.equal(noisy[:7], dequantise(x[:7])), "whatever comes with an image"
    assert not torch.equal(noisy, dequantise(x, seed=1))
    black = torch.full((1, 1, 100, 100), -1.0)
    assert float((dequantise(black, levels=2) - black).max()) == pytest.approx(1, abs=1e-3)


def test_bits_of_probabilities() -> None:
    assert bits_per_dim(-784 * math.log(2), 784) == pytest.approx(1)  # a fair coin for each pixel
    # uniform over 256 levels: density 255 / 256 on an interval of 256 / 255
    assert bits_per_dim(10 * math.log(255 / 256), 10, levels=256) == pytest.approx(8)
    each = bits_per_dim(torch.tensor([0.0, -7.0]), 7)
    assert each.tolist() == pytest.approx([0, 1 / math.log(2)])


def test_what_has_no_bound() -> None:
    for x, ks in ((images(0), (1,)), (images(1), ()), (images(1), (5, 0))):
        with pytest.raises(LimnerError, match="a bound needs"):
            importance_bound(Linear(), x, ks)
    with pytest.raises(LimnerError, match="2 images"):
        likelihood(torch.zeros(1), 1)
