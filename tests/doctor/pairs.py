"""Two domains of small digits, and short runs in which each trouble of translations happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from limner.data import Dataset, Domains, Images
from limner.data.dataset import fingerprint
from limner.models.cyclegan import CycleGAN

Change = Callable[[Tensor], Tensor]  # of pixels (N, 1, 16, 16) uint8

# tiny networks that learn in 63 iterations; images of 16x16 as they are
SETTINGS: dict[str, Any] = {
    "width": 4, "blocks": 0, "d_width": 4, "d_layers": 1, "pool": 4, "flip": False, "shift": 0.0, "lr": 8e-3,
    "averaged": "nothing", "batch": 32, "images": 2000, "tick": 400, "quiet": True, "save_seconds": 1e9,
}  # fmt: skip


class Hiding(CycleGAN):
    """Its images of B are grey, with those of A in a pattern of a hundredth; its networks are not used."""

    def translate(self, x: Tensor, to: str = "B") -> Tensor:
        return x / 100 if to == "B" else (x * 100).clamp(-1, 1)


def same(pixels: Tensor) -> Tensor:
    return pixels


def negative(pixels: Tensor) -> Tensor:
    return 255 - pixels


def faint(pixels: Tensor) -> Tensor:
    return pixels // 4 + 96


def lifted(pixels: Tensor) -> Tensor:
    """On a grey background."""
    return pixels // 2 + 100


def noise(pixels: Tensor) -> Tensor:
    """No digits at all."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, pixels.shape, generator=generator, dtype=torch.uint8)


def domains(digits: Dataset, a: Change, b: Change) -> Domains:
    """Every second digit, changed by `a`, and the others, changed by `b`."""

    def part(name: str, first: int, change: Change) -> Dataset:
        def images(every: Images) -> Images:
            chosen = every.pixels[first::2].float()
            return Images(change(interpolate(chosen, size=(16, 16), mode="area").to(torch.uint8)))

        train, test = images(digits.train), images(digits.test)
        return replace(
            digits, name=name, train=train, test=test, classes=None, fingerprint=fingerprint(train, test)
        )

    return Domains("digits-digits", part("a", 0, a), part("b", 1, b))


# trouble -> model, changes of A and of B, settings
INJECTIONS: dict[str, tuple[str, Change, Change, dict[str, Any]]] = {
    "discriminator too strong": (
        "cyclegan", same, noise,
        {"width": 1, "d_width": 16, "d_layers": 2, "d_norm": "none", "cycle": 100.0, "lr": 1e-2},
    ),
    "colours inverted": ("cyclegan", same, negative, {"cycle": 3.0, "identity": 0.0}),
    "nothing translated": ("cyclegan", faint, faint, {"cycle": 100.0, "batch": 16, "lr": 5e-3}),
    "hidden information": (
        f"{__name__}:Hiding", same, negative, {"width": 1, "d_width": 1, "batch": 100, "tick": 500},
    ),
}  # fmt: skip
