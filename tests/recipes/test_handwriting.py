"""Slant and thickness of digits, of bars whose slant and thickness are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.recipes.handwriting import correlation, slant, thickness


def bar(width: int, lean: float = 0.0, side: int = 41) -> Tensor:
    """A bright bar from top to bottom, `width` pixels wide, that moves by `lean` columns a row."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    left = side / 2 - width / 2 + lean * (row - side // 2)
    inside = (row >= 8) & (row < side - 8) & (column + 0.5 > left) & (column + 0.5 < left + width)
    return (255 * inside).to(torch.uint8)[None]


@pytest.mark.parametrize("width", [3, 5, 7])
def test_the_thickness_of_a_bar_is_its_width(width: int) -> None:
    long = bar(width, side=201)  # its ends, nearer to the edge, hardly count
    assert thickness(long[None])[0].item() == pytest.approx(width, abs=0.4)


@pytest.mark.parametrize("lean", [-0.4, 0.0, 0.25, 0.5])
def test_the_slant_of_a_bar_is_how_much_it_leans(lean: float) -> None:
    images = torch.stack([bar(5, lean), bar(5, lean).roll(4, 2), bar(5, lean) // 2])
    assert slant(images).tolist() == pytest.approx([lean] * 3, abs=0.03)


def test_nothing_at_all_has_neither() -> None:
    empty = torch.zeros(2, 1, 12, 12, dtype=torch.uint8)
    assert slant(empty).tolist() == [0, 0]
    assert thickness(empty).tolist() == [0, 0]
    assert correlation(torch.ones(3), torch.arange(3.0)).item() == 0
    assert correlation(torch.arange(3.0), -torch.arange(3.0)).item() == pytest.approx(-1)
