"""Latent spaces and their priors: known densities, and densities fitted to codes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from limner.errors import LimnerError
from limner.models.latent import FittedPriors, Latent, Normal, Prior, Uniform

CPU = torch.device("cpu")
SHARES = [0.05, 0.3, 0.5, 0.9]
KINDS = ["gaussian", "full", "gmm"]
KNOWN: dict[str, Callable[[int], Prior]] = {"normal": Normal, "uniform": Uniform}


def codes(n: int = 20_000) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    mix = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.5, 0.0], [0.0, 0.0, 0.1]])
    return torch.randn(n, 3, generator=generator) @ mix.T + torch.tensor([1.0, -2.0, 0.0])


def fitted(z: Tensor) -> FittedPriors:
    priors = FittedPriors(z.shape[1])
    priors.fit(z)
    return priors


# Known densities


@pytest.mark.parametrize("name", KNOWN)
def test_draws_have_the_moments_that_the_prior_states(name: str) -> None:
    prior = KNOWN[name](4)
    torch.manual_seed(0)
    z = prior.draw(20_000, CPU)
    assert (z.shape, z.dtype) == ((20_000, 4), torch.float32)
    torch.testing.assert_close(z.mean(0), prior.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), prior.std, atol=0.02, rtol=0)
    assert (z - prior.mean).abs().max() <= prior.reach * prior.std.max()
    torch.manual_seed(0)
    assert torch.equal(prior.draw(20_000, CPU), z), "by torch's own generator"


@pytest.mark.parametrize("name", KNOWN)
def test_quantiles_are_those_of_the_draws(name: str) -> None:
    prior = KNOWN[name](4)
    torch.manual_seed(0)
    shares = torch.tensor(SHARES)
    quantiles = prior.quantiles(SHARES)
    assert quantiles.shape == (len(SHARES), 4)
    torch.testing.assert_close(prior.draw(40_000, CPU).quantile(shares, 0), quantiles, atol=0.05, rtol=0)


def test_quantiles_are_scipys() -> None:
    normal, uniform = Normal(2).quantiles(SHARES), Uniform(2).quantiles(SHARES)
    for column in range(2):
        torch.testing.assert_close(normal[:, column].double(), torch.from_numpy(stats.norm.ppf(SHARES)))
        exact = torch.from_numpy(stats.uniform(-1, 2).ppf(SHARES))
        torch.testing.assert_close(uniform[:, column].double(), exact)


def test_known_densities_need_no_fit() -> None:
    for make in KNOWN.values():
        prior = make(3)
        assert prior.fitted
        prior.fit(torch.randn(5, 3) + 9)
        assert prior.mean.tolist() == [0, 0, 0]
    assert (Normal(1).reach, Uniform(1).reach) == (math.inf, math.sqrt(3))


def test_priors_draw_on_the_device() -> None:
    meta = torch.device("meta")
    assert [make(3).draw(2, meta).device for make in KNOWN.values()] == [meta, meta]


# Latent spaces


def test_a_latent_has_a_size_bits_and_its_first_prior_by_default() -> None:
    latent = Latent((4, 7, 7), {"normal": Normal(196), "uniform": Uniform(196)})
    assert (latent.dim, latent.kind, latent.bits) == (196, "continuous", 32 * 196)
    assert latent.default_prior == "normal"
    assert isinstance(latent.prior(), Normal)
    assert isinstance(latent.prior("uniform"), Uniform)
    assert latent.draw(3, CPU).shape == (3, 196)
    assert latent.draw(1000, CPU, "uniform").abs().max() <= 1
    codebook = Latent((49,), {}, kind="discrete", positions=49, levels=512)
    assert codebook.bits == 49 * 9


def test_mistakes_about_priors_are_named() -> None:
    latent = Latent((3,), FittedPriors(3).by_name())
    with pytest.raises(LimnerError, match="no prior called 'gm': did you mean 'gmm'"):
        latent.draw(4, CPU, "gm")
    with pytest.raises(LimnerError, match="the prior 'gaussian' is not fitted"):
        latent.draw(4, CPU)
    with pytest.raises(LimnerError, match="have no prior"):
        Latent((3,), {}).draw(4, CPU)


def test_a_prior_is_fitted_once_when_something_draws_from_it() -> None:
    latent = Latent((3,), FittedPriors(3).by_name())
    calls: list[Prior] = []

    def fit(prior: Prior) -> None:
        calls.append(prior)
        prior.fit(codes(500))

    latent.fit_prior = fit
    assert not latent.priors["full"].fitted
    assert latent.draw(4, CPU, "full").shape == (4, 3)
    latent.draw(4, CPU, "gmm")
    assert calls == [latent.priors["full"]], "one fit learns all three"


# Densities fitted to codes


def test_gaussian_keeps_the_columns_and_full_their_covariance() -> None:
    z = codes()
    priors = fitted(z)
    torch.manual_seed(0)
    columns, full = priors.draw(20_000, "gaussian"), priors.draw(20_000, "full")
    for samples in (columns, full):
        torch.testing.assert_close(samples.mean(0), z.mean(0), atol=0.05, rtol=0.05)
        torch.testing.assert_close(samples.std(0), z.std(0), atol=0.03, rtol=0.03)
    torch.testing.assert_close(full.T.cov(), z.T.cov(), atol=0.1, rtol=0.05)
    assert abs(columns.T.cov()[0, 1]) < 0.1 < z.T.cov()[0, 1], "the lecture's has no correlation"


def test_fitted_priors_state_the_moments_and_quantiles_of_the_columns() -> None:
    z = codes()
    for name, prior in fitted(z).by_name().items():
        assert prior.fitted
        assert name in prior.description
        assert prior.reach == math.inf
        torch.testing.assert_close(prior.mean, z.mean(0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(prior.std, z.std(0), atol=1e-4, rtol=1e-3)
        shares = torch.tensor(SHARES)
        torch.testing.assert_close(prior.quantiles(SHARES), z.quantile(shares, 0), atol=0.05, rtol=0.05)


def near(samples: Tensor) -> float:
    """The share of codes near (5, 5), (5, -5), (-5, 5) or (-5, -5)."""
    return (samples.abs() - 5).abs().amax(1).lt(0.6).float().mean().item()


def test_a_mixture_learns_separate_clusters() -> None:
    torch.manual_seed(0)
    priors = fitted(torch.cat([torch.randn(500, 2) * 0.1 + 5, torch.randn(500, 2) * 0.1 - 5]))
    assert near(priors.draw(1000, "gmm")) > 0.97
    assert near(priors.draw(1000, "gaussian")) < 0.2


def test_more_columns_than_axes_keep_their_variance() -> None:
    torch.manual_seed(0)
    z = torch.randn(5000, 40) * torch.linspace(0.5, 2, 40)
    priors = FittedPriors(40, max_rank=8)
    priors.fit(z)
    for kind in ("full", "gmm"):
        torch.testing.assert_close(priors.draw(20_000, kind).std(0), z.std(0), atol=0.05, rtol=0.1)


def test_a_dead_column_stays_dead() -> None:
    priors = fitted(torch.cat([codes(), torch.full((20_000, 1), 3.0)], 1))
    for kind in KINDS:
        torch.testing.assert_close(priors.draw(100, kind)[:, 3], torch.full((100,), 3.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("n", [1, 5])
def test_codes_that_are_all_the_same_give_themselves(n: int) -> None:
    priors = fitted(torch.full((n, 3), 2.0))
    for kind in KINDS:
        torch.testing.assert_close(priors.draw(4, kind), torch.full((4, 3), 2.0))


def test_the_mixture_learns_from_all_kinds_of_codes_though_they_are_sorted() -> None:
    torch.manual_seed(0)
    priors = FittedPriors(2)
    priors.fit(torch.cat([torch.randn(3000, 2) - 9, torch.randn(3000, 2) + 9]), gmm_codes=1000)
    assert 0.3 < (priors.draw(1000, "gmm")[:, 0] > 0).float().mean() < 0.7


def test_wide_codes_keep_their_moments() -> None:
    torch.manual_seed(0)
    z = torch.randn(2000, 3) @ torch.randn(3, 300) + 0.1 * torch.randn(2000, 300)
    samples = fitted(z).draw(4000, "full")
    torch.testing.assert_close(samples.std(0), z.std(0), atol=0.1, rtol=0.1)
    assert (samples.T.cov() - z.T.cov()).abs().mean() < 0.15


def test_a_fit_survives_in_the_weights() -> None:
    priors, other = fitted(codes()), FittedPriors(3)
    other.load_state_dict(priors.state_dict())
    for kind in KINDS:
        torch.manual_seed(2)
        samples = priors.draw(10, kind)
        torch.manual_seed(2)
        assert torch.equal(samples, other.draw(10, kind))
    assert all(prior.fitted for prior in other.by_name().values())
