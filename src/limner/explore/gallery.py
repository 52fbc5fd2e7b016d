"""Images from a run's data or from the user, at the run's size and as its model sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from limner.data import Dataset, Images, load, read_images
from limner.errors import LimnerError
from limner.figures import class_name
from limner.training import Run
from limner.training.run import view_data

Source = str | Path | Sequence[str | Path]
Split = Literal["train", "test"]
ARCHIVES = (".zip", ".npz")


@dataclass(frozen=True)
class Gallery:
    """Splits of images by name, without a copy of the pixels; index i counts through them in `order`."""

    parts: tuple[tuple[str, Images], ...]
    title: str
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    source_order: bool = False  # else split by split

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def order(self) -> Tensor:
        """Where each image is among those of all splits (N,); in the order of the source, each image once."""
        rows = [images.rows for _, images in self.parts if images.rows is not None]
        if not self.source_order or len(rows) < len(self.parts):
            return torch.arange(sum(len(images) for _, images in self.parts))
        return torch.from_numpy(np.unique(torch.cat(rows).numpy(), return_index=True)[1])

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,); None unless every split has them."""
        labels = [images.labels for _, images in self.parts if images.labels is not None]
        return torch.cat(labels)[self.order] if len(labels) == len(self.parts) else None

    @property
    def names(self) -> list[str]:
        """A name for each image: its file's, or its split and its index there."""
        names = [
            name
            for split, images in self.parts
            for name in images.names or (f"{split}/{i}" for i in range(len(images)))
        ]
        return [names[i] for i in self.order.tolist()]

    def measure(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """The rows (N, ...) that a function of pixels (n, C, H, W) gives, a split at a time."""
        return torch.cat([function(images.pixels) for _, images in self.parts])[self.order]

    def take(self, index: Sequence[int]) -> Tensor:
        """Pixels (len(index), C, H, W) uint8 of the images of these indices."""
        places = [self._locate(i) for i in index]
        return torch.stack([images.pixels[row] for images, row in places])

    def class_of(self, i: int) -> str:
        """The name of an image's class; '' where there are no labels."""
        images, row = self._locate(i)
        return "" if images.labels is None else class_name(int(images.labels[row]), self.classes)

    def caption(self, i: int) -> str:
        """The text below an image: its class, else its file, else ''."""
        images, row = self._locate(i)
        return self.class_of(i) or (Path(images.names[row]).stem if images.names else "")

    def _locate(self, i: int) -> tuple[Images, int]:
        i = int(self.order[i])
        for _, images in self.parts:
            if i < len(images):
                return images, i
            i -= len(images)
        raise AssertionError


def select_splits(dataset: Dataset, *splits: Split) -> Gallery:
    """The training and test images of a dataset, or one of the two."""
    parts = tuple((split, dataset.train if split == "train" else dataset.test) for split in splits)
    return Gallery(parts, f"{dataset.name} ({' and '.join(splits)})", dataset.classes)


def select_all(dataset: Dataset) -> Gallery:
    """All images of a dataset, in the order of its source."""
    return dataclasses.replace(select_splits(dataset, "train", "test"), source_order=True)


def load_gallery(run: Run, source: Source) -> Gallery:
    """All images of a data set's name, a folder, .zip or .npz, or of image files, fitted to the run."""
    sources = list(source) if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    if not sources or not all(isinstance(path, (str, Path)) for path in sources):
        kind = type(source).__name__
        raise LimnerError(
            f"give a data set's name, a folder, an archive or image files, not {kind} "
            "(numpy.save writes an array to a file that can be given)"
        )
    paths = [Path(path).expanduser() for path in sources]
    if len(paths) == 1 and (not paths[0].is_file() or paths[0].suffix.lower() in ARCHIVES):
        loaded = load(str(sources[0]), size=run.shape[1:], channels=run.shape[0])
        dataset = view_data(loaded, run.model, None)
        return dataclasses.replace(select_all(dataset), title=dataset.name, notes=dataset.notes)
    images, notes = read_files(run, paths)
    name = paths[0].name if len(paths) == 1 else f"{len(images)} files"
    return Gallery((("file", images),), name, None, notes)


def read_files(run: Run, paths: Sequence[str | Path]) -> tuple[Images, tuple[str, ...]]:
    """The images of files and folders, fitted to the run's shape and as its model sees them, and notes."""
    images, notes = read_images(paths, run.shape)
    return dataclasses.replace(images, pixels=run.model.view(images.pixels)), notes


def read_image(run: Run, image: str | Path | int) -> tuple[Tensor, str, tuple[str, ...]]:
    """An image (1, C, H, W) uint8 by its file or its index among the test images, its name, and notes."""
    if isinstance(image, int) or (str(image).isdecimal() and not Path(image).exists()):
        index, total = int(str(image)), len(run.data.test)
        if not 0 <= index < total:
            raise LimnerError(f"there is no test image {index}: {run.data.name} has 0 to {total - 1}")
        return run.data.test.pixels[index : index + 1], f"test image {index}", ()
    path = Path(image).expanduser()
    if not str(image) or not path.exists():
        last = len(run.data.test) - 1
        raise LimnerError(
            f"no file is called '{image}': give an image file, or the number of a test image, 0 to {last}"
        )
    images, notes = read_files(run, [path])
    if len(images) > 1:
        raise LimnerError(f"{image} holds {len(images)} images: give one of them")
    return images.pixels, path.name, notes
