"""Neighbours and balls by matrix products are those of the differences themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.metrics import neighbours as module
from limner.metrics.neighbours import exact, neighbours, squared, within


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SETS = {
    "continuous": (random(90, 6), random(70, 6, seed=1)),
    "copies": (random(90, 6)[torch.arange(90) % 7], random(90, 6)[torch.arange(70) % 5]),
    "whole numbers": (random(90, 3).round(), random(70, 3, seed=1).round()),
    "far from 0": (random(90, 6) + 1e7, random(70, 6, seed=1) + 1e7),  # the product has lost all digits
    "constant": (random(1, 6).expand(90, 6), random(1, 6).expand(70, 6)),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("k", [1, 3, 70])
def test_neighbours_are_those_of_all_differences(name: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = SETS[name]
    monkeypatch.setattr(module, "ROWS", 32)
    found, distances = neighbours(x, y, k), exact(x, y)
    assert torch.equal(found.distance, distances.kthvalue(k, dim=1).values)
    assert torch.equal(distances.gather(1, found.position[:, None])[:, 0], found.distance)


@pytest.mark.parametrize("name", SETS)
def test_none_is_its_own_neighbour(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = SETS[name]
    monkeypatch.setattr(module, "ROWS", 32)
    distances = exact(x, x).fill_diagonal_(torch.inf)
    found = neighbours(x, x, 2, own=torch.arange(len(x)))
    assert torch.equal(found.distance, distances.kthvalue(2, dim=1).values)
    assert (found.position != torch.arange(len(x))).all()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("few", [0, 1])  # doubts by whole blocks, or one by one
def test_a_neighbour_on_the_sphere_is_inside(name: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = SETS[name]
    monkeypatch.setattr(module, "FEW", few)
    rows, columns = (neighbours(a, b, 3).distance for a, b in ((x, y), (y, x)))
    distances = exact(x, y)
    found = within(x, y, squared(x, y), rows[:, None])
    assert torch.equal(found, distances <= rows[:, None])
    assert (found.sum(1) >= 3).all()
    assert torch.equal(within(x, y, squared(x, y), columns[None]), distances <= columns)
