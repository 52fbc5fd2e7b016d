"""Files in the idx format of MNIST, gzipped or not: http://yann.lecun.com/exdb/mnist (archived)."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from limner.data.memory import check_memory, check_unpacked, read_exactly
from limner.errors import LimnerError

NAME = re.compile(r"(train|t10k|test)[-_.]?(images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?$")


def find_files(folder: Path) -> dict[tuple[str, str], Path]:
    """The idx files of a folder, by (split, kind): ('train' | 'test', 'images' | 'labels').

    An unpacked file is preferred to its .gz.  Raises LimnerError if two files have the same split and kind.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise LimnerError(f"cannot list {folder}: {error.strerror}") from error
    files: dict[tuple[str, str], Path] = {}
    for path in paths:
        match = NAME.search(path.name)
        if match is None or not path.is_file():
            continue
        key = ("train" if match[1] == "train" else "test", match[2])
        other = files.get(key)
        if other is not None and other.name + ".gz" != path.name:
            raise LimnerError(
                f"{folder} holds two {key[0]} {key[1]} files, {other.name} and {path.name}: "
                "put each set in a folder of its own"
            )
        files.setdefault(key, path)
    return files


def read(path: Path) -> np.ndarray:
    """The array in an idx file of bytes: uint8, of the shape its header declares, writable.

    Raises LimnerError if the file is not an idx file of bytes, if its content does not match its header, or
    if it does not fit in memory.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if path.suffix != ".gz":
                return _read_array(file, path, size, packed=False)
            with gzip.open(file) as stream:
                return _read_array(cast(BinaryIO, stream), path, size, packed=True)
    except (EOFError, zlib.error, OSError) as error:
        raise LimnerError(f"cannot read {path}: {error}; get the file again") from error


def _read_array(file: BinaryIO, path: Path, file_size: int, *, packed: bool) -> np.ndarray:
    """The array, allocated only if a file of this size can hold what its header declares."""
    shape = _read_shape(file, path)
    size = math.prod(shape)
    if not size:
        raise LimnerError(f"{path} has shape {shape}: there is no image or label in it")
    if packed:
        check_unpacked(str(path), size, file_size)
    if packed or size == file_size - file.tell():
        check_memory(str(path), size, "use fewer images")
        pixels = read_exactly(file, size)
        if pixels is not None:
            return pixels.reshape(shape)
    raise LimnerError(f"{path} should hold {size:,} bytes {shape} and does not; get the file again")


def _read_shape(file: BinaryIO, path: Path) -> tuple[int, ...]:
    header = file.read(4)
    if len(header) < 4 or header[:3] != b"\0\0\x08" or not 1 <= header[3] <= 4:
        raise LimnerError(
            f"{path} is not an idx file of bytes: it starts with {header.hex(' ') or 'nothing'}"
        )
    dims = file.read(4 * header[3])
    if len(dims) < 4 * header[3]:
        raise LimnerError(f"{path} ends within its header; get the file again")
    return struct.unpack(f">{header[3]}I", dims)
