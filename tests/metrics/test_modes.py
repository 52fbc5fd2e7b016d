"""Stacked images: their modes, how many are covered, and how evenly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.modes import (
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    mode_counts,
    stack,
    stacked_counts,
    stacked_modes,
)

PIXELS = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 1, 2, 2)  # a "digit" is its grey


def classify(pixels: Tensor) -> Tensor:
    assert pixels.shape[1:] == (1, 2, 2)
    return torch.eye(10)[pixels[:, 0, 0, 0].long()]


def counts(pixels: Tensor) -> Tensor:
    return mode_counts(stacked_modes(classify, pixels), 1000)


def test_the_first_channel_is_the_most_significant_digit() -> None:
    pixels = PIXELS[[[4, 0, 7], [9, 9, 9]], 0]
    assert stacked_modes(classify, pixels).tolist() == [407, 999]


def test_channels_are_drawn_independently() -> None:
    pixels = stack(PIXELS, 20_000)
    assert pixels.shape == (20_000, 3, 2, 2)
    assert pixels.dtype == torch.uint8
    digits = pixels[:, :, 0, 0].double()
    assert (torch.corrcoef(digits.T) - torch.eye(3)).abs().max() < 0.03
    assert torch.equal(pixels, stack(PIXELS, 20_000))
    assert not torch.equal(pixels, stack(PIXELS, 20_000, seed=1))


def test_a_perfect_sampler_covers_all_and_has_the_floor() -> None:
    found, uniform = counts(stack(PIXELS, 26_000)), torch.ones(1000)
    floor = class_kl_floor(1000, 26_000)
    assert floor == pytest.approx(0.0192, abs=5e-5)
    assert classes_present(found) == 1000
    assert class_kl(found, uniform) == pytest.approx(floor, rel=0.15)


@pytest.mark.parametrize(("n", "m"), [(300, 300), (1000, 200), (200, 1000)])
def test_the_floor_of_two_samples_is_the_mean_of_their_divergence(n: int, m: int) -> None:
    shares = torch.tensor([0.3, 0.2, 0.15, 0.15, 0.1, 0.1])
    torch.manual_seed(0)
    values = [
        class_kl(*(shares.multinomial(size, True).bincount(minlength=6) for size in (n, m)))
        for _ in range(1000)
    ]
    mean = sum(values) / len(values)
    assert mean == pytest.approx(class_kl_floor(6, n, m), rel=0.08)
    assert mean > 1.15 * class_kl_floor(6, n), "both sides are samples"


def test_dropped_modes_are_seen() -> None:
    found = counts(stack(PIXELS[:8], 26_000))  # two of ten digits never
    assert classes_present(found) == 512
    assert class_kl(found, torch.ones(1000)) > torch.tensor(1000 / 512).log()
    assert classes_present(counts(stack(PIXELS[:1], 100))) == 1


def test_uneven_digits_are_expected_unevenly() -> None:
    uneven = PIXELS[[0, 0, 0, *range(10)]]
    expected = stacked_counts(class_counts(classify(uneven)))
    assert expected[0] / expected[999] == 4**3
    assert expected[109] / expected[999] == 4  # digits 1, 0, 9
    found = counts(stack(uneven, 26_000))
    assert class_kl(found, expected) == pytest.approx(class_kl_floor(1000, 26_000), rel=0.2)
    assert class_kl(found, torch.ones(1000)) > 0.2


def test_what_cannot_be_stacked_or_counted_is_refused() -> None:
    with pytest.raises(LimnerError, match="one channel can be stacked"):
        stack(PIXELS.expand(10, 3, 2, 2), 5)
    with pytest.raises(LimnerError, match="three channels"):
        stacked_modes(classify, PIXELS)
    with pytest.raises(LimnerError, match="mode 12 is not below"):
        mode_counts(torch.tensor([3, 12]), 10)
