"""A translation that hides the image in its low bits, and one that does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import LimnerError
from limner.metrics import frechet, psnr
from limner.metrics.translation import cycle_error, identity_baseline

X = to_float(torch.randint(256, (250, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8))
HIDDEN = 1e-3  # far below one of 255 steps


def hide(x: Tensor) -> Tensor:
    """A flat grey image to the eye."""
    return 0.25 + HIDDEN * x


def reveal(y: Tensor) -> Tensor:
    return ((y - 0.25) / HIDDEN).clamp(-1, 1)


def negative(x: Tensor) -> Tensor:
    return -x


def test_a_hidden_image_is_lost_once_stored() -> None:
    found = cycle_error(hide, reveal, X)
    assert found.plain < 1e-6
    assert found.rounded > 0.1
    assert cycle_error(hide, reveal, X, noise=0).rounded > 0.05  # rounding alone


def test_an_honest_pair_loses_no_more_than_the_noise() -> None:
    found = cycle_error(negative, negative, 0.8 * X)  # no pixel near the ends, where noise is cut off
    assert found.plain == 0
    rounding = 1 / 12 / 255**2
    assert found.rounded == pytest.approx((2 / 255) ** 2 + rounding, rel=0.03)
    assert cycle_error(negative, negative, X, noise=0).rounded == pytest.approx(0, abs=1e-12)


def test_another_measure_and_another_seed() -> None:
    found = cycle_error(negative, negative, 0.8 * X, measure=psnr)
    assert found.plain == torch.inf
    assert 40 < found.rounded < 44
    assert found.rounded != cycle_error(negative, negative, 0.8 * X, measure=psnr, seed=1).rounded


def test_the_baseline_is_the_distance_of_images_left_alone() -> None:
    a, b = X[:100].flatten(1), X[100:200].flatten(1)
    assert identity_baseline(a, b + 1) == frechet(a, b + 1)
    assert identity_baseline(a, b, measure=lambda x, y: float(x.mean() - y.mean())) == float(
        a.mean() - b.mean()
    )


def test_no_image_is_refused() -> None:
    with pytest.raises(LimnerError, match="at least one image"):
        cycle_error(negative, negative, X[:0])
