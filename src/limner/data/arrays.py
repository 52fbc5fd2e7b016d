"""Images that come as arrays -> a Dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.decode import fit, named_size
from limner.data.split import digest, divide, published

SMALLEST, LARGEST, DEFAULT = 16, 128, (64, 64)  # sides of an image that `load` gives


@dataclass(frozen=True)
class Arrays:
    """One split as it came: `pixels` uint8 (N, C, H, W) with C = 1 or 3, `labels` int64 (N,) or None."""

    pixels: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Raw:
    """A source of arrays, read but not yet fitted; without `test` a tenth is held out."""

    name: str
    source: str
    train: Arrays
    test: Arrays | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    official: bool = False  # the division is published: reported on, never altered


def allowed(size: tuple[int, int]) -> bool:
    """Whether images of (height, width) can be loaded as they are."""
    return all(SMALLEST <= side <= LARGEST for side in size)


def dataset(raw: Raw, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    """Fit a source of arrays to (height, width) and channels, and divide it."""
    native = raw.train.pixels.shape[2:]
    size = size or (native if allowed(native) else DEFAULT)
    notes = list(raw.notes)
    if size != native:
        notes.append(f"images of {named_size(native)} {_verb(native, size)} {named_size(size)}")
    if channels is None:
        splits = [raw.train, raw.test] if raw.test is not None else [raw.train]
        channels = 1 if all(_grey(split.pixels) for split in splits) else 3
    train, test, more = _divided(raw, size, channels)
    return Dataset(raw.name, raw.source, train, test, raw.classes, (*notes, *more), fingerprint(train, test))


def _divided(raw: Raw, size: tuple[int, int], channels: int) -> tuple[Images, Images, tuple[str, ...]]:
    train = _fitted(raw.train.pixels, size, channels)
    if raw.test is None:
        division = divide(_digests(raw.train.pixels), _digests(train), None, ())
        one, two = (_taken(train, raw.train.labels, index) for index in (division.train, division.test))
        return one, two, division.notes
    test = _fitted(raw.test.pixels, size, channels)
    seen, tested = _digests(train), _digests(test)
    if raw.official:
        return _images(train, raw.train.labels), _images(test, raw.test.labels), published(seen, tested)
    content = _digests(raw.train.pixels) + _digests(raw.test.pixels)
    given = [False] * len(train) + [True] * len(test)
    names = [f"number {i}" for part in (train, test) for i in range(len(part))]
    division = divide(content, seen + tested, given, names)
    if division.test[0] < len(train):  # nothing of test was left: some of train is held out instead
        one, two = (_taken(train, raw.train.labels, index) for index in (division.train, division.test))
    else:
        one = _images(train, raw.train.labels)
        two = _taken(test, raw.test.labels, division.test - len(train))
    return one, two, division.notes


def _fitted(pixels: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """uint8 (N, C, H, W) at the size and with the channels asked for; the same array if they agree."""
    if pixels.shape[2:] == size and pixels.shape[1] == channels:
        return pixels
    if pixels.shape[2:] == size and channels == 3:
        return np.repeat(pixels, 3, axis=1)
    out = np.empty((len(pixels), channels, *size), np.uint8)
    for row, result in zip(pixels, out, strict=True):
        result[:] = fit(Image.fromarray(row[0] if len(row) == 1 else row.transpose(1, 2, 0)), size, channels)
    return out


def _grey(pixels: np.ndarray) -> bool:
    return pixels.shape[1] == 1 or all((row == row[:1]).all() for row in pixels)


def _digests(pixels: np.ndarray) -> list[bytes]:
    return [digest(np.ascontiguousarray(row)) for row in pixels]


def _taken(pixels: np.ndarray, labels: np.ndarray | None, index: np.ndarray) -> Images:
    part = _images(pixels[index], None if labels is None else labels[index])
    return replace(part, names=tuple(f"row {i}" for i in index))  # so that a row is found again


def _images(pixels: np.ndarray, labels: np.ndarray | None) -> Images:
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return Images(tensor, None if labels is None else torch.from_numpy(labels.astype(np.int64)))


def _verb(native: tuple[int, int], size: tuple[int, int]) -> str:
    cropped = "" if native[0] * size[1] == native[1] * size[0] else "cropped to the middle and "
    return cropped + ("enlarged to" if min(size) > min(native) else "shrunk to")
