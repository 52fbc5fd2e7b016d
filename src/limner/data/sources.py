"""Any source -> a Dataset: choose the reader for a name or a path."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from limner.data import ages, arrays, idx, image_files, in_memory, named, npz
from limner.data.arrays import MAX_SIDE, MIN_SIDE
from limner.data.dataset import Dataset, Images
from limner.data.decode import Decoded, Unreadable, decode, format_size, strict_pillow
from limner.data.files import FileList
from limner.data.in_memory import Arrays
from limner.data.kinds import is_ignored
from limner.data.listing import list_paths
from limner.data.named import NAMED
from limner.data.split import MAX_NAMES, printable
from limner.errors import LimnerError, nearest


def load(
    source: str | Path | Dataset | Arrays = "digits",
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
) -> Dataset:
    """Load uint8 images in a training and a test split; no image is in both.

    `source` is a name in NAMED, or a path: a folder of images (sub-folders are classes; train/ and test/ are
    splits), a .zip of such a folder, an .npz or .npy, 'IMAGES.npz+LABELS.npz', or a folder of such files or
    of idx files; 'utkface:PATH' has faces whose names begin with their ages, which become the classes, and
    'utkface-gender:PATH' ages and genders.  Or it is an array or tensor of images, a pair (images, labels),
    or a torch Dataset.
    `size` is (height, width) or the side of a square, 16 to 256; images are cropped to the middle and
    resized.  By default images that all have one size of at most 128 keep it, and others become 64x64.
    `channels` is 1 or 3; by default 1 if all images are grey.
    The files of named sets come from $LIMNER_DATA/NAME, or are downloaded; decoded images are cached in
    $LIMNER_CACHE.  Raises LimnerError for a wrong source, size or number of channels.
    """
    sides = _check_shape(size, channels)
    if isinstance(source, Dataset):
        return _check_agreement(source, sides, channels)
    if isinstance(source, str) and source in NAMED:
        if source == "digits" and sides is None:
            sides = (28, 28)
        return arrays.build_dataset(named.read(source), sides, channels)
    if isinstance(source, str) and (faces := ages.split_source(source)) is not None:
        prefix, path = faces
        return ages.label_faces(load(path, size=size, channels=channels), prefix)
    raw = read_raw(source)
    if isinstance(raw, arrays.RawDataset):
        return arrays.build_dataset(raw, sides, channels)
    return image_files.load_files(raw, _name_of(raw), sides, channels)


def read_raw(source: str | Path | Arrays) -> arrays.RawDataset | Path:
    """The arrays of a source, or the path of a source of image files; LimnerError for anything else."""
    if in_memory.is_arrays(source):
        return in_memory.read(source)
    if not isinstance(source, str | Path):
        raise LimnerError(
            f"data cannot be a {type(source).__name__}: give a name, a path, an array, (images, labels) or a "
            "torch Dataset"
        )
    if str(source).startswith(in_memory.PREFIX):
        raw = npz.read(in_memory.stored_path(str(source)), in_memory.NAME)
        return replace(raw, source=str(source))
    if (pair := npz.PAIR.fullmatch(str(source))) and not Path(source).expanduser().exists():
        images, labels = (_absolute(_existing_path(path)) for path in pair.groups())
        return npz.read_pair(images, labels, _name_of(images))
    path = _absolute(_existing_path(source))
    if path.is_dir() and idx.find_files(path):
        return named.read_idx_folder(path, _name_of(path), str(path))
    if path.is_dir() and npz.find_files(path):
        return npz.read_folder(path, _name_of(path))
    if path.is_file() and path.suffix.lower() in npz.SUFFIXES:
        return npz.read(path, _name_of(path))
    if path.is_file() and is_ignored(path.name) and path.suffix.lower() != ".zip":
        raise LimnerError(
            f"{path} is not a source: give a folder or .zip of images, an .npz, .npy or a folder of idx files"
        )
    return path


def _absolute(path: Path) -> Path:
    """The path from the root, links kept."""
    return Path(os.path.abspath(path))


def _name_of(path: Path) -> str:
    """The name of a data set at a path, safe as part of a file name."""
    stem = path.name if path.is_dir() else path.stem
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "images"


def read_images(paths: Sequence[str | Path], shape: tuple[int, int, int]) -> tuple[Images, tuple[str, ...]]:
    """Read image files, and all images in folders, fitted to (C, H, W): uint8 images and notes.

    Images are cropped to the middle and resized, with antialiasing; the notes name the images that changed
    and the files that were skipped.  Raises LimnerError for a path that does not exist, or if there is no
    readable image.
    """
    if isinstance(paths, (str, Path)):
        paths = [paths]
    files = list_paths([_existing_path(path) for path in paths])
    channels, height, width = shape
    size = (height, width)
    rows, names, notes = [], [], []
    skipped = list(files.unreadable)
    outcomes = image_files.decode_files(files, size, channels)
    for entry, outcome in zip(files.entries, outcomes, strict=True):
        if isinstance(outcome, Unreadable):
            skipped.append((entry.name, str(outcome)))
            continue
        image, _ = outcome
        rows.append(image.pixels)
        names.append(entry.name)
        notes += _fit_notes(entry.name, image, size)
    skipped_lines = image_files.skipped_notes(skipped)
    if not rows:
        raise _no_image_error(", ".join(map(str, paths)) or "nothing", files, skipped)
    if len(notes) > MAX_NAMES:
        notes[MAX_NAMES:] = [f"{len(notes) - MAX_NAMES} more images fitted"]
    return Images(torch.from_numpy(np.stack(rows)), None, tuple(names)), (*notes, *skipped_lines)


def _no_image_error(sources: str, files: FileList, skipped: list[tuple[str, str]]) -> LimnerError:
    """What to say where none of the files is an image."""
    if not skipped:
        others = image_files.describe_others(files)
        return LimnerError(f"no images in {sources}{others}: give PNG or JPEG files, or a folder of them")
    if len(skipped) == 1:
        name, reason = skipped[0]
        return LimnerError(f"{printable(name)} cannot be read: {reason}")
    lines = "; ".join(image_files.skipped_notes(skipped))
    return LimnerError(f"no image could be read from {sources}: {lines}")


def read_file(path: str | Path, size: tuple[int, int] | None, channels: int) -> Images:
    """One image file, fitted to `size` (height, width) or of its own; LimnerError where it cannot be read."""
    file = _existing_path(path)
    try:
        with strict_pillow():
            pixels = decode(file.read_bytes(), size, channels).pixels
    except Unreadable as error:
        raise LimnerError(f"{printable(str(path))} cannot be read: {error}") from None
    return Images(torch.from_numpy(pixels.copy())[None], None, (str(path),))  # Pillow's memory is read-only


def _check_shape(size: int | tuple[int, int] | None, channels: int | None) -> tuple[int, int] | None:
    """The size as (height, width); raises LimnerError for a size or channels that are not possible."""
    if channels not in (None, 1, 3):
        raise LimnerError(f"channels {channels}: images have 1 (grey) or 3 (RGB)")
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise LimnerError(f"size must be one whole number, or height and width, not {size!r}")
    sides = (sides[0], sides[1])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise LimnerError(f"size {format_size(sides)}: sides must be {MIN_SIDE} to {MAX_SIDE}")
    return sides


def _check_agreement(dataset: Dataset, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    """The same dataset; raises LimnerError if its shape is not the required one."""
    own_channels, *own_size = dataset.shape
    if size in (None, tuple(own_size)) and channels in (None, own_channels):
        return dataset
    raise LimnerError(
        f"the dataset '{dataset.name}' has shape {dataset.shape}: "
        f"load('{dataset.source}') with the size and channels you want"
    )


def _existing_path(source: str | Path) -> Path:
    """The path of an existing file or folder; raises LimnerError with the nearest name otherwise."""
    text = str(source)
    if text.startswith("hf:"):
        raise LimnerError(
            f"'{text}': sets from the Hugging Face hub cannot be read yet; save its images in a folder"
        )
    try:
        path = Path(text).expanduser()
        exists = bool(text) and path.exists()
        if exists and (
            path.is_dir() or path.is_file()
        ):  # not a pipe or a device: to read one can wait forever
            return path
    except (OSError, RuntimeError) as error:  # no permission, a name too long, no such user's home
        raise LimnerError(f"the path '{printable(text)}' cannot be read: {error}") from error
    if exists:
        raise LimnerError(f"'{printable(text)}' is neither a file nor a folder: give one of these")
    is_path = "/" in text or path.suffix
    remedy = "check the path" if is_path else f"{nearest(text, NAMED)} (or give a path)"
    raise LimnerError(f"no set and no file is called '{printable(text)}': {remedy}")


def _fit_notes(name: str, image: Decoded, size: tuple[int, int]) -> list[str]:
    """One line on how an image was changed, or none."""
    changes = list(image.remarks)
    if image.size != size:
        same_aspect = image.size[0] * size[1] == image.size[1] * size[0]
        crop = "" if same_aspect else "cropped to the middle and "
        changes.insert(0, f"{format_size(image.size)} {crop}resized to {format_size(size)}")
    return [f"{printable(name)}: {'; '.join(changes)}"] if changes else []
