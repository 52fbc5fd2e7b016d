"""The shares of attributes against images whose attributes are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.recipes.style_mixing import grey_level, share_followed


def values(seed: int) -> Tensor:
    return torch.randn(300, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_a_share_is_that_of_the_sum(share: float) -> None:
    giver, receiver = values(1), values(2)
    mixed = 2 * (share * giver + (1 - share) * receiver) + 5
    assert share_followed(mixed, giver, receiver) == pytest.approx(share, abs=1e-9)
    noise = 0.3 * values(3)
    assert share_followed(mixed + noise, giver, receiver) == pytest.approx(share, abs=0.05)


def test_what_follows_neither_is_no_share() -> None:
    for level in (0.1, 1.0, 200.0):  # the errors of rounding differ, and fall on either side of 0
        constant = torch.full((300,), level, dtype=torch.float64)
        for giver, receiver in ((1, 2), (2, 1), (3, 4)):
            assert share_followed(constant, values(giver), values(receiver)) == 0
    assert share_followed(-values(1), values(1), values(2)) < 0.2, "an opposite is not followed"


def test_the_grey_level_is_that_of_bright_pixels() -> None:
    pixels = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    pixels[0, 0, :2] = 200
    pixels[1, 0, 0, 0] = 150
    pixels[1, 0, 0, 1] = 250
    assert grey_level(pixels).tolist() == [200, 200, 0]
