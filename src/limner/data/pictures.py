"""Image files -> a Dataset: decoded and fitted once, side by side, into the cache."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from limner.data import cache
from limner.data.arrays import DEFAULT, allowed
from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.decode import Decoded, Unreadable, decode, named_size, strict
from limner.data.files import Entry, Files, Layout, layout, opened
from limner.data.progress import track
from limner.data.split import LISTED, digest, divide, shown
from limner.errors import LimnerError

Outcome = tuple[Decoded, bytes] | str  # the image and the digest of its file, or why there is none


@dataclass(frozen=True)
class Job:
    """What is to be decoded: files, and the name, source, (height, width) and channels of the dataset."""

    files: Files
    name: str
    source: str
    size: tuple[int, int] | None
    channels: int | None


@dataclass
class Gathered:
    """What decoding a source gave, beside the pixels: about each image that could be read, in order."""

    kept: list[int] = field(default_factory=list)  # indices into the listing
    content: list[bytes] = field(default_factory=list)  # digests of the files
    seen: list[bytes] = field(default_factory=list)  # digests of the pixels
    sizes: set[tuple[int, int]] = field(default_factory=set)  # (height, width) before fitting
    remarks: Counter[str] = field(default_factory=Counter)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    grey: bool = True  # all of them so far

    def add(self, i: int, image: Decoded, content: bytes) -> None:
        self.kept.append(i)
        self.content.append(content)
        self.seen.append(digest(image.pixels))
        self.sizes.add(image.size)
        self.remarks.update(image.remarks)
        self.grey = self.grey and bool((image.pixels == image.pixels[:1]).all())


def dataset(path: Path, name: str, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    """The images of a folder, a zip or one file, from the cache where it has them.

    Raises LimnerError when there is no image that can be read.
    """
    with opened(path) as files:
        entry = cache.key(files.listing, size, channels)
        found = cache.fetch(entry)
        if found is not None:
            return replace(found, name=name, source=str(path))
        if not files.entries:
            raise LimnerError(f"no images in {path}{_ignored(files)}: give a folder of PNG or JPEG files")
        job = Job(files, name, str(path), size, channels)
        try:
            folder = cache.scratch()
        except OSError as error:
            return _in_memory(job, error)
        try:
            return cache.commit(folder, entry, _build(job, folder))
        except OSError as error:
            return _in_memory(job, error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # gone already, if all went well


def decoded(files: Files, size: tuple[int, int] | None, channels: int) -> Generator[Outcome, None, None]:
    """Read and decode every file in order, several at a time."""

    def one(entry: Entry) -> Outcome:
        try:
            data = files.read(entry)
            return decode(data, size, channels), digest(data)
        except Unreadable as error:
            return str(error)

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with strict():
            yield from track(pool.map(one, files.entries), len(files.entries), "decoding images")
    finally:
        pool.shutdown(cancel_futures=True)


def skipped_notes(skipped: list[tuple[str, str]]) -> tuple[str, ...]:
    """A line for each of the first files skipped, and a count of the others."""
    lines = [f"skipped {shown(name)}: {reason}" for name, reason in skipped[:LISTED]]
    rest = len(skipped) - LISTED
    return (*lines, f"skipped {rest} more files") if rest > 0 else tuple(lines)


def _build(job: Job, folder: Path | None) -> Dataset:
    """Decode and divide, into .npy files in `folder` or in memory; raises OSError on a full disk."""
    if folder is None:
        memory = BytesIO()
        shape, gathered = _gather(job, memory)
        flat = np.frombuffer(memory.getbuffer(), np.uint8)
    else:
        with open(folder / "rows", "wb") as file:
            shape, gathered = _gather(job, file)
        flat = np.memmap(folder / "rows", np.uint8, "r")
    rows = flat.reshape(-1, job.channels or 3, *shape)
    result = _divided(job, rows, gathered, folder)
    notes = (*_notes(job.files, gathered, shape, result.shape[0]), *result.notes)
    if folder is not None:
        (folder / "rows").unlink()
    return replace(result, notes=notes, fingerprint=fingerprint(result.train, result.test))


def _gather(job: Job, file: BinaryIO) -> tuple[tuple[int, int], Gathered]:
    """Write the pixels of every image to `file`, at the size asked for, or else at the one that all have.

    Gives the size and what was met; raises LimnerError when no image can be read.
    """
    size, channels = job.size or _first_size(job) or DEFAULT, job.channels or 3
    if job.size is None and not allowed(size):
        size = DEFAULT
    gathered = _write(job.files, size, channels, file, alike=job.size is None and size != DEFAULT)
    if gathered is None:  # the images differ in size
        size = DEFAULT
        file.seek(0)
        file.truncate()
        gathered = _write(job.files, size, channels, file, alike=False)
    if gathered is None or not gathered.kept:
        raise _nothing(job.files, gathered)
    return size, gathered


def _first_size(job: Job) -> tuple[int, int] | None:
    with strict():
        for entry in job.files.entries:
            try:
                return decode(job.files.read(entry), None, job.channels or 3).size
            except Unreadable:
                continue  # it is met again, and reported on, among the others
    return None


def _write(
    files: Files, size: tuple[int, int], channels: int, file: BinaryIO, *, alike: bool
) -> Gathered | None:
    """Write all images at `size`; with `alike`, give None at the first that had another size."""
    gathered = Gathered(skipped=list(files.unreadable))
    with closing(decoded(files, size, channels)) as outcomes:
        for i, outcome in enumerate(outcomes):
            if isinstance(outcome, str):
                gathered.skipped.append((files.entries[i].name, outcome))
            elif alike and outcome[0].size != size:
                return None
            else:
                file.write(outcome[0].pixels.data)
                gathered.add(i, *outcome)
    return gathered


def _divided(job: Job, rows: np.ndarray, gathered: Gathered, folder: Path | None) -> Dataset:
    """The dataset but for the notes on decoding and the fingerprint."""
    files, channels = job.files, job.channels or (1 if gathered.grey else 3)
    names = [files.entries[i].name for i in gathered.kept]
    plan = layout([entry.name for entry in files.entries])
    used = [i for i, k in enumerate(gathered.kept) if plan.used[k]]
    given = None if plan.tested is None else [plan.tested[gathered.kept[i]] for i in used]
    content, seen = ([of[i] for i in used] for of in (gathered.content, gathered.seen))
    division = divide(content, seen, given, [names[i] for i in used])
    labels, classes, notes = _labels(plan, [gathered.kept[i] for i in used])
    splits = []
    for part, index in (("train", division.train), ("test", division.test)):
        chosen = np.asarray(used)[index]
        if folder is None:
            pixels = torch.from_numpy(np.ascontiguousarray(rows[chosen, :channels]))
        else:
            cache.save_rows(folder / f"{part}.npy", rows, chosen, channels)
            pixels = cache.open_rows(folder / f"{part}.npy")
        marks = None if labels is None else torch.from_numpy(labels[index])
        splits.append(Images(pixels, marks, tuple(names[i] for i in chosen)))
    notes = (*plan.notes, *notes, *division.notes)
    return Dataset(job.name, job.source, splits[0], splits[1], classes, notes, "")


def _labels(
    plan: Layout, kept: list[int]
) -> tuple[np.ndarray | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Labels (N,) and classes, where all images lie in class folders and there are two or more of these."""
    found = [plan.labels[k] for k in kept]
    classes = sorted({label for label in found if label is not None})
    if len(classes) < 2:
        return None, None, ()
    bare = found.count(None)
    if bare:
        some = ", ".join(shown(name) for name in classes[:3])
        return None, None, (f"no labels: {bare} images lie beside the class folders ({some}, ...)",)
    number = {label: k for k, label in enumerate(classes)}
    return np.asarray([number[str(label)] for label in found], np.int64), tuple(classes), ()


