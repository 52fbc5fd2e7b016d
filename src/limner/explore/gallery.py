"""Images to look at, from wherever a user has them, fitted to a run's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from limner.data import Dataset, Images, load, read_images
from limner.errors import LimnerError
from limner.figures import class_name
from limner.training.run import Run

Source = str | Path | Sequence[str | Path]
ARCHIVES = (".zip", ".npz")


@dataclass(frozen=True)
class Gallery:
    """Splits of images by name, left where they lie; image i counts through them in order."""

    parts: tuple[tuple[str, Images], ...]
    title: str
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(images) for _, images in self.parts)

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,), where every split has them."""
        found = [images.labels for _, images in self.parts if images.labels is not None]
        return torch.cat(found) if len(found) == len(self.parts) else None

    @property
    def names(self) -> list[str]:
        """A name for each image: its file's, or its split and its index there."""
        return [
            name
            for split, images in self.parts
            for name in images.names or (f"{split}/{i}" for i in range(len(images)))
        ]

    def take(self, index: Sequence[int]) -> Tensor:
        """Pixels (len(index), C, H, W) uint8 of the images of these indices."""
        places = [self._place(int(i)) for i in index]
        return torch.stack([images.pixels[at] for images, at in places])

    def class_of(self, i: int) -> str:
        """The name of an image's class; '' where there are no labels."""
        images, i = self._place(i)
        return "" if images.labels is None else class_name(int(images.labels[i]), self.classes)

    def caption(self, i: int) -> str:
        """What an image is called below its picture: its class, else its file, else nothing."""
        images, at = self._place(i)
        return self.class_of(i) or (Path(images.names[at]).stem if images.names else "")

    def _place(self, i: int) -> tuple[Images, int]:
        for _, images in self.parts:
            if i < len(images):
                return images, i
            i -= len(images)
        raise IndexError(f"there are {len(self)} images")


def gallery(dataset: Dataset, *splits: str) -> Gallery:
    """The splits 'train' and 'test' of a dataset, or one of them."""
    parts = tuple((split, getattr(dataset, split)) for split in splits)
    return Gallery(parts, f"{dataset.name} ({' and '.join(splits)})", dataset.classes)


def gathered(run: Run, source: Source) -> Gallery:
    """A user's images at a run's size and channels: whole data sets with `load`, files with `read_images`."""
    listed = [source] if isinstance(source, (str, Path)) else list(source)
    paths = [Path(path).expanduser() for path in listed]
    alone = paths[0] if len(paths) == 1 else None
    if alone is not None and (not alone.is_file() or alone.suffix.lower() in ARCHIVES):
        dataset = load(str(listed[0]), size=run.shape[1:], channels=run.shape[0])
        whole = gallery(dataset, "train", "test")
        return Gallery(whole.parts, dataset.name, dataset.classes, dataset.notes)
    images, notes = read_images(paths, run.shape)
    name = alone.name if alone is not None else f"{len(images)} files"
    return Gallery((("file", images),), name, None, notes)


def one_image(run: Run, image: str | Path | int) -> tuple[Tensor, str, tuple[str, ...]]:
    """An image (1, C, H, W) uint8 by its file or its index among the test images, its name, and notes."""
    if isinstance(image, int) or (str(image).isdecimal() and not Path(image).exists()):
        index, total = int(str(image)), len(run.data.test)
        if not 0 <= index < total:
            raise LimnerError(f"there is no test image {index}: {run.data.name} has 0 to {total - 1}")
        return run.data.test.pixels[index : index + 1], f"test image {index}", ()
    images, notes = read_images([Path(image).expanduser()], run.shape)
    if len(images) > 1:
        raise LimnerError(f"{image} holds {len(images)} images: give one of them")
    return images.pixels, Path(image).name, notes
