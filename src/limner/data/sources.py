"""Any source -> a Dataset: which reader a name or a path is for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from limner.data import arrays, idx, named, npz, pictures
from limner.data.arrays import LARGEST, SMALLEST
from limner.data.dataset import Dataset, Images
from limner.data.decode import Decoded, named_size
from limner.data.files import chosen, plainly_not
from limner.data.named import NAMED
from limner.data.split import LISTED, shown
from limner.errors import LimnerError, nearest


def load(
    source: str | Path | Dataset = "digits",
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
) -> Dataset:
    """Load images as uint8 in a training and a test split, without one picture in both.

    `source` is a name in NAMED, or the path of a folder of images (sub-folders are classes; train/ and
    test/ are splits), a .zip of the same, an .npz or a folder of idx files. `size` is (height, width) or
    the side of a square, 16 to 128: images are cropped to the middle and resized; by default their own
    size, where all have one in that range, else 64x64. `channels` is 1 or 3; by default 1 where all are
    grey. Named sets are looked up in $LIMNER_DATA/NAME and downloaded otherwise; what is decoded from
    files is kept in $LIMNER_CACHE. Raises LimnerError for a source, a size or channels that will not do.
    """
    sides = _checked(size, channels)
    if isinstance(source, Dataset):
        return _agreeing(source, sides, channels)
    if isinstance(source, str) and source in NAMED:
        if source == "digits":
            sides = sides or (28, 28)
        return arrays.dataset(named.read(source), sides, channels)
    path = Path(os.path.abspath(_existing(source)))
    name = re.sub(r"[^\w.-]+", "-", path.name if path.is_dir() else path.stem).strip("-.") or "images"
    if path.is_dir():
        if idx.find(path):
            return arrays.dataset(named.idx_folder(path, name, str(path)), sides, channels)
        return pictures.dataset(path, name, sides, channels)
    if path.suffix.lower() == ".npz":
        return arrays.dataset(npz.read(path, name), sides, channels)
    if plainly_not(path.name) and path.suffix.lower() != ".zip":
        raise LimnerError(
            f"{path} is not a source: give a folder or .zip of images, an .npz or a folder of idx"
        )
    return pictures.dataset(path, name, sides, channels)


def read_images(paths: Sequence[str | Path], shape: tuple[int, int, int]) -> tuple[Images, tuple[str, ...]]:
    """Read image files, or all those in folders, fitted to (C, H, W): uint8 (N, C, H, W) and what was done.

    Each is cropped to the middle and resized, antialiased; the notes name those that were not of that
    shape and those skipped. Raises LimnerError for a path that is not there, or when nothing can be read.
    """
    if isinstance(paths, (str, Path)):
        paths = [paths]
    files = chosen([_existing(path) for path in paths])
    channels, *size = shape
    rows, names, notes = [], [], []
    skipped = list(files.unreadable)
    for entry, outcome in zip(
        files.entries, pictures.decoded(files, (size[0], size[1]), channels), strict=True
    ):
        if isinstance(outcome, str):
            skipped.append((entry.name, outcome))
            continue
        rows.append(outcome[0].pixels)
        names.append(entry.name)
        notes += _fitting(entry.name, outcome[0], (size[0], size[1]))
    lines = pictures.skipped_notes(skipped)
    if not rows:
        raise LimnerError(
            f"no image could be read from {', '.join(map(str, paths)) or 'nothing'}; {'; '.join(lines)}"
        )
    if len(notes) > LISTED:
        notes[LISTED:] = [f"{len(notes) - LISTED} more images fitted"]
    return Images(torch.from_numpy(np.stack(rows)), None, tuple(names)), (*notes, *lines)


def _checked(size: int | tuple[int, int] | None, channels: int | None) -> tuple[int, int] | None:
    if channels not in (None, 1, 3):
        raise LimnerError(f"channels {channels}: images have 1 (grey) or 3 (RGB)")
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else (size[0], size[1])
    if not arrays.allowed(sides):
        raise LimnerError(f"size {named_size(sides)}: sides must be {SMALLEST} to {LARGEST}")
    return sides


def _agreeing(dataset: Dataset, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    own_channels, *own = dataset.shape
    if (size is None or size == tuple(own)) and channels in (None, own_channels):
        return dataset
    raise LimnerError(
        f"the dataset '{dataset.name}' has shape {dataset.shape}: "
        f"load('{dataset.source}') with the size and channels you want"
    )


def _existing(source: str | Path) -> Path:
    """The path of a source that is there; raises LimnerError with the nearest name otherwise."""
    text = str(source)
    if text.startswith("hf:"):
        raise LimnerError(
            f"'{text}': sets from the Hugging Face hub cannot be read yet; save its images in a folder"
        )
    try:
        path = Path(text).expanduser()
        there = bool(text) and path.exists()
        if there and (path.is_dir() or path.is_file()):  # no pipe or device, which would be waited for
            return path
    except (OSError, RuntimeError) as error:  # not permitted, a name too long, no such user's home
        raise LimnerError(f"'{shown(text)}' is no path that can be read: {error}") from error
    if there:
        raise LimnerError(f"'{shown(text)}' is neither a file nor a folder: give one of these")
    remedy = "check the path" if "/" in text or path.suffix else f"{nearest(text, NAMED)} (or give a path)"
    raise LimnerError(f"no set and no file is called '{shown(text)}': {remedy}")


def _fitting(name: str, image: Decoded, size: tuple[int, int]) -> list[str]:
    done = list(image.remarks)
    if image.size != size:
        square = image.size[0] * size[1] == image.size[1] * size[0]
        cropped = "" if square else "cropped to the middle and "
        done.insert(0, f"{named_size(image.size)} {cropped}resized to {named_size(size)}")
    return [f"{shown(name)}: {'; '.join(done)}"] if done else []
