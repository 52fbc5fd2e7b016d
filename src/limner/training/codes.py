"""Many images through a model in batches: codes of images, images of codes, any function of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from limner.data import to_float
from limner.data.progress import track
from limner.models.abilities import Decodes, Encodes, HasDevice
from limner.models.latent import Latent
from limner.random_state import seeded

BATCH = 250  # images at a time: 128x128 ones through 32 channels take half a gigabyte


@runtime_checkable
class HasView(HasDevice, Protocol):
    """A model: it has a view of pixels."""

    def view(self, pixels: Tensor) -> Tensor:
        """Pixels (N, C, H, W) uint8 as the model sees them."""
        ...


def map_batches(
    model: HasDevice,
    pixels: Tensor,
    function: Callable[[Tensor], Tensor],
    *,
    seed: int = 0,
    progress: str = "",
) -> Tensor:
    """`function` of all pixels (N, C, H, W) uint8, as the model sees them: floats in, rows on the CPU out.

    Whatever is drawn at random is drawn by `seed`; `progress` names the work on a progress bar.
    """
    parts = (model.view(pixels) if isinstance(model, HasView) else pixels).split(BATCH)
    with seeded(seed):
        steps = track(parts, len(parts), progress) if progress else parts
        return torch.cat([function(to_float(part.to(model.device))).cpu() for part in steps])


def encode_images(model: Encodes, pixels: Tensor, *, progress: str = "") -> Tensor:
    """Codes (N, latent.dim), on the CPU, of pixels (N, C, H, W) uint8; binarised with seed 0."""
    if len(pixels) == 0:
        return torch.empty(0, model.latent.dim)
    return map_batches(model, pixels, model.encode, progress=progress)


def draw_codes(latent: Latent, n: int, seed: int) -> Tensor:
    """n codes (n, d) of the default prior, on the CPU."""
    prior = latent.prior()  # fitted here, before the seed is set
    with seeded(seed):
        return prior.draw(n, torch.device("cpu")).cpu()


@torch.no_grad()
def decode_codes(model: Decodes, z: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
    """Images (N, C, H, W) in [-1, 1], on the CPU, of codes (N, d) and, where needed, of classes (N,).

    `options` are the model's options of decoding.
    """
    labels = y.split(BATCH) if y is not None else [None] * len(z.split(BATCH))
    images = []
    for part, label in zip(z.split(BATCH), labels, strict=True):
        classes = None if label is None else label.to(model.device)
        images.append(model.decode(part.to(model.device), classes, **options).cpu())
    return torch.cat(images)
