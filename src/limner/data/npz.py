"""NumPy files of images and of labels, .npz and .npy, one or several -> arrays."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from limner.data.arrays import RawDataset
from limner.data.kinds import is_hidden, is_image_name
from limner.data.memory import check_memory, check_unpacked, format_bytes, read_exactly
from limner.data.raw_arrays import IMAGE_GROUPS, IMAGES, LABEL_GROUPS, TRAIN, assemble, first_key
from limner.errors import LimnerError

SUFFIXES = (".npz", ".npy")
READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
PAIR = re.compile(r"(.+\.np[yz])\+(.+\.np[yz])", re.IGNORECASE)  # images+labels
LABELLED = re.compile(r"label|target|(?<![a-z])y(?![a-z])")  # in the name of a file
TESTED = re.compile(r"(?<![a-z])(test|t10k|val|valid|validation)(?![a-z])")
KEYS = "name images 'images' and labels 'labels', or 'x_train', 'y_train', 'x_test' and 'y_test'"


def read(path: Path, name: str) -> RawDataset:
    """The images, labels and split of an .npz or .npy; LimnerError that names the wrong array."""
    return assemble(read_arrays(path, (*IMAGE_GROUPS, *LABEL_GROUPS), "images"), str(path), name, str(path))


def read_pair(images: Path, labels: Path, name: str) -> RawDataset:
    """Images of one file with the labels of another."""
    arrays = read_arrays(images, IMAGE_GROUPS, "images") | read_arrays(labels, LABEL_GROUPS, "labels")
    return assemble(arrays, f"{images} with {labels}", name, f"{images}+{labels}")


def read_folder(folder: Path, name: str) -> RawDataset:
    """The images and labels in the files of a folder, told apart by their names."""
    files = find_files(folder)
    if len(files) == 1 and "images" in files:
        raw = read(files["images"], name)
    elif "images" not in files:
        raise LimnerError(
            f"{folder} has no file of images beside {', '.join(p.name for p in files.values())}"
        )
    elif not {"x_test", "y_test"} & {*files} and "labels" in files:
        raw = read_pair(files["images"], files["labels"], name)
    else:
        groups = {"images": IMAGE_GROUPS, "x_test": IMAGE_GROUPS}
        arrays = {
            key: next(iter(read_arrays(path, groups.get(key, LABEL_GROUPS), key).values()))
            for key, path in files.items()
        }
        raw = assemble(arrays, str(folder), name, str(folder))
    return replace(raw, source=str(folder))


def find_files(folder: Path) -> dict[str, Path]:
    """The files of arrays in a folder by 'images', 'labels', 'x_test', 'y_test'; {} where it holds images.

    Raises LimnerError where two files could be the same.
    """
    paths = [path for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    if any(is_image_name(path.name) or path.is_dir() for path in paths):
        return {}
    files: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            continue
        stem = path.stem.lower()
        keys = ("labels", "y_test") if LABELLED.search(stem) else ("images", "x_test")
        other = files.setdefault(keys[bool(TESTED.search(stem))], path)
        if other != path:
            raise LimnerError(
                f"{folder} holds {other.name} and {path.name}, and their names do not say which is what: "
                "give one of them, or call them images, labels, test-images and test-labels"
            )
    return files


def read_arrays(path: Path, groups: Sequence[tuple[str, ...]], lone: str) -> dict[str, np.ndarray]:
    """The arrays of a file with a known name, the first of each group, or its only array as `lone`.

    Raises LimnerError if there is no such array.
    """
    try:
        if path.suffix.lower() == ".npy":
            with open(path, "rb") as file:
                size = path.stat().st_size
                check_memory(str(path), size, "save fewer images")
                return {lone: _read_array(file, size, str(path))}
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {key: key for group in groups if (key := first_key(members, group)) is not None}
            wanted = {*TRAIN, *IMAGES} if groups[0] is TRAIN else {*chosen}
            if not wanted & {*chosen} and len(members) == 1:
                chosen = {lone: next(iter(members))}
            elif not wanted & {*chosen}:
                raise LimnerError(f"{path} has {', '.join(members) or 'no array'}: {KEYS}")
            _check_members([members[member] for member in chosen.values()], path)
            return {key: _read_member(archive, members[member], path) for key, member in chosen.items()}
    except ValueError as error:
        raise LimnerError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    except (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise LimnerError(f"cannot read {path}: {error}; save it again with numpy.savez") from error


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise LimnerError if the sizes that the zip declares are not possible, or do not fit in memory."""
    packed, unpacked = sum(info.compress_size for info in members), sum(info.file_size for info in members)
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members):
        raise LimnerError(f"{path} has an unusual compression: save it again with numpy.savez_compressed")
    if packed > path.stat().st_size:
        raise LimnerError(f"{path} declares more data than it holds; save it again with numpy.savez")
    check_unpacked(str(path), unpacked, packed)
    check_memory(str(path), unpacked, "save fewer images")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """One array of an .npz."""
    with archive.open(info) as file:
        return _read_array(
            cast(BinaryIO, file), info.file_size, f"'{info.filename.removesuffix('.npy')}' in {path}"
        )


def _read_array(file: BinaryIO, total: int, label: str) -> np.ndarray:
    """An array in the .npy format, allocated only if its header agrees with the `total` bytes of the file."""
    version = np.lib.format.read_magic(file)
    if version not in READERS:
        raise LimnerError(f"{label} has the .npy format {version}: save plain arrays with numpy.savez")
    shape, fortran_order, dtype = READERS[version](file)
    if dtype.hasobject:
        raise LimnerError(
            f"{label} holds pickled objects, which could run code: save plain arrays of one shape and type"
        )
    size, held = math.prod(shape) * dtype.itemsize, total - file.tell()
    if min(shape, default=0) < 0 or size != held:
        raise LimnerError(
            f"{label} declares shape {shape} of {dtype}, {format_bytes(size)}, and holds "
            f"{format_bytes(held)}; save it again with numpy.savez"
        )
    if not size:
        raise LimnerError(f"{label} has shape {shape}: there is no image or label in it")
    content = read_exactly(file, size)
    if content is None:
        raise LimnerError(f"{label} is cut off; save it again with numpy.savez")
    return content.view(dtype).reshape(shape, order="F" if fortran_order else "C")
