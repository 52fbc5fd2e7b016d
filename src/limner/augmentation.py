"""Differentiable augmentation: the same random changes to what the discriminator sees, real or generated.

Zhao et al. 2020 (arXiv 2006.10738).  Gradients pass through to the generator, so a small set is not learnt by
heart and the changes do not show in the samples.  Every image gets its own change; those of the published
code: brightness by up to half the range, saturation and contrast within a factor of 0 to 2 and 0.5 to 1.5
("colour"), a shift of up to an eighth of the side, a grey square with sides of half the image cut out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def augment(x: Tensor, changes: Sequence[str]) -> Tensor:
    """Images changed at random, one after the other by each name in `changes`: (B, C, H, W) -> the same."""
    for name in changes:
        x = CHANGES[name](x)
    return x


def colour(x: Tensor) -> Tensor:
    """Brightness, saturation (of colour images) and contrast changed at random, each image by itself."""

    def amounts() -> Tensor:
        return torch.rand(len(x), 1, 1, 1, device=x.device)

    x = x + amounts() - 0.5
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (amounts() * 2)
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (amounts() + 0.5)


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Each image shifted by up to `ratio` of its sides, what comes in from outside is 0."""
    _, _, height, width = x.shape
    rows = torch.arange(height, device=x.device) + shifts(len(x), round(height * ratio), x.device)
    columns = torch.arange(width, device=x.device) + shifts(len(x), round(width * ratio), x.device)
    inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)  # (B, H), (B, W)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[
        image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]
    ]
    return moved.permute(0, 3, 1, 2) * (inside[0][:, None, :, None] & inside[1][:, None, None, :])


def shifts(n: int, reach: int, device: torch.device) -> Tensor:
    """n whole numbers (n, 1) from -reach to reach."""
    return torch.randint(-reach, reach + 1, (n, 1), device=device)


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """A rectangle with `ratio` of each image's sides set to 0; its centre may lie anywhere in the image."""
    rows, columns = (bands(len(x), side, side * ratio, x.device) for side in x.shape[2:])
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def bands(n: int, side: int, width: float, device: torch.device) -> Tensor:
    """Which of `side` places lie within a band of that width around a random centre: (n, side) bool."""
    centre = torch.rand(n, 1, device=device) * side
    return (torch.arange(side, device=device) + 0.5 - centre).abs() < width / 2


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
