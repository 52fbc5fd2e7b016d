"""The kernel distance: the formula spelled out, no bias, blocks."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import kernel as module
from limner.metrics import kid, kid_blocks


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_the_formula_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 3)
    x, y = random(7, 4), random(5, 4, seed=1) + 0.5

    def k(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 4 + 1) ** 3)

    def pairs(z: Tensor) -> list[float]:
        return [k(a, b) for a, b in itertools.permutations(z, 2)]

    across = [k(a, b) for a in x for b in y]
    expected = sum(pairs(x)) / 42 + sum(pairs(y)) / 20 - 2 * sum(across) / 35
    assert kid(x, y) == pytest.approx(expected, rel=1e-12)


def test_equal_distributions_give_zero_on_average_at_any_n() -> None:
    for n in (20, 200):
        values = torch.tensor(
            [kid(random(n, 8, seed=2 * i), random(n, 8, seed=2 * i + 1)) for i in range(200)]
        )
        assert abs(values.mean()) < 4 * values.std() / 200**0.5
        assert (values < 0).any()  # unbiased, so some lie below


def test_blocks_have_the_same_mean_and_an_error_that_covers_it() -> None:
    x, y = random(3000, 8), random(3000, 8, seed=1) + 0.1
    mean, error = kid_blocks(x, y, size=300)
    assert abs(mean - kid(x, y)) < 4 * error
    assert 0 < error < mean


def test_too_few_are_refused() -> None:
    with pytest.raises(LimnerError, match="blocks of 1000"):
        kid_blocks(random(1500, 2), random(1500, 2))
    with pytest.raises(LimnerError, match="kernel distance"):
        kid(random(1, 2), random(5, 2))
