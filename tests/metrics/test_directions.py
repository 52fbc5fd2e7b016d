"""Directions against closed forms: eigenvectors, principal axes, derivatives, normals of planes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.directions import (
    centroid_direction,
    effect_directions,
    principal_directions,
    probe_direction,
    style_directions,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same_line(a: Tensor, b: Tensor) -> float:
    """The absolute cosine of two directions."""
    return float(torch.cosine_similarity(a.double(), b.double(), 0).abs())


def test_directions_of_styles_are_sorted_eigenvectors_of_all_layers() -> None:
    weights = [draw(9, 5), 3 * draw(7, 5, seed=1)]
    directions = style_directions(weights)
    rows = torch.cat(weights)
    rows = rows / rows.norm(dim=1, keepdim=True)
    gains = (rows @ directions.T).square().sum(0)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5, dtype=torch.float64))
    assert (gains.diff() <= 1e-9).all(), "the largest change of the layers' outputs first"
    assert gains[0] == pytest.approx(float(torch.linalg.matrix_norm(rows, 2) ** 2))
    scaled = style_directions([10 * weights[0], weights[1]])
    torch.testing.assert_close(scaled.abs(), directions.abs())


def test_principal_directions_are_the_axes_of_the_codes() -> None:
    codes = draw(500, 3) * torch.tensor([1.0, 5.0, 0.1]) + 7
    first, second = principal_directions(codes, 2)
    assert same_line(first, torch.tensor([0.0, 1, 0])) > 0.999
    assert same_line(second, torch.tensor([1.0, 0, 0])) > 0.99


def test_directions_of_effect_are_those_of_the_derivative() -> None:
    matrix = draw(4, 30)
    directions = effect_directions(lambda z: (z @ matrix).unflatten(1, (5, 6)), draw(3, 4))
    _, _, axes = torch.linalg.svd(matrix.T)
    assert [same_line(a, b) for a, b in zip(directions, axes, strict=True)] == pytest.approx([1] * 4)


def test_directions_between_groups() -> None:
    noise, normal = draw(2000, 3) * torch.tensor([1.0, 1.0, 9.0]), torch.tensor([0.6, 0.8, 0.0]).double()
    a, b = noise[:1000], noise[1000:] + 4 * normal
    for find in (centroid_direction, probe_direction):
        direction = find(a, b)
        assert float(direction.norm()) == pytest.approx(1)
        assert float(direction @ normal) > 0.95
        assert float(find(b, a) @ normal) < -0.95
    assert float(probe_direction(a, b) @ normal) > 0.995, "wide noise does not turn the plane"
    with pytest.raises(LimnerError, match="do not differ"):
        centroid_direction(a, a)
