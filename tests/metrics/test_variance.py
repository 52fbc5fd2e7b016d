"""Shares of variance against their closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.errors import LimnerError
from limner.metrics import variance_shares


def draw(n: int, k: int, between: float, within: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    groups = torch.randn(n, 1, 4, generator=generator, dtype=torch.float64)
    return between * groups + within * torch.randn(n, k, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("between", "within"), [(1.0, 0.5), (0.3, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_sums_of_independent_causes(between: float, within: float) -> None:
    shares = variance_shares(draw(2000, 3, between, within))
    expected = within**2 / (between**2 + within**2)
    assert shares.within == pytest.approx(expected, abs=4 * shares.error + 0.01)
    assert shares.between + shares.within == pytest.approx(1)


def test_the_error_is_that_of_repeated_draws() -> None:
    values = draw(4000, 3, 1.0, 1.0)
    parts = [variance_shares(part) for part in values.split(40)]
    spread = np.std([part.within for part in parts])
    assert np.mean([part.error for part in parts]) == pytest.approx(spread, rel=0.25)


def test_a_small_table_by_hand() -> None:
    # groups (0, 2) and (6, 8): within 2, means 1 and 7 with variance 18, between 18 - 2 / 2 = 17
    shares = variance_shares(torch.tensor([[0.0, 2.0], [6.0, 8.0]]))
    assert shares.within == pytest.approx(2 / 19)


def test_too_few_values_are_one_line() -> None:
    with pytest.raises(LimnerError, match=r"need 2 groups of 2 values or more, not \(1, 5\)"):
        variance_shares(torch.zeros(1, 5))
