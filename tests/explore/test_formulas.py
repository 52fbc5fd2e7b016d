"""The formulas behind the pictures, against closed forms and scikit-learn."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from limner.errors import LimnerError
from limner.explore import importance
from limner.explore.codes import choose_indices
from limner.explore.interpolations import choose_pairs
from limner.explore.manifolds import quantile_grid
from limner.explore.maps import neighbour_accuracy, project
from limner.metrics.codes import knn_accuracy_leave_one_out
from limner.models.latent import FittedPriors, Latent, Normal, Prior, Uniform
from limner.random_state import seeded
from limner.training.codes import draw_codes

T = torch.linspace(0, 1, 7)


def vectors(d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, d, generator=torch.Generator().manual_seed(seed))
    return a, b


def gaussian(mean: list[float], std: list[float]) -> Prior:
    """A fitted density of independent Gaussians with these means and deviations."""
    densities = FittedPriors(len(mean))
    densities.mean.copy_(torch.tensor(mean))
    densities.std.copy_(torch.tensor(std))
    densities.fitted.fill_(True)
    return densities.by_name()["gaussian"]


def test_normal_and_uniform_quantiles() -> None:
    p = [0.05, 0.5, 0.975]
    normal = gaussian([0.0, 2.0], [1.0, 3.0])
    expected = torch.tensor([[NormalDist().inv_cdf(q), NormalDist(2, 3).inv_cdf(q)] for q in p])
    assert torch.allclose(normal.quantiles(p), expected, atol=1e-5)
    assert torch.allclose(Uniform(1).quantiles(p)[:, 0], torch.tensor([-0.9, 0.0, 0.95]), atol=1e-6)


def test_random_codes_have_the_moments_of_the_prior() -> None:
    for prior in (gaussian([1.0, -2.0], [0.5, 3.0]), Normal(2), Uniform(2)):
        z = draw_codes(Latent((2,), {"prior": prior}), 20_000, seed=0)
        assert torch.allclose(z.mean(0), prior.mean, atol=0.08)
        assert torch.allclose(z.std(0), prior.std, rtol=0.03)
        reach = ((z - prior.mean) / prior.std).abs().max()
        assert reach <= prior.reach + 1e-6
    assert prior.reach == pytest.approx(math.sqrt(3))
    assert reach > 1.7


def test_the_manifold_grows_to_the_right_and_upwards() -> None:
    prior = gaussian([5.0, 0.0, 1.0], [1.0, 1.0, 2.0])
    codes, values = quantile_grid(prior, torch.tensor([9.0, 7.0, 9.0]), 2, 0, 4)
    at = [NormalDist().inv_cdf((i + 0.5) / 4) for i in range(4)]
    assert codes.shape == (4, 4, 3)
    for row in range(4):
        for column in range(4):
            expected = torch.tensor([5 + at[3 - row], 7.0, 1 + 2 * at[column]])
            assert torch.allclose(codes[row, column], expected, atol=1e-5)
    assert torch.allclose(values, torch.tensor([[1 + 2 * q for q in at], [5 + q for q in at]]), atol=1e-5)


class Linear:
    """Decodes z to W z, each variable to pixels of its own."""

    device = torch.device("cpu")
    latent = Latent((4,), {"normal": Normal(4)})

    def __init__(self) -> None:
        self.w = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(1)) * torch.tensor(
            [0.1, 0.0, 0.5, 0.2]
        ).reshape(4, 1, 1, 1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.einsum("nd,dchw->nchw", z, self.w)


def test_importance_of_a_linear_decoder_is_its_weights() -> None:
    model, std = Linear(), torch.tensor([1.0, 1.0, 0.5, 3.0])
    found = importance(model, torch.randn(9, 4), std)
    exact = (std.reshape(4, 1, 1, 1) * model.w / 2).square().flatten(1).mean(1)
    assert torch.allclose(found, exact, atol=1e-6)
    assert found.argsort(descending=True).tolist() == [3, 2, 0, 1]


def test_knn_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 150)
    x = rng.normal(size=(150, 3)) + labels[:, None]
    expected = cross_val_score(KNeighborsClassifier(5), x, labels, cv=LeaveOneOut()).mean()
    x, y = torch.from_numpy(x), torch.from_numpy(labels)
    assert knn_accuracy_leave_one_out(x, y) == pytest.approx(expected)
    assert neighbour_accuracy(x, x, y) == {
        "codes": pytest.approx(expected),
        "pixels": pytest.approx(expected),
    }
    assert neighbour_accuracy(x, x, None) == {}
    assert 0.3 < expected < 0.95


def test_maps_of_odd_codes() -> None:
    z = np.random.default_rng(0).normal(size=(30, 1)).astype(np.float32)
    for method in ("pca", "tsne"):
        points, axes = project(z, method)
        assert points.shape == (30, 2)
        assert np.isfinite(points).all()
        assert (axes is None) == (method == "tsne")
    with pytest.raises(LimnerError, match="collapsed"):
        project(np.ones((30, 4), np.float32), "tsne")


def test_random_choices_leave_the_callers_generator_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with seeded(1):
        first = torch.randn(2)
    with seeded(1):
        assert torch.equal(torch.randn(2), first)
    choose_indices(10, 3, 0)
    codes = draw_codes(Latent((2,), {"normal": Normal(2)}), 3, seed=0)
    assert torch.equal(codes, torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)


def test_pairs_are_of_different_labels_where_there_are_any() -> None:
    labels = torch.tensor([0] * 9 + [1])
    first, second = choose_pairs(labels, 10, 6, 0)
    assert all(labels[a] != labels[b] for a, b in zip(first, second, strict=True))
    for same in (None, torch.zeros(10)):
        first, second = choose_pairs(same, 10, 6, 0)
        assert (first != second).all()
    with pytest.raises(LimnerError, match="one test image"):
        choose_pairs(None, 1, 1, 0)


@pytest.mark.parametrize("kinds", [2, 7])
def test_equal_codes_are_one_point_of_a_map(kinds: int) -> None:
    codes = np.random.default_rng(0).normal(size=(kinds, 5)).astype(np.float32)
    order = np.arange(600) % kinds
    points, _ = project(codes[order], "tsne")
    assert points.shape == (600, 2)
    assert all(len(np.unique(points[order == kind], axis=0)) == 1 for kind in range(kinds))
    assert len(np.unique(points, axis=0)) == kinds
