"""Straight lines and great circles: closed forms, ends, and angles that have no circle of their own."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from limner.metrics.paths import lerp, slerp

T = torch.linspace(0, 1, 7)


def vectors(d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, d, generator=torch.Generator().manual_seed(seed))
    return a, b


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_path_has_exactly_its_ends(path: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    a, b = vectors()
    z = path(a, b, T)
    assert torch.equal(z[0], a)
    assert torch.equal(z[-1], b)
    assert (z.shape, z.dtype) == ((7, 5), torch.float32)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_pair_for_each_share(path: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    pairs = [vectors(seed=seed) for seed in range(6)]
    a, b = vectors(seed=7)
    pairs += [(a, -a), (a, 2 * a), (a, torch.zeros(5)), (torch.zeros(5), b)]
    t = torch.linspace(0, 1, len(pairs))
    rows = path(torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs]), t)
    assert rows.isfinite().all()
    for row, (a, b), share in zip(rows, pairs, t, strict=True):
        assert torch.allclose(row, path(a, b, share[None])[0], atol=1e-6)


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


def test_slerp_where_the_angle_has_no_circle() -> None:
    a, _ = vectors()
    zero = torch.zeros(5)
    for other in (zero, a, 2 * a):  # zero, equal, parallel: the straight line
        assert torch.allclose(slerp(a, other, T), lerp(a, other, T), atol=1e-6)
        assert torch.allclose(slerp(other, a, T), lerp(other, a, T), atol=1e-6)
    assert torch.equal(slerp(zero, zero, T), torch.zeros(7, 5))
    half = slerp(a, -a, T)  # opposite: a great circle, not through zero
    assert torch.allclose(half.norm(dim=1), a.norm().expand(7), atol=1e-5)
    assert torch.allclose(half[[0, -1]], torch.stack([a, -a]), atol=1e-6)
    longer = slerp(a, -2 * a, T)
    assert torch.allclose(longer.norm(dim=1), a.norm() * (1 + T), atol=1e-5)
    line = slerp(torch.tensor([1.0]), torch.tensor([-1.0]), T)
    assert torch.allclose(line[:, 0], 1 - 2 * T)
