"""What `load` gives: two splits of uint8 images, where they are from, and what to say about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest


@dataclass(frozen=True, eq=False)
class Images:
    """One split: `pixels` uint8 (N, C, H, W), `labels` int64 (N,), `names` relative to the source."""

    pixels: Tensor  # contiguous; may lie in a memory-mapped file (copy on write: the file never changes)
    labels: Tensor | None = None
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self.pixels.shape[0]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of one shape; `load(self.source)` gives it again."""

    name: str  # safe in a file name: runs are named by it
    source: str
    train: Images
    test: Images
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]  # one-line remarks for the user
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image: (channels, height, width)."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width

    def label(self, name: str) -> int:
        """The label of a class by its name; LimnerError where there is none of that name."""
        if self.train.labels is None or self.classes is None:
            raise LimnerError(f"{self.name} has no classes, so none is called '{name}'")
        if name not in self.classes:
            raise LimnerError(f"{self.name} has no class '{name}': {nearest(name, self.classes)}")
        return self.classes.index(name)

    def without(self, name: str) -> Dataset:
        """The same with no training image of that class; test images stay as they are."""
        label, train = self.label(name), self.train
        assert train.labels is not None
        kept = (train.labels != label).nonzero()[:, 0]
        if len(kept) == 0:
            raise LimnerError(f"{self.name} has no training images but those of class '{name}'")
        names = tuple(train.names[i] for i in kept.tolist()) if train.names else None
        return replace(self, train=Images(train.pixels[kept], train.labels[kept], names))


def to_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 to float32 in [-1, 1], any shape."""
    return pixels.to(torch.float32).div(127.5).sub_(1)


def to_uint8(x: Tensor) -> Tensor:
    """[-1, 1] to uint8 0..255, any shape: rounds, and clamps what lies outside; undoes `to_float` exactly."""
    return x.to(torch.float32).add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def fingerprint(train: Images, test: Images) -> str:
    """The first 16 hex digits of the sha256 of shapes, pixels and labels of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        digest.update(repr(tuple(split.pixels.shape)).encode())
        for rows in split.pixels.split(4096):
            digest.update(rows.numpy().data)
        if split.labels is not None:
            digest.update(b"labels")
            digest.update(split.labels.numpy().data)
    return digest.hexdigest()[:16]
