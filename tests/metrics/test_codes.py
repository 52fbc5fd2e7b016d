"""Codes: what is known of them by construction."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from scipy.stats import kstest
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import codes
from limner.metrics.codes import (
    active_units,
    distance_to_quantiles,
    effective_dimensions,
    knn_accuracy,
    knn_accuracy_leave_one_out,
    linear_accuracy,
    mean_correlation,
    mmd_to_normal,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_leave_one_out_is_scikit_learns() -> None:
    y = torch.randint(4, (520,), generator=torch.Generator().manual_seed(0))
    z = normal(520, 3) + y[:, None]  # more than a block of rows
    for k in (5, 1):
        few, labels = (z, y) if k == 5 else (z[:150], y[:150])
        expected = cross_val_score(KNeighborsClassifier(k), few.numpy(), labels.numpy(), cv=LeaveOneOut())
        assert knn_accuracy_leave_one_out(few, labels, k) == pytest.approx(expected.mean())
        assert 0.3 < expected.mean() < 0.95


def test_neighbours_vote_and_the_smallest_label_wins_a_tie() -> None:
    z, y = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([2, 1, 1, 0])
    assert knn_accuracy(z, y, torch.tensor([[0.4], [9.0]]), torch.tensor([1, 0]), k=2) == 1
    assert knn_accuracy(z, y, torch.tensor([[0.4]]), torch.tensor([1]), k=3) == 1
    lone, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 0])
    assert knn_accuracy_leave_one_out(lone, labels) == pytest.approx(2 / 3), "two others; 0 and 1 tie to 0"


def test_a_line_is_found_whatever_the_columns_scales() -> None:
    z = normal(600, 3) * torch.tensor([1e3, 1e-3, 1]) + torch.tensor([5.0, 0, 100])
    y = (z[:, 1] > 0).long()
    assert linear_accuracy(z[:400], y[:400], z[400:], y[400:]) > 0.97
    constant = torch.cat([z, torch.full((600, 1), 7.0)], 1)
    assert linear_accuracy(constant[:400], y[:400], constant[400:], y[400:]) > 0.97


def test_a_ring_is_not_linear_and_chance_is_chance() -> None:
    z = normal(2000, 2)
    ring = (z.norm(dim=1) > 1.18).long()  # half of them
    assert linear_accuracy(z[:1000], ring[:1000], z[1000:], ring[1000:]) < 0.6
    noise = torch.randint(4, (2000,), generator=torch.Generator().manual_seed(0))
    assert linear_accuracy(z[:1000], noise[:1000], z[1000:], noise[1000:]) == pytest.approx(0.25, abs=0.05)


def test_two_gaussians_have_the_best_linear_rule() -> None:
    y = torch.randint(2, (8000,), generator=torch.Generator().manual_seed(0))
    z = normal(8000, 5) + y[:, None] * torch.tensor([2.0, 0, 0, 0, 0])
    best = float(torch.distributions.Normal(0, 1).cdf(torch.tensor(1.0)))
    assert linear_accuracy(z[:4000], y[:4000], z[4000:], y[4000:]) == pytest.approx(best, abs=0.02)


def test_the_budget_does_not_warn_nor_change_what_others_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "STEPS", 1)
    z = normal(200, 30)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        linear_accuracy(z, (z[:, 0] > 0).long(), z, (z[:, 0] > 0).long())
        warnings.warn("one of ours", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["one of ours"]
    with pytest.raises(LimnerError, match="two classes"):
        linear_accuracy(z, torch.zeros(200), z, torch.zeros(200))


def test_a_unit_is_active_above_the_threshold() -> None:
    unit = torch.tensor([[-1.0], [1.0]]).repeat(500, 1)
    mu = unit * torch.tensor([1.0, 0.11, 0.09, 0]) + 3  # variances 1, 0.0121, 0.0081, 0
    assert active_units(mu) == 2
    assert active_units(mu, threshold=0.5) == 1


def test_effective_dimensions_of_known_spectra() -> None:
    q = torch.linalg.qr(normal(300, 6) - normal(300, 6).mean(0)).Q  # equal spread
    assert effective_dimensions(q) == pytest.approx(6)
    weighted = q * torch.tensor([3.0, 1, 0, 0, 0, 0])  # eigenvalues 9 and 1
    assert effective_dimensions(weighted) == pytest.approx(100 / 82)
    rotation = torch.linalg.qr(normal(6, 6, seed=1)).Q
    assert effective_dimensions(weighted @ rotation + 5) == pytest.approx(100 / 82)
    few = normal(5, 40)
    values = torch.linalg.eigvalsh(torch.cov(few.T))
    assert effective_dimensions(few) == pytest.approx(float(values.sum() ** 2 / values.square().sum()))
    assert effective_dimensions(torch.ones(5, 3)) == 0


def test_mmd_is_the_formula_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "ROWS", 3)
    z, y = normal(8, 2) * 2 + 1, normal(200_000, 2, seed=1)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = (a[:, None] - b[None]).square().sum(2)
        return torch.stack([(-squared / (2 * s)).exp() for s in (0.5, 1, 2, 4, 8)]).mean(0)

    within = (kernel(z, z).sum() - 8) / (8 * 7)
    expected = (
        within + kernel(y[::2][:, None].flatten(1)[:1500], y[1::2][:1500]).mean() - 2 * kernel(z, y).mean()
    )
    assert mmd_to_normal(z).value == pytest.approx(float(expected), abs=0.01)


@pytest.mark.parametrize(("n", "d"), [(50, 1), (50, 16)])
def test_the_prior_itself_gives_zero_with_the_floors_deviation(n: int, d: int) -> None:
    found = [mmd_to_normal(normal(n, d, seed=seed)) for seed in range(1000)]
    values, floor = torch.tensor([one.value for one in found]), found[0].floor
    assert abs(values.mean()) < 4 * floor / 1000**0.5
    assert values.std() == pytest.approx(floor, rel=0.15)
    assert {one.floor for one in found} == {floor}


def test_codes_far_from_the_prior_are_seen() -> None:
    z = normal(500, 8)
    value, floor = mmd_to_normal(z)
    assert abs(value) < 4 * floor
    for wrong in (z + 0.3, 0.7 * z, z.abs(), torch.cat([z[:, :4], z[:, :4]], 1)):
        assert mmd_to_normal(wrong).value > 10 * floor


def test_points_and_distant_codes_have_closed_forms() -> None:
    scales = torch.tensor([2.0, 4, 8, 16, 32]).double()  # of 8 dimensions
    prior = (scales / (scales + 2)) ** 4  # E k(y, y')
    point = (1 - 2 * (scales / (scales + 1)) ** 4 + prior).mean()
    assert mmd_to_normal(torch.zeros(500, 8)).value == pytest.approx(float(point))
    z = torch.tensor([[100.0] * 8, [101.0] + [100.0] * 7])  # so far that E k(z, y) is 0
    assert mmd_to_normal(z).value == pytest.approx(float(((-0.5 / scales).exp() + prior).mean()))


def test_the_distance_to_quantiles_is_that_of_kolmogorov_and_smirnov() -> None:
    shares = torch.linspace(0.001, 0.999, 999)
    z = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) ** 1.5
    expected = [kstest(column.numpy(), "uniform").statistic for column in z.T]
    value = distance_to_quantiles(z, shares[:, None].expand(-1, 2), shares)
    assert value == pytest.approx(sum(expected) / 2, abs=0.003)


def test_codes_of_the_density_have_the_distance_that_is_documented() -> None:
    shares, n = torch.linspace(0.01, 0.99, 99), 400
    z = torch.rand(n, 200, generator=torch.Generator().manual_seed(1))
    value = distance_to_quantiles(z, shares[:, None].expand(-1, 200), shares)
    assert value == pytest.approx(0.87 / n**0.5, rel=0.1)


def test_the_mean_correlation_is_that_of_the_pairs() -> None:
    x = normal(5000, 1)[:, 0]
    z = torch.stack([x, -x, normal(5000, 1, seed=2)[:, 0]], 1)
    assert mean_correlation(z) == pytest.approx(1 / 3, abs=0.02)
    assert mean_correlation(torch.stack([x, torch.ones(5000)], 1)) == 0
    assert mean_correlation(x[:, None]) == 0


def test_what_are_no_codes() -> None:
    for measure in (active_units, mean_correlation, effective_dimensions, mmd_to_normal):
        for z in (torch.zeros(1, 3), torch.zeros(5)):
            with pytest.raises(LimnerError, match="n from 2"):
                measure(z)
    assert math.isfinite(mmd_to_normal(normal(2, 200)).floor)
