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
from limner.explore import Marginals, importance, knn_accuracy, lerp, slerp
from limner.explore.codes import choice, seeded
from limner.explore.manifolds import quantile_grid
from limner.explore.maps import project
from limner.explore.paths import different

T = torch.linspace(0, 1, 7)


def vectors(d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, d, generator=torch.Generator().manual_seed(seed))
    return a, b


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_path_begins_and_ends_exactly_where_it_should(path) -> None:  # type: ignore[no-untyped-def]
    a, b = vectors()
    z = path(a, b, T)
    assert torch.equal(z[0], a)
    assert torch.equal(z[-1], b)


def test_slerp_keeps_the_norm_and_turns_evenly() -> None:
    a, b = (v / v.norm() * 3 for v in vectors())
    z = slerp(a, b, T)
    assert torch.allclose(z.norm(dim=1), torch.full((7,), 3.0), atol=1e-5)
    angles = torch.acos((z[:-1] * z[1:]).sum(1) / 9)
    assert torch.allclose(angles, angles.mean().expand(6), atol=1e-3)
    assert angles.sum().item() == pytest.approx(math.acos(float(a @ b) / 9), abs=1e-3)


def test_slerp_in_the_plane_is_the_circle() -> None:
    z = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), T)
    angle = T * math.pi / 2
    assert torch.allclose(z, torch.stack([angle.cos(), angle.sin()], 1), atol=1e-6)


def test_slerp_where_the_angle_says_nothing() -> None:
    a, _ = vectors()
    zero = torch.zeros(5)
    for other in (zero, a, 2 * a):  # zero, equal, parallel: the straight line
        assert torch.allclose(slerp(a, other, T), lerp(a, other, T), atol=1e-6)
        assert torch.allclose(slerp(other, a, T), lerp(other, a, T), atol=1e-6)
    assert torch.equal(slerp(zero, zero, T), torch.zeros(7, 5))
    turned = slerp(a, -a, T)  # opposite: a great circle, not through zero
    assert torch.allclose(turned.norm(dim=1), a.norm().expand(7), atol=1e-5)
    assert torch.allclose(turned[[0, -1]], torch.stack([a, -a]), atol=1e-6)
    longer = slerp(a, -2 * a, T)
    assert torch.allclose(longer.norm(dim=1), a.norm() * (1 + T), atol=1e-5)
    line = slerp(torch.tensor([1.0]), torch.tensor([-1.0]), T)
    assert torch.allclose(line[:, 0], 1 - 2 * T)


def test_normal_and_uniform_quantiles() -> None:
    p = [0.05, 0.5, 0.975]
    normal = Marginals(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
    expected = torch.tensor([[NormalDist().inv_cdf(q), NormalDist(2, 3).inv_cdf(q)] for q in p])
    assert torch.allclose(normal.quantiles(p), expected, atol=1e-5)
    uniform = Marginals(torch.zeros(1), torch.full((1,), 1 / math.sqrt(3)), "uniform")
    assert torch.allclose(uniform.quantiles(p)[:, 0], torch.tensor([-0.9, 0.0, 0.95]), atol=1e-6)


def test_drawn_codes_have_the_moments() -> None:
    for kind in ("normal", "uniform"):
        z = Marginals(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0]), kind).draw(20_000, 0)
        assert torch.allclose(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.08)
        assert torch.allclose(z.std(0), torch.tensor([0.5, 3.0]), rtol=0.03)
        if kind == "uniform":
            assert ((z[:, 0] - 1).abs() <= 0.5 * math.sqrt(3) + 1e-6).all()


def test_the_manifold_grows_to_the_right_and_upwards() -> None:
    marginals = Marginals(torch.tensor([5.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 2.0]))
    codes, values = quantile_grid(marginals, 2, 0, 4)
    at = [NormalDist().inv_cdf((i + 0.5) / 4) for i in range(4)]
    assert codes.shape == (4, 4, 3)
    for row in range(4):
        for column in range(4):
            expected = torch.tensor([5 + at[3 - row], 0.0, 1 + 2 * at[column]])
            assert torch.allclose(codes[row, column], expected, atol=1e-5)
    assert torch.allclose(values, torch.tensor([[1 + 2 * q for q in at], [5 + q for q in at]]), atol=1e-5)


class Linear:
    """Decodes z to W z, each variable to pixels of its own."""

    latent_dim = 4

    def __init__(self) -> None:
        self.w = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(1)) * torch.tensor(
            [0.1, 0.0, 0.5, 0.2]
        ).reshape(4, 1, 1, 1)

    def decode(self, z: Tensor) -> Tensor:
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
    assert knn_accuracy(torch.from_numpy(x), labels) == pytest.approx(expected)
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


def test_what_is_drawn_leaves_the_callers_generator_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with seeded(1):
        first = torch.randn(2)
    with seeded(1):
        assert torch.equal(torch.randn(2), first)
    choice(10, 3, 0)
    Marginals(torch.zeros(2), torch.ones(2)).draw(3, 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_pairs_are_of_different_labels_where_there_are_any() -> None:
    labels = torch.tensor([0] * 9 + [1])
    first, second = different(labels, 10, 6, 0)
    assert all(labels[a] != labels[b] for a, b in zip(first, second, strict=True))
    for same in (None, torch.zeros(10)):
        first, second = different(same, 10, 6, 0)
        assert (first != second).all()
    with pytest.raises(LimnerError, match="one test image"):
        different(None, 1, 1, 0)
