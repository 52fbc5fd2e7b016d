"""Differentiable augmentation: random changes to images before the discriminator, real and generated.

Zhao et al. 2020 (arXiv 2006.10738).  With it the discriminator memorises a small data set later; gradients
pass through the changes to the generator, whose samples do not show them.  Every image gets its own change,
as in the published code: brightness by up to half the range, saturation by a factor from 0 to 2 and contrast
by one from 0.5 to 1.5 ("colour"); a shift by up to an eighth of the side ("translation"); a grey rectangle
with sides of half the image ("cutout").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def augment(x: Tensor, changes: Sequence[str]) -> Tensor:
    """Images after the random changes of these names, in this order: (B, C, H, W) -> (B, C, H, W)."""
    for name in changes:
        x = CHANGES[name](x)
    return x


def colour(x: Tensor) -> Tensor:
    """Brightness, saturation (of colour images) and contrast changed at random for each image."""
    x = x + amounts(x) - 0.5
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (amounts(x) * 2)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (amounts(x) + 0.5)


def amounts(x: Tensor) -> Tensor:
    """A random number in [0, 1) for each image: (B, C, H, W) -> (B, 1, 1, 1)."""
    return torch.rand(len(x), 1, 1, 1, device=x.device)


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Each image shifted by up to `ratio` of its sides; places without a source pixel are 0."""
    _, _, height, width = x.shape
    rows = torch.arange(height, device=x.device) + shifts(len(x), round(height * ratio), x.device)
    columns = torch.arange(width, device=x.device) + shifts(len(x), round(width * ratio), x.device)
    inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)  # (B, H), (B, W)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    shifted = x.permute(0, 2, 3, 1)[
        image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]
    ]
    return shifted.permute(0, 3, 1, 2) * (inside[0][:, None, :, None] & inside[1][:, None, None, :])


def shifts(n: int, reach: int, device: torch.device) -> Tensor:
    """n random whole numbers (n, 1) from -reach to reach."""
    return torch.randint(-reach, reach + 1, (n, 1), device=device)


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """A rectangle with `ratio` of each image's sides set to 0; its centre may lie anywhere in the image."""
    rows, columns = (bands(len(x), side, side * ratio, x.device) for side in x.shape[2:])
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def bands(n: int, side: int, width: float, device: torch.device) -> Tensor:
    """Masks (n, side), true within a band of that width around a random centre."""
    centre = torch.rand(n, 1, device=device) * side
    return (torch.arange(side, device=device) + 0.5 - centre).abs() < width / 2


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}


# Adaptive augmentation (Karras et al. 2020, arXiv 2006.06676).  Every image gets each change with probability
# p.  The changes can be undone, and 1 - p of the images do not get them, so that the generator's samples do
# not show them.  All are linear in the pixels: their second derivatives, which R1 needs, exist.


def augment_adaptively(x: Tensor, changes: Sequence[str], p: Tensor) -> Tensor:
    """Images after the changes of these names, each with probability p (scalar): (B, C, H, W) -> the same."""
    for name in changes:
        chosen = torch.rand(len(x), 1, 1, 1, device=x.device) < p
        x = torch.where(chosen, INVERTIBLE_CHANGES[name](x), x)
    return x


def flip(x: Tensor) -> Tensor:
    """Left and right exchanged in half of the images."""
    return torch.where(amounts(x) < 0.5, x.flip(3), x)


def turn(x: Tensor) -> Tensor:
    """Images turned by 0 to 3 quarters, by 0 or 2 where they are not square."""
    x = torch.where(amounts(x) < 0.5, x.flip(2, 3), x)
    if x.shape[2] != x.shape[3]:
        return x
    return torch.where(amounts(x) < 0.5, x.rot90(1, (2, 3)), x)


def shift(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Each image shifted by up to `ratio` of its sides; what leaves at one side enters at the other."""
    _, _, height, width = x.shape
    rows = torch.arange(height, device=x.device) + shifts(len(x), round(height * ratio), x.device)
    columns = torch.arange(width, device=x.device) + shifts(len(x), round(width * ratio), x.device)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[image, (rows % height)[:, :, None], (columns % width)[:, None]].permute(
        0, 3, 1, 2
    )


# appendix B: brightness N(0, 0.2), contrast and saturation log-normal, hue a rotation about the grey axis
def recolour(x: Tensor) -> Tensor:
    """Brightness and contrast changed at random for each image, of RGB images saturation and hue too."""
    matrix, offset = colour_matrices(len(x), x.shape[1], x.device)
    return torch.einsum("nij,njhw->nihw", matrix.to(x.dtype), x) + offset.to(x.dtype)


def colour_matrices(n: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """n random maps of colours x -> A x + b: A (n, channels, channels), b (n, channels, 1, 1)."""
    contrast = torch.exp2(0.5 * torch.randn(n, 1, 1, device=device))
    offset = (0.2 * torch.randn(n, 1, 1, 1, device=device)).expand(n, channels, 1, 1)
    unit = torch.eye(channels, device=device)
    if channels != 3:
        return contrast * unit, offset
    grey = torch.full((3, 3), 1 / 3, device=device)  # the projection on the grey axis
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5
    angle = torch.pi * (2 * torch.rand(n, 1, 1, device=device) - 1)
    rotation = angle.cos() * (unit - grey) + angle.sin() * cross  # Rodrigues' formula, off the axis
    saturation = torch.exp2(torch.randn(n, 1, 1, device=device))
    return contrast * (grey + saturation * rotation), offset


INVERTIBLE_CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "flip": flip,
    "turn": turn,
    "shift": shift,
    "colour": recolour,
}
