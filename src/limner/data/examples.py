"""What a model is trained on and measured with: images with labels, or images of two domains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limner.data.dataset import Dataset, Images, to_float
from limner.data.domains import Domains
from limner.data.stream import DomainStream, Stream


@dataclass(frozen=True, eq=False)
class Examples:
    """The training or the test images of a data set, or of both domains: `images` of A, `second` of B."""

    images: Images
    second: Images | None = None

    def __len__(self) -> int:
        """The images of an epoch; of two domains, those of the larger one."""
        return max(len(self.images), len(self.second) if self.second is not None else 0)

    @property
    def targets(self) -> Tensor | None:
        """What stands beside the pixels: labels (N,), pixels of B (M, C, H, W) uint8, or nothing."""
        return self.images.labels if self.second is None else self.second.pixels

    def stream(self, batch: int, seed: int, device: torch.device) -> Stream | DomainStream:
        """An endless stream of batches."""
        if self.second is None:
            return Stream(self.images, batch, seed, device)
        return DomainStream(self.images, self.second, batch, seed, device)

    def draw(self, n: int, seed: int) -> Examples:
        """At most n images, drawn at random; of two domains, as many of each."""
        if self.second is not None:
            n = min(n, len(self.images), len(self.second))
        chosen = [images.subset(permutation(len(images), seed)[:n]) for images in self.parts()]
        return Examples(*chosen)

    def batch(self, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """All of them as one batch."""
        x = to_float(self.images.pixels).to(device)
        if self.second is not None:
            return x, to_float(self.second.pixels).to(device)
        return x, self.images.labels.to(device) if self.images.labels is not None else None

    def fewest(self) -> int:
        """The images of the smaller domain."""
        return min(len(images) for images in self.parts())

    def parts(self) -> list[Images]:
        """The images of each domain."""
        return [self.images] if self.second is None else [self.images, self.second]


def training_examples(data: Dataset | Domains) -> Examples:
    """The training images."""
    return Examples(data.a.train, data.b.train) if isinstance(data, Domains) else Examples(data.train)


def test_examples(data: Dataset | Domains) -> Examples:
    """The test images."""
    return Examples(data.a.test, data.b.test) if isinstance(data, Domains) else Examples(data.test)


def permutation(n: int, seed: int) -> Tensor:
    """The numbers 0 to n - 1 in a random order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
