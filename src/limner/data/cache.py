"""Decoded images on disk, read through a memory map: in `decoded/` of $LIMNER_CACHE or the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import torch

from limner.data.dataset import Dataset, Images
from limner.errors import LimnerError
from limner.files import read_json

VERSION = "2"  # of the format of an entry and of decoding: increase it when either changes
CHUNK = 4096  # images copied at a time
ABANDONED = 24 * 3600  # seconds; an unfinished entry that is older belongs to no living process


def root() -> Path:
    """The folder for downloads and decoded images: $LIMNER_CACHE or the user's cache folder for limner."""
    return Path(os.environ.get("LIMNER_CACHE") or pooch.os_cache("limner")).expanduser()


def entry_key(*parts: object) -> str:
    """A folder name that identifies the parts by their repr."""
    return hashlib.sha256(repr((VERSION, *parts)).encode()).hexdigest()[:32]


def read_entry(key: str) -> Dataset | None:
    """The dataset stored under a key; None if there is none or it is damaged."""
    folder = root() / "decoded" / key
    try:
        content = read_json(folder / "about.json")
        return Dataset(
            name=content["name"],
            source=content["source"],
            train=_read_split(folder / "train.npy", content["train"]),
            test=_read_split(folder / "test.npy", content["test"]),
            classes=None if content["classes"] is None else tuple(content["classes"]),
            notes=tuple(content["notes"]),
            fingerprint=content["fingerprint"],
        )
    except (LimnerError, OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def new_entry_folder() -> Path:
    """A new folder in which to build an entry; raises OSError if the cache cannot be written."""
    parent = root() / "decoded"
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.glob("building-*"):
        with contextlib.suppress(FileNotFoundError):  # another process finished it at this moment
            if folder.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="building-", dir=parent))


def save_pixels(path: Path, pixels: np.ndarray, index: np.ndarray, channels: int) -> None:
    """Write the first `channels` channels of pixels[index], uint8 (N, C, H, W), as .npy, in chunks."""
    shape = (len(index), channels, *pixels.shape[2:])
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(index), CHUNK):
            file.write(pixels[index[start : start + CHUNK], :channels].tobytes())


def open_pixels(path: Path) -> torch.Tensor:
    """The uint8 tensor in a .npy file, memory-mapped, copy on write."""
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def commit_entry(folder: Path, key: str, dataset: Dataset) -> Dataset:
    """Store `folder`, which holds train.npy and test.npy, under a key; return what `read_entry` returns."""
    content = {
        "name": dataset.name,
        "source": dataset.source,
        "classes": dataset.classes,
        "notes": dataset.notes,
        "fingerprint": dataset.fingerprint,
        "train": _describe_split(dataset.train),
        "test": _describe_split(dataset.test),
    }
    (folder / "about.json").write_text(json.dumps(content))
    entry = folder.parent / key
    if read_entry(key) is None:  # otherwise another process has stored the same entry
        shutil.rmtree(entry, ignore_errors=True)  # a damaged entry, if any
        os.replace(folder, entry)
    return replace(
        dataset,
        train=replace(dataset.train, pixels=open_pixels(entry / "train.npy")),
        test=replace(dataset.test, pixels=open_pixels(entry / "test.npy")),
    )


def _describe_split(images: Images) -> dict[str, Any]:
    """All of a split but its pixels, as JSON holds it."""
    content: dict[str, Any] = {
        "shape": list(images.pixels.shape),
        "labels": None if images.labels is None else images.labels.tolist(),
        "names": images.names,
        "rows": None if images.rows is None else images.rows.tolist(),
    }
    if images.attributes:
        content["attributes"] = {name: values.tolist() for name, values in images.attributes.items()}
    return content


def _read_split(path: Path, content: dict[str, Any]) -> Images:
    pixels = open_pixels(path)
    if list(pixels.shape) != content["shape"] or pixels.dtype != torch.uint8:
        raise ValueError(f"{path} does not hold the array that about.json describes")
    labels, names, rows = content["labels"], content["names"], content["rows"]
    attributes = content.get("attributes", {})
    return Images(
        pixels,
        None if labels is None else torch.tensor(labels, dtype=torch.int64),
        None if names is None else tuple(names),
        {name: torch.tensor(values) for name, values in attributes.items()},
        None if rows is None else torch.tensor(rows, dtype=torch.int64),
    )
