"""Copies have bad numbers, fresh draws do not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.memorisation import authentic, memorisation, nearest


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


TRAIN, TEST = random(3000, 8), random(1000, 8, seed=1)


def test_the_nearest_on_a_line() -> None:
    x, y = torch.tensor([[0.0], [4.0], [10.0]]), torch.tensor([[1.0], [4.0], [30.0]])
    assert nearest(x, y).tolist() == [1, 0, 6]
    images = random(5, 1, 4, 4)
    assert nearest(images, images.flip(0)).tolist() == [0] * 5
    with pytest.raises(LimnerError, match="nearest neighbours need"):
        nearest(x, images)


def test_fresh_draws_are_honest() -> None:
    found = memorisation(random(1500, 8, seed=2), TRAIN, TEST)
    assert found.n == 1000
    assert found.ratio == pytest.approx(1, abs=0.03)
    assert found.copied == pytest.approx(0.5, abs=0.04)
    held_out = authentic(TEST, TRAIN).double().mean()
    assert found.authentic == pytest.approx(float(held_out), abs=0.04)


def test_numbers_are_equal_on_both_sides_whichever_is_larger() -> None:
    found = memorisation(random(1500, 8, seed=2), TEST, TRAIN)
    assert found.n == 1000
    assert found.copied == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("noise", [0, 0.01])
def test_copies_are_caught(noise: float) -> None:
    found = memorisation(TRAIN[:900] + noise * random(900, 8, seed=3), TRAIN[:1000], TEST)
    assert found.ratio < 0.1
    assert found.copied > 0.95
    assert found.authentic < 0.01


def test_some_copies_show_in_proportion() -> None:
    samples = torch.cat([TRAIN[:300], random(700, 8, seed=2)])
    found = memorisation(samples, TRAIN[:1000], TEST)
    assert found.copied == pytest.approx(0.3 + 0.7 * 0.5, abs=0.04)


def test_a_sample_as_near_to_both_counts_half() -> None:
    both = torch.tensor([[0.0], [5.0]])
    found = memorisation(both, both, both)
    assert (found.ratio, found.copied) == (1, 0.5)


def test_authentic_by_hand() -> None:
    train = torch.tensor([[0.0], [3.0], [4.0]])  # their own nearest are 3, 1 and 1 away
    samples = torch.tensor([[-2.0], [-4.0], [3.2], [5.5]])  # 2, 4, 0.2 and 1.5 away from 0, 0, 3 and 4
    assert authentic(samples, train).tolist() == [False, True, False, True]


def test_what_it_refuses() -> None:
    with pytest.raises(LimnerError, match="of one shape"):
        memorisation(TEST, TRAIN, TEST[:, :3])
    with pytest.raises(LimnerError, match="two training images"):
        memorisation(TEST, TRAIN[:1], TEST)
