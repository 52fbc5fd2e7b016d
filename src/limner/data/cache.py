"""Decoded images on disk, read through a memory map: $LIMNER_CACHE, or the user's cache folder, /decoded."""

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

import numpy as np
import pooch
import torch

from limner.data.dataset import Dataset, Images

VERSION = "1"  # of what is written here and of how images are decoded: change it when either changes
CHUNK = 4096  # images copied at a time
ABANDONED = 24 * 3600  # seconds after which an unfinished entry is nobody's


def root() -> Path:
    """The folder for downloads and decoded images: $LIMNER_CACHE or the user's cache folder for limner."""
    return Path(os.environ.get("LIMNER_CACHE") or pooch.os_cache("limner")).expanduser()


def key(*parts: object) -> str:
    """A folder name that stands for the parts, by their repr."""
    return hashlib.sha256(repr((VERSION, *parts)).encode()).hexdigest()[:32]


def fetch(name: str) -> Dataset | None:
    """The dataset stored under a key, or None when there is none or what is there cannot be read."""
    folder = root() / "decoded" / name
    try:
        about = json.loads((folder / "about.json").read_text())
        train, test = (_split(folder / f"{part}.npy", about[part]) for part in ("train", "test"))
        classes = None if about["classes"] is None else tuple(about["classes"])
        notes = tuple(about["notes"])
        return Dataset(about["name"], about["source"], train, test, classes, notes, about["fingerprint"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def scratch() -> Path:
    """A new folder in which to build an entry; raises OSError where the cache cannot be written."""
    folder = root() / "decoded"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("building-*"):  # by a process that was killed
        with contextlib.suppress(FileNotFoundError):  # finished in this moment
            if left.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="building-", dir=folder))


def save_rows(path: Path, rows: np.ndarray, index: np.ndarray, channels: int) -> None:
    """Write the first `channels` channels of rows[index], uint8 (N, C, H, W), as .npy, a part at a time."""
    shape = (len(index), channels, *rows.shape[2:])
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(index), CHUNK):
            file.write(rows[index[start : start + CHUNK], :channels].tobytes())


def open_rows(path: Path) -> torch.Tensor:
    """The uint8 tensor in a .npy file, memory-mapped, copy on write."""
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def commit(folder: Path, name: str, dataset: Dataset) -> Dataset:
    """Finish the entry whose .npy files lie in the scratch `folder`; gives it as `fetch` would."""
    about = {
        "name": dataset.name,
        "source": dataset.source,
        "classes": dataset.classes,
        "notes": dataset.notes,
        "fingerprint": dataset.fingerprint,
        "train": _described(dataset.train),
        "test": _described(dataset.test),
    }
    (folder / "about.json").write_text(json.dumps(about))
    place = folder.parent / name
    if fetch(name) is None:  # else another process was first, with the same
        shutil.rmtree(place, ignore_errors=True)  # an entry that could not be read, or nothing
        os.replace(folder, place)
    train, test = (open_rows(place / f"{part}.npy") for part in ("train", "test"))
    return replace(
        dataset, train=replace(dataset.train, pixels=train), test=replace(dataset.test, pixels=test)
    )


def _described(images: Images) -> dict[str, object]:
    labels = None if images.labels is None else images.labels.tolist()
    return {"shape": list(images.pixels.shape), "labels": labels, "names": images.names}


def _split(path: Path, about: dict[str, list]) -> Images:
    pixels = open_rows(path)
    if list(pixels.shape) != about["shape"] or pixels.dtype != torch.uint8:
        raise ValueError(f"{path} is not the array it should be")
    labels = None if about["labels"] is None else torch.tensor(about["labels"], dtype=torch.int64)
    return Images(pixels, labels, None if about["names"] is None else tuple(about["names"]))