def _notes(files: Files, gathered: Gathered, shape: tuple[int, int], channels: int) -> tuple[str, ...]:
    lines = []
    if gathered.sizes != {shape}:
        heights, widths = zip(*gathered.sizes, strict=True)
        low, high = named_size((min(heights), min(widths))), named_size((max(heights), max(widths)))
        found = low if low == high else f"{low} to {high}"
        cropped = any(height * shape[1] != width * shape[0] for height, width in gathered.sizes)
        verb = "cropped to the middle and resized to" if cropped else "resized to"
        lines.append(f"images of {found} {verb} {named_size(shape)}")
    for remark, count in sorted(gathered.remarks.items()):
        if channels == 3 or remark != "grey made RGB":
            lines.append(f"{count} of {len(gathered.kept)} images: {remark}")
    return (*lines, *skipped_notes(gathered.skipped))


def _nothing(files: Files, gathered: Gathered | None) -> LimnerError:
    skipped = gathered.skipped if gathered is not None else []
    why = "; ".join(f"{shown(name)}: {reason}" for name, reason in skipped[:3])
    return LimnerError(
        f"none of the {len(files.entries)} files in {files.root} is an image that can be read ({why})"
    )


def _ignored(files: Files) -> str:
    if files.unreadable:
        name, reason = files.unreadable[0]
        return f" ({shown(name) or 'it'}: {reason})"
    return f" ({len(files.ignored)} other files, such as {shown(files.ignored[0])})" if files.ignored else ""


def _in_memory(job: Job, error: OSError) -> Dataset:
    note = f"kept in memory: the cache {cache.root()} cannot be written ({error.strerror}); set LIMNER_CACHE"
    dataset = _build(job, None)
    return replace(dataset, notes=(*dataset.notes, note))
