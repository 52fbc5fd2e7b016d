"""An endless, seeded stream of batches from uint8 images on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from limner.data.dataset import Images, to_float
from limner.errors import LimnerError

SECOND = 2**31  # added to the seed for the order of the second domain; torch uses 32 bits of a seed


class Stream(Iterator[tuple[Tensor, Tensor | None]]):
    """Batches x (B, C, H, W) in [-1, 1] with labels (B,) or None; every image once per epoch, in a new order.

    The order depends only on `seed` and `images_seen`.  To continue a stream exactly, set `images_seen`.
    A batch that reaches the end of an epoch continues with the first images of the next one.

    `batch` and `images_seen` count the images of all processes.  All processes share one order; the process
    `rank` takes its slice of every batch, of batch / processes images.  LimnerError if that is not whole.
    """

    def __init__(
        self,
        images: Images,
        batch: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if batch % processes:
            raise LimnerError(f"batch {batch} cannot be divided among {processes} processes: give a multiple")
        self.pixels = images.pixels.to(device)
        self.labels = images.labels.to(device) if images.labels is not None else None
        self.batch, self.seed = batch, seed
        self.images_seen = 0
        self._share = batch // processes  # images of a batch that this process takes
        self._offset = rank * self._share  # where its slice begins
        self._epoch, self._order = -1, torch.empty(0)

    def __next__(self) -> tuple[Tensor, Tensor | None]:
        index = self._indices(self.images_seen + self._offset, self._share)
        self.images_seen += self.batch
        x = to_float(self.pixels.index_select(0, index))  # six times as fast as self.pixels[index]
        return x, self.labels[index] if self.labels is not None else None

    def _indices(self, start: int, count: int) -> Tensor:
        """The indices of `count` images from position `start` of the global order."""
        parts, end = [], start + count
        while start < end:
            epoch, offset = divmod(start, len(self.pixels))
            parts.append(self._epoch_order(epoch)[offset : offset + end - start])
            start += len(parts[-1])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _epoch_order(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(len(self.pixels), generator=generator)
            self._epoch, self._order = epoch, order.to(self.pixels.device)
        return self._order


class DomainStream(Iterator[tuple[Tensor, Tensor]]):
    """Batches of A with batches of B, drawn independently: two (B, C, H, W) in [-1, 1].

    Every image comes once per epoch of its own domain.  The clock counts pairs.
    """

    def __init__(
        self, a: Images, b: Images, batch: int, seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self.a, self.b = Stream(a, batch, seed, device), Stream(b, batch, seed + SECOND, device)
        self.batch = batch

    @property
    def images_seen(self) -> int:
        """Pairs drawn so far; set it to continue a stream exactly."""
        return self.a.images_seen

    @images_seen.setter
    def images_seen(self, pairs: int) -> None:
        self.a.images_seen = self.b.images_seen = pairs

    def __next__(self) -> tuple[Tensor, Tensor]:
        return next(self.a)[0], next(self.b)[0]
