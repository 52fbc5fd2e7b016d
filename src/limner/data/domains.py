"""Two sets of images without pairs, between which a model translates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.in_memory import Arrays
from limner.data.layout import DOMAIN_FOLDERS
from limner.data.sources import load
from limner.errors import LimnerError

Source = str | Path | Dataset | Arrays
HELD_OUT = 10  # one image in so many is held out where a domain has no test images


@dataclass(frozen=True, eq=False)
class Domains:
    """Domain A and domain B: images of the same height and width, grey or in colour each."""

    name: str  # safe as part of a file name
    a: Dataset
    b: Dataset

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an image of A: (channels, height, width)."""
        return self.a.shape

    @property
    def fingerprint(self) -> str:
        """Of the images of both."""
        return f"{self.a.fingerprint}-{self.b.fingerprint}"

    @property
    def notes(self) -> tuple[str, ...]:
        """One-line remarks for the user, on A, on B, or on both."""
        both = [note for note in self.a.notes if note in self.b.notes]
        only_a = [f"A: {note}" for note in self.a.notes if note not in both]
        return (*both, *only_a, *(f"B: {note}" for note in self.b.notes if note not in both))


def load_domains(
    source: Source | Domains | tuple[Source, Source],
    size: int | tuple[int, int] | None = None,
    channels: int | tuple[int, int] | None = None,
) -> Domains:
    """Load two domains: a folder with trainA/ and trainB/, any data set of two classes, or a pair of sources.

    `size` and `channels` as for `load`, `channels` one number for both domains or one for each.  Images of B
    get the size of those of A.  Raises LimnerError where there are no two domains, or a domain has fewer than
    two images.
    """
    if isinstance(source, Domains):
        return source
    each = channels if isinstance(channels, tuple) else (channels, channels)
    if isinstance(source, tuple):
        a = load(source[0], size=size, channels=each[0])
        b = load(source[1], size=a.shape[1:], channels=each[1])
        name = f"{a.name}-{b.name}"
    else:
        dataset = load(source, size=size, channels=None if None in each else max(c for c in each if c))
        name, a, b = dataset.name, *split_classes(dataset, each)
    for letter, domain in (("A", a), ("B", b)):
        if is_single(domain):
            raise LimnerError(f"domain {letter} of {name} has one image: give two or more")
    if a.fingerprint == b.fingerprint:
        raise LimnerError(f"A and B of {name} are the same images: give two different sets")
    return Domains(name, a, b)


def split_classes(dataset: Dataset, channels: tuple[int | None, int | None]) -> tuple[Dataset, Dataset]:
    """The images of each of two classes; LimnerError unless there are two."""
    check_folders(dataset)
    if dataset.train.labels is None or dataset.classes is None or len(dataset.classes) != 2:
        count = len(dataset.classes) if dataset.classes else 0
        raise LimnerError(
            f"{dataset.name} is not two domains (it has {count} classes): give a folder with trainA and "
            "trainB, a folder with two sub-folders, or A=SOURCE B=SOURCE"
        )
    a, b = (select(dataset, label, channels[label]) for label in (0, 1))
    return a, b


def check_folders(dataset: Dataset) -> None:
    """Raise LimnerError where trainA or trainB is missing beside other folders of domains."""
    names = (*(dataset.train.names or ()), *(dataset.test.names or ()))
    folders = {folder for name in names for folder in name.split("/")[:-1]} & DOMAIN_FOLDERS
    missing = [folder for folder in ("trainA", "trainB") if folder not in folders]
    if folders and missing:
        raise LimnerError(f"{dataset.name} has no images in {' and '.join(missing)}: put some there")


def is_single(domain: Dataset) -> bool:
    """Whether a data set has one image, which may be both its training and its test image."""
    train, test = domain.train.pixels, domain.test.pixels
    return len(train) + len(test) < 2 or (len(train) == len(test) == 1 and torch.equal(train, test))


def select(dataset: Dataset, label: int, channels: int | None) -> Dataset:
    """The images of one class as a data set without labels, grey ones in one channel unless asked."""
    assert dataset.classes is not None
    letter, name = "AB"[label], dataset.classes[label]
    train, test = (of_class(images, label) for images in (dataset.train, dataset.test))
    if (count := len(train) + len(test)) < 2:
        images = "one image" if count else "no images"
        raise LimnerError(f"domain {letter} ({name}) of {dataset.name} has {images}: give two or more")
    notes = list(dataset.notes)
    if not len(test):
        train, test = train.split_off(max(1, len(train) // HELD_OUT), seed=0)
        notes.append(f"no test images: {len(test)} of {count} are held out")
    if not len(train):
        raise LimnerError(f"domain {letter} ({name}) of {dataset.name} has no training images")
    grey = all(is_grey(images.pixels) for images in (train, test))
    if (channels or (1 if grey else 3)) == 1:
        train, test = (replace(images, pixels=to_grey(images.pixels)) for images in (train, test))
    return replace(
        dataset,
        name=name,
        train=train,
        test=test,
        classes=None,
        notes=tuple(notes),
        fingerprint=fingerprint(train, test),
    )


def of_class(images: Images, label: int) -> Images:
    """The images with a label, without their labels."""
    assert images.labels is not None
    return replace(images.subset((images.labels == label).nonzero()[:, 0]), labels=None)


# ITU-R 601-2, with Pillow's integers:  L = 0.299 R + 0.587 G + 0.114 B
def to_grey(pixels: torch.Tensor) -> torch.Tensor:
    """The luminance of uint8 images (N, C, H, W): (N, 1, H, W), that of a channel where all are equal."""
    if pixels.shape[1] == 1:
        return pixels
    weights = torch.tensor([19595, 38470, 7471], dtype=torch.int32)[:, None, None]
    parts = [(part.int() * weights).sum(1, keepdim=True) + 2**15 for part in pixels.split(1024)]
    return torch.cat([(part >> 16).to(torch.uint8) for part in parts])


def is_grey(pixels: torch.Tensor) -> bool:
    """Whether all channels of uint8 images (N, C, H, W) are equal."""
    return all(bool((part == part[:, :1]).all()) for part in pixels.split(1024))
