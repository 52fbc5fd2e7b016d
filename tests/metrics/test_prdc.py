"""Precision, recall, density, coverage: cases whose answer is known."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import prdc

module = importlib.import_module("limner.metrics.prdc")  # the package has a function of that name


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_equal_sets() -> None:
    x = random(300, 4)
    found = prdc(x, x)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density == pytest.approx(1, abs=0.25)  # k others and itself, divided by k


def test_equal_distributions_have_density_and_coverage_as_in_the_paper() -> None:
    found = prdc(random(2000, 8), random(2000, 8, seed=1))
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.coverage == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al. 2020, lemma 2


def test_far_sets_have_nothing() -> None:
    assert prdc(random(100, 3), random(100, 3, seed=1) + 100) == (0, 0, 0, 0)


def test_a_collapsed_sampler_is_faithful_without_variety() -> None:
    real = random(200, 4)
    found = prdc(real, real[:1].expand(200, 4))
    assert found.precision == 1
    assert found.recall == pytest.approx(1 / 200)  # <=: the one image itself lies in the balls of radius 0
    assert found.coverage < 0.1


def test_on_a_line_by_hand() -> None:
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])  # radii 1, 1, 1, 8 with k = 1
    fake = torch.tensor([[1.5], [3.0], [50.0]])  # radii 1.5, 1.5, 47
    found = prdc(real, fake, k=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.density == pytest.approx((2 + 2) / 3)  # 1.5 in the balls of 1, 2; 3 in those of 2, 10
    assert found.coverage == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(4 / 4)  # 0 and 1 by 1.5's ball, 2 by both, 10 by 50's


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = random(150, 3), random(130, 3, seed=1) * 0.7
    whole = prdc(real, fake)
    monkeypatch.setattr(module, "ROWS", 37)
    assert prdc(real, fake) == whole


def test_too_few_are_refused() -> None:
    with pytest.raises(LimnerError, match="more than 5"):
        prdc(random(5, 2), random(100, 2))
