"""The fitted priors against the moments and mixtures they were fitted to."""

from __future__ import annotations

import pytest
import torch

from limner.errors import LimnerError
from limner.nn import CodePrior, mlp


def codes(n: int = 20_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    mix = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.5, 0.0], [0.0, 0.0, 0.1]])
    return torch.randn(n, 3, generator=generator) @ mix.T + torch.tensor([1.0, -2.0, 0.0])


def test_gaussian_keeps_the_columns_and_full_their_covariance() -> None:
    prior, z = CodePrior(3), codes()
    prior.fit(z)
    torch.manual_seed(0)
    columns, full = prior.sample(20_000, "gaussian"), prior.sample(20_000, "full")
    for drawn in (columns, full):
        torch.testing.assert_close(drawn.mean(0), z.mean(0), atol=0.05, rtol=0.05)
        torch.testing.assert_close(drawn.std(0), z.std(0), atol=0.03, rtol=0.03)
    torch.testing.assert_close(full.T.cov(), z.T.cov(), atol=0.1, rtol=0.05)
    assert abs(columns.T.cov()[0, 1]) < 0.1 < z.T.cov()[0, 1], (
        "per column, the lecture's, forgets the correlation"
    )


def test_a_mixture_finds_separate_clusters() -> None:
    torch.manual_seed(0)
    z = torch.cat([torch.randn(500, 2) * 0.1 + 5, torch.randn(500, 2) * 0.1 - 5])
    prior = CodePrior(2)
    prior.fit(z)
    near = lambda drawn: (drawn.abs() - 5).abs().amax(1).lt(0.6).float().mean().item()  # noqa: E731
    assert near(prior.sample(1000, "gmm")) > 0.97
    assert near(prior.sample(1000, "gaussian")) < 0.2


def test_more_columns_than_axes_keep_their_variance() -> None:
    torch.manual_seed(0)
    z = torch.randn(5000, 40) * torch.linspace(0.5, 2, 40)
    prior = CodePrior(40, max_rank=8)
    prior.fit(z)
    for kind in ("full", "gmm"):
        torch.testing.assert_close(prior.sample(20_000, kind).std(0), z.std(0), atol=0.05, rtol=0.1)


def test_a_dead_column_stays_dead() -> None:
    z = torch.cat([codes(), torch.full((20_000, 1), 3.0)], 1)
    prior = CodePrior(4)
    prior.fit(z)
    for kind in CodePrior.KINDS:
        torch.testing.assert_close(prior.sample(100, kind)[:, 3], torch.full((100,), 3.0), atol=1e-3, rtol=0)


def test_mistakes_are_named() -> None:
    prior = CodePrior(3)
    with pytest.raises(LimnerError, match="no fitted prior yet"):
        prior.sample(4)
    with pytest.raises(LimnerError, match="did you mean 'gmm'"):
        prior.sample(4, "gm")


def test_mlp_ends_without_activation() -> None:
    assert [type(layer).__name__ for layer in mlp(4, 3, 2)] == ["Linear", "ReLU", "Linear"]


@pytest.mark.parametrize("n", [1, 5])
def test_codes_that_are_all_the_same_give_themselves(n: int) -> None:
    prior = CodePrior(3)
    prior.fit(torch.full((n, 3), 2.0))
    for kind in CodePrior.KINDS:
        torch.testing.assert_close(prior.sample(4, kind), torch.full((4, 3), 2.0))


def test_the_mixture_sees_all_kinds_of_codes_though_they_come_sorted() -> None:
    torch.manual_seed(0)
    z = torch.cat([torch.randn(3000, 2) - 9, torch.randn(3000, 2) + 9])
    prior = CodePrior(2)
    prior.fit(z, gmm_codes=1000)
    assert 0.3 < (prior.sample(1000, "gmm")[:, 0] > 0).float().mean() < 0.7


def test_wide_codes_keep_their_moments() -> None:
    torch.manual_seed(0)
    z = torch.randn(2000, 3) @ torch.randn(3, 1500) + 0.1 * torch.randn(2000, 1500)
    prior = CodePrior(1500)
    prior.fit(z)
    drawn = prior.sample(4000, "full")
    torch.testing.assert_close(drawn.std(0), z.std(0), atol=0.1, rtol=0.1)
    assert (drawn.T.cov() - z.T.cov()).abs().mean() < 0.15
