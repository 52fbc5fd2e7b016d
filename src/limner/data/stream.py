"""An endless, seeded stream of batches from images held as bytes on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from limner.data import Images, to_float


class Stream(Iterator[tuple[Tensor, Tensor | None]]):
    """Batches x (B, C, H, W) in [-1, 1] with labels (B,) or None; every image once per epoch, in a new order.

    The order is a function of the seed and of `images_seen` alone, so a stream put back to a number of images
    goes on exactly as it would have.  Where an epoch ends inside a batch, the next one fills it up.
    """

    def __init__(self, images: Images, batch: int, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self.pixels = images.pixels.to(device)
        self.labels = images.labels.to(device) if images.labels is not None else None
        self.batch, self.seed = batch, seed
        self.images_seen = 0
        self._epoch, self._order = -1, torch.empty(0)

    def __next__(self) -> tuple[Tensor, Tensor | None]:
        index = self._indices(self.images_seen, self.batch)
        self.images_seen += self.batch
        x = to_float(self.pixels.index_select(0, index))  # six times as quick as self.pixels[index]
        return x, self.labels[index] if self.labels is not None else None

    def _indices(self, begin: int, count: int) -> Tensor:
        parts, end = [], begin + count
        while begin < end:
            epoch, offset = divmod(begin, len(self.pixels))
            parts.append(self._epoch_order(epoch)[offset : offset + end - begin])
            begin += len(parts[-1])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _epoch_order(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(len(self.pixels), generator=generator)
            self._epoch, self._order = epoch, order.to(self.pixels.device)
        return self._order
