"""A translation that hides the image in its low bits, and one that does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import LimnerError
from limner.metrics import frechet, psnr
from limner.metrics.translation import (
    add_noise,
    cycle_error,
    identity_baseline,
    in_channels,
    luminance_correlation,
    match_histograms,
)

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


def test_matched_histograms_have_the_values_of_a_reference_in_the_order_of_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (4, 3, 9, 7), generator=generator, dtype=torch.uint8)
    reference = torch.randint(100, 200, (2, 3, 9, 7), generator=generator, dtype=torch.uint8)
    y = match_histograms(x, reference)
    for i, image in enumerate(y):
        values = image.flatten(1).sort(1).values
        assert any(torch.equal(values, other.flatten(1).sort(1).values) for other in reference)
        for before, after in zip(x[i].flatten(1), image.flatten(1), strict=True):
            darker = before[:, None].int() < before[None].int()
            assert (after[:, None].int() <= after[None].int())[darker].all(), "the order stays"
    assert torch.equal(match_histograms(x, x[:1])[0], x[0])


def test_light_and_dark_areas_correlate_by_1_or_minus_1() -> None:
    x = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(luminance_correlation(x, 0.3 * x + 0.1), torch.ones(5))
    torch.testing.assert_close(luminance_correlation(x, -x), -torch.ones(5))
    torch.testing.assert_close(luminance_correlation(x, torch.zeros_like(x)), torch.zeros(5))
    assert luminance_correlation(x, x[:, :1]).min() > 0, "grey against colour"


def test_noise_has_its_deviation_on_the_scale_of_pixels() -> None:
    x = torch.zeros(4, 1, 100, 100)
    assert (add_noise(x, 0.02) / 2).std() == pytest.approx(0.02, rel=0.02)
    assert torch.equal(add_noise(x, 0.02), add_noise(x, 0.02))


def test_grey_and_colour_are_brought_together() -> None:
    colour = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert torch.equal(in_channels(colour, 1), colour.mean(1, keepdim=True))
    assert in_channels(colour[:, :1], 3).shape == colour.shape
    assert in_channels(colour, 3) is colour
