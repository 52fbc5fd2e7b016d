"""Images in arrays -> a Dataset: resize them and divide them into train and test."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.decode import fit, format_size
from limner.data.memory import check_memory
from limner.data.split import digest, divide, overlap_notes

MIN_SIDE, MAX_SIDE = 16, 256  # pixels; the sides of an image that `load` returns
MAX_DEFAULT_SIDE = 128  # larger images are shrunk unless a size is given
DEFAULT_SIZE = (64, 64)


@dataclass(frozen=True)
class RawImages:
    """One split before resizing: `pixels` uint8 (N, C, H, W), C = 1 or 3, `labels` integers (N,) or None."""

    pixels: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class RawDataset:
    """Arrays from one source before resizing; if `test` is None, a tenth of `train` is held out."""

    name: str
    source: str
    train: RawImages
    test: RawImages | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    official_split: bool = False  # the split is published: duplicates are reported, not removed


def is_allowed(size: tuple[int, int]) -> bool:
    """Whether images of this (height, width) are loaded without resizing where no size is given."""
    return all(MIN_SIDE <= side <= MAX_DEFAULT_SIDE for side in size)


def build_dataset(raw: RawDataset, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    """Resize arrays to `size` (height, width), convert them to `channels`, and divide them.

    None keeps the size of the arrays, if it is allowed, and stores grey images in one channel.
    """
    _, _, height, width = raw.train.pixels.shape
    native = (height, width)
    if size is None:
        size = native if is_allowed(native) else DEFAULT_SIZE
    if channels is None:
        splits = [raw.train] if raw.test is None else [raw.train, raw.test]
        channels = 1 if all(_is_grey(split.pixels) for split in splits) else 3
    _check_memory(raw, size, channels)
    notes = raw.notes if size == native else (*raw.notes, _describe_resize(native, size))
    train, test, split_notes = _divide(raw, size, channels)
    return Dataset(
        name=raw.name,
        source=raw.source,
        train=train,
        test=test,
        classes=raw.classes,
        notes=(*notes, *split_notes),
        fingerprint=fingerprint(train, test),
    )


def _check_memory(raw: RawDataset, size: tuple[int, int], channels: int) -> None:
    """Raise LimnerError if the images do not fit in memory once they are resized and divided."""
    count = len(raw.train.pixels) + (0 if raw.test is None else len(raw.test.pixels))
    copies = 1 if raw.train.pixels.shape[1:] == (channels, *size) else 2
    needed = copies * count * channels * size[0] * size[1]
    images = f"to fit {count:,} images of {raw.name} to {format_size(size)}"
    check_memory(images, needed, "use a smaller size or fewer images")


def _divide(raw: RawDataset, size: tuple[int, int], channels: int) -> tuple[Images, Images, tuple[str, ...]]:
    """The training images, the test images and notes for the user."""
    train = _to_images(raw.train, size, channels)
    train_digests = _digests(train.pixels.numpy())
    if raw.test is None:
        division = divide(_digests(raw.train.pixels), train_digests)
        return _select(train, division.train), _select(train, division.test), division.notes
    test = _to_images(raw.test, size, channels, first=len(train))
    test_digests = _digests(test.pixels.numpy())
    if raw.official_split:
        return train, test, overlap_notes(train_digests, test_digests)
    division = divide(
        _digests(raw.train.pixels) + _digests(raw.test.pixels),
        train_digests + test_digests,
        in_test=[False] * len(train) + [True] * len(test),
        names=[f"number {i}" for split in (train, test) for i in range(len(split))],
    )
    if division.test[0] < len(train):  # all test images were duplicates: a part of train is held out
        return _select(train, division.train), _select(train, division.test), division.notes
    return train, _select(test, division.test - len(train)), division.notes


def _to_images(raw: RawImages, size: tuple[int, int], channels: int, first: int = 0) -> Images:
    """A split whose images have the places `first`, `first` + 1, ... in the source."""
    pixels = torch.from_numpy(np.ascontiguousarray(_resize(raw.pixels, size, channels)))
    labels = None if raw.labels is None else torch.from_numpy(raw.labels.astype(np.int64))
    return Images(pixels, labels, rows=torch.arange(first, first + len(pixels)))


def _resize(pixels: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """uint8 (N, channels, *size); the same array if nothing changes."""
    if pixels.shape[2:] == size and pixels.shape[1] == channels:
        return pixels
    if pixels.shape[2:] == size and channels == 3:
        return np.repeat(pixels, 3, axis=1)
    resized = np.empty((len(pixels), channels, *size), np.uint8)
    for i, image in enumerate(pixels):
        array = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        resized[i] = fit(Image.fromarray(array), size, channels)
    return resized


def _is_grey(pixels: np.ndarray) -> bool:
    return pixels.shape[1] == 1 or all((image == image[:1]).all() for image in pixels)


def _digests(pixels: np.ndarray) -> list[bytes]:
    return [digest(np.ascontiguousarray(image)) for image in pixels]


def _select(images: Images, index: np.ndarray) -> Images:
    """A subset whose names are the positions in the source array."""
    return replace(images.subset(index), names=tuple(f"row {i}" for i in index))


def _describe_resize(native: tuple[int, int], size: tuple[int, int]) -> str:
    same_aspect = native[0] * size[1] == native[1] * size[0]
    crop = "" if same_aspect else "cropped to the middle and "
    verb = "enlarged" if min(size) > min(native) else "shrunk"
    return f"images of {format_size(native)} {crop}{verb} to {format_size(size)}"
