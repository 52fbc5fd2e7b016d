"""Two splits of uint8 images, their source, and remarks for the user."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from limner.errors import LimnerError, nearest


@dataclass(frozen=True, eq=False)
class Images:
    """One split: `pixels` uint8 (N, C, H, W), `labels` int64 (N,), `names` relative to the source.

    `attributes` are further numbers of each image by name, such as age: int64 or float32 (N,).  `rows` are
    the images' places in the source, int64 (N,), where Limner divided it.
    """

    pixels: Tensor  # contiguous; may be memory-mapped, copy on write, so the file never changes
    labels: Tensor | None = None
    names: tuple[str, ...] | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        for name, values in self.attributes.items():
            if values.shape != (len(self),):
                raise LimnerError(
                    f"attribute '{name}' has shape {tuple(values.shape)}: one number for each of the "
                    f"{len(self)} images is needed"
                )

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def subset(self, index: Tensor | np.ndarray) -> Images:
        """The images at these indices, integers (n,), in this order, with all that belongs to them."""
        rows = torch.as_tensor(index)
        return Images(
            self.pixels.index_select(0, rows),
            None if self.labels is None else self.labels[rows],
            None if self.names is None else tuple(self.names[i] for i in rows.tolist()),
            {name: values[rows] for name, values in self.attributes.items()},
            None if self.rows is None else self.rows[rows],
        )

    def split_off(self, n: int, seed: int) -> tuple[Images, Images]:
        """Split into (rest, chosen): n images drawn at random by the seed; both keep the original order.

        Raises LimnerError if n is negative or leaves no rest.
        """
        if not 0 <= n < len(self):
            raise LimnerError(f"cannot split {n:,} images off {len(self):,}: give 0 to {len(self) - 1:,}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return self.subset(order[n:].sort().values), self.subset(order[:n].sort().values)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of images of one shape; `load(dataset.source)` loads it again."""

    name: str  # safe as part of a file name: run folders contain it
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
        """The label of the class with this name; raises LimnerError if there is none."""
        if self.train.labels is None or self.classes is None:
            raise LimnerError(f"{self.name} has no classes, so none is called '{name}'")
        if name not in self.classes:
            raise LimnerError(f"{self.name} has no class '{name}': {nearest(name, self.classes)}")
        return self.classes.index(name)

    def without(self, name: str) -> Dataset:
        """This dataset without the training images of one class; the test images do not change."""
        label = self.label(name)
        assert self.train.labels is not None
        others = (self.train.labels != label).nonzero()[:, 0]
        if len(others) == 0:
            raise LimnerError(f"{self.name} has no training images but those of class '{name}'")
        return replace(self, train=self.train.subset(others))


def to_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 to float32 in [-1, 1], any shape."""
    return pixels.to(torch.float32).div(127.5).sub_(1)


def to_uint8(x: Tensor) -> Tensor:
    """[-1, 1] to uint8 0..255, any shape: rounds, and clamps other values; inverts `to_float` exactly."""
    return x.to(torch.float32).add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def fingerprint(train: Images, test: Images) -> str:
    """The first 16 hex digits of the sha256 of shapes, pixels, labels and attributes of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        digest.update(repr(tuple(split.pixels.shape)).encode())
        for rows in split.pixels.split(4096):
            digest.update(rows.numpy().data)
        if split.labels is not None:
            digest.update(b"labels")
            digest.update(split.labels.numpy().data)
        for name, values in sorted(split.attributes.items()):
            digest.update(name.encode())
            digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]
