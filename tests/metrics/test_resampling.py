"""Errors by resampling, against the closed form of a mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.resampling import bootstrap, standard_error


def mean(x: Tensor) -> float:
    return float(x.mean())


def difference(x: Tensor, y: Tensor) -> float:
    return mean(x) - mean(y)


X, Y = torch.randn(2, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_error_of_a_mean_is_the_deviation_over_the_root_of_n() -> None:
    assert bootstrap(mean, X, times=2000) == pytest.approx(standard_error(X), rel=0.06)


def test_arrays_are_resampled_independently() -> None:
    expected = (standard_error(X) ** 2 + standard_error(Y[:100]) ** 2) ** 0.5
    assert bootstrap(difference, X, Y[:100], times=2000) == pytest.approx(expected, rel=0.06)
    assert bootstrap(difference, X, X, times=500) > standard_error(X)  # paired, it would be 0


def test_rows_stay_whole_and_seeds_decide() -> None:
    rows = torch.stack([X, -X], 1)
    assert bootstrap(lambda z: float(z.sum(1).abs().max()), rows) == 0
    assert bootstrap(mean, X) == bootstrap(mean, X) != bootstrap(mean, X, seed=1)


def test_an_error_by_hand() -> None:
    assert standard_error([1, 2, 3]) == pytest.approx(1 / 3**0.5)


def test_what_it_refuses() -> None:
    with pytest.raises(LimnerError, match="two values"):
        standard_error([1.0])
    for wrong in (lambda: bootstrap(mean, X, times=1), lambda: bootstrap(mean, X[:0])):
        with pytest.raises(LimnerError, match="2 times or more"):
            wrong()
