"""The Frechet distance: closed forms, invariances, and where it may be used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.frechet import frechet, frechet_floor, frechet_limit


def exact_gaussian(n: int, mean: Tensor, std: Tensor, seed: int = 0) -> Tensor:
    """Features (n, d) whose sample mean and covariance are exactly `mean` and diag(std^2)."""
    x = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    q = torch.linalg.qr(x - x.mean(0)).Q
    return q * (n - 1) ** 0.5 * std + mean


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_diagonal_gaussians_have_their_closed_form() -> None:
    mean, std = random(2, 8), random(2, 8, seed=1).abs() + 0.1
    x, y = (exact_gaussian(200, mean[i], std[i], seed=i) for i in (0, 1))
    expected = (mean[0] - mean[1]).square().sum() + (std[0] - std[1]).square().sum()
    assert frechet(x, y) == pytest.approx(float(expected), rel=1e-10)


def test_it_agrees_with_the_matrix_square_root() -> None:
    x, y = random(300, 6) @ random(6, 6, seed=1), random(250, 6, seed=2) @ random(6, 6, seed=3) + 1
    s, t = torch.cov(x.T), torch.cov(y.T)
    values, vectors = torch.linalg.eigh(s)
    root = vectors @ torch.diag(values.sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ t @ root).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + s.trace() + t.trace() - 2 * overlap
    assert frechet(x, y) == pytest.approx(float(expected), rel=1e-10)


def test_shift_scale_rotation_and_order() -> None:
    x, y = random(100, 5), random(120, 5, seed=1) * 2 + 0.3
    rotation = torch.linalg.qr(random(5, 5, seed=2)).Q
    assert frechet(x, x + 0.5) == pytest.approx(5 * 0.25, rel=1e-9)
    assert frechet(3 * x, 3 * y) == pytest.approx(9 * frechet(x, y), rel=1e-9)
    assert frechet(x @ rotation, y @ rotation) == pytest.approx(frechet(x, y), rel=1e-9)
    assert frechet(y.flip(0), x) == pytest.approx(frechet(x, y), rel=1e-9)


def test_singular_covariances_are_exact() -> None:
    few = random(20, 50)  # fewer features than dimensions
    dead = torch.cat([random(80, 10), torch.zeros(80, 5)], 1)  # units that never fire
    assert frechet(few, few) == pytest.approx(0, abs=1e-10)
    assert frechet(dead, dead + 1) == pytest.approx(15, rel=1e-9)
    assert frechet(dead[:, :10], dead[:, :10] * 2) == pytest.approx(frechet(dead, dead * 2), rel=1e-9)


def test_the_covariance_is_the_n_minus_1_one() -> None:
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [0.0]])
    assert frechet(x, y) == pytest.approx(1 + 2)  # variance 2, not 1


def test_the_floor_falls_as_one_over_n() -> None:
    train, test = random(4000, 16), random(4000, 16, seed=1)
    small, large = (frechet_floor(train, test, n) for n in (200, 2000))
    assert 5 < small / large < 20
    assert frechet_floor(train, test, 200, seed=1) != small


@pytest.mark.parametrize("shapes", [((5, 3), (5, 4)), ((1, 3), (5, 3)), ((5,), (5,))])
def test_it_refuses_what_has_no_covariance(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(LimnerError, match="Frechet distance"):
        frechet(*(torch.zeros(shape) for shape in shapes))


def test_the_limit_of_equal_distributions_is_near_zero_where_the_distance_is_not() -> None:
    x, y = random(2000, 12), random(60_000, 12, seed=1)
    found = frechet_limit(x, y)
    assert frechet(x, y) > 0.03
    assert abs(found.value) < 0.01
    assert found.value + found.slope / 2000 == pytest.approx(frechet(x, y), abs=0.003)


def test_the_limit_keeps_a_true_distance_and_the_bias_of_the_reference() -> None:
    x, y = random(2000, 12) + 0.5, random(60_000, 12, seed=1)
    assert frechet_limit(x, y).value == pytest.approx(12 * 0.25, abs=0.3)
    few = random(300, 12, seed=2)  # a reference of 300 adds about as much as 300 samples would
    kept = frechet_limit(random(2000, 12), few).value
    assert kept == pytest.approx(frechet(few, y), rel=0.25)


def test_a_limit_is_a_function_of_its_seed_and_of_points_that_make_a_line() -> None:
    x, y = random(400, 6), random(500, 6, seed=1)
    assert frechet_limit(x, y) == pytest.approx(frechet_limit(x, y), rel=1e-9)
    assert frechet_limit(x, y) != frechet_limit(x, y, seed=1)
    two = frechet_limit(x, y, points=2)  # through both its points: the last is all of x
    assert two.value + two.slope / 400 == pytest.approx(frechet(x, y), rel=1e-9)
    with pytest.raises(LimnerError, match="1 points"):
        frechet_limit(x, y, points=1)
    with pytest.raises(LimnerError, match="over 30 features"):
        frechet_limit(x[:30], y)
    with pytest.raises(LimnerError, match="Frechet distance"):
        frechet_limit(x, y[:, :3])
