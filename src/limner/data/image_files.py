"""Image files -> a Dataset: decode and resize them once, in several threads, into the cache."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from limner.data import cache
from limner.data.arrays import DEFAULT_SIZE, is_allowed
from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.decode import Decoded, Unreadable, decode, format_size, strict_pillow
from limner.data.files import BYTES, Entry, FileList
from limner.data.layout import Layout, read_layout
from limner.data.listing import open_source
from limner.data.progress import track
from limner.data.split import MAX_NAMES, digest, divide, printable
from limner.errors import LimnerError

MAX_PENDING = 256  # images decoded before the first of them is used
Outcome = tuple[Decoded, bytes] | Unreadable  # an image and the digest of its file, or the reason for none


@dataclass(frozen=True)
class Request:
    """The files to decode, and the name, source, (height, width) and channels of the dataset."""

    files: FileList
    name: str
    source: str
    size: tuple[int, int] | None
    channels: int | None


@dataclass
class Summary:
    """What is known of the decoded images besides their pixels; lists have one item per image, in order."""

    indices: list[int] = field(default_factory=list)  # of the entries of the FileList
    file_digests: list[bytes] = field(default_factory=list)
    pixel_digests: list[bytes] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)  # (height, width) before resizing
    remarks: Counter[str] = field(default_factory=Counter)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (name, reason)
    all_grey: bool = True

    def add(self, index: int, image: Decoded, file_digest: bytes) -> None:
        """Record one decoded image."""
        self.indices.append(index)
        self.file_digests.append(file_digest)
        self.pixel_digests.append(digest(image.pixels))
        self.sizes.add(image.size)
        self.remarks.update(image.remarks)
        self.all_grey = self.all_grey and bool((image.pixels == image.pixels[:1]).all())


def load_files(path: Path, name: str, size: tuple[int, int] | None, channels: int | None) -> Dataset:
    """Load the images of a folder, a zip or one file; from the cache if they were decoded before.

    Raises LimnerError if no image can be read.
    """
    with open_source(path) as files:
        key = cache.entry_key(files.cache_key, size, channels)
        stored = cache.read_entry(key)
        if stored is not None:
            return replace(stored, name=name, source=str(path))
        if not files.entries:
            raise LimnerError(
                f"no images in {path}{describe_others(files)}: give a folder of PNG or JPEG files"
            )
        request = Request(files, name, str(path), size, channels)
        try:
            folder = cache.new_entry_folder()
        except OSError as error:
            return _build_in_memory(request, error)
        try:
            return cache.commit_entry(folder, key, _build(request, folder))
        except OSError as error:
            return _build_in_memory(request, error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # after a success it has moved


def decode_files(files: FileList, size: tuple[int, int], channels: int) -> Generator[Outcome, None, None]:
    """Read and decode every file, in order, several at a time."""

    def decode_entry(entry: Entry) -> Outcome:
        try:
            with BYTES.hold(entry.size):
                data = files.read(entry)
                return decode(data, size, channels), digest(data)
        except Unreadable as error:
            return error

    def outcomes() -> Iterator[Outcome]:
        pending: deque[Future[Outcome]] = deque()
        for entry in files.entries:
            pending.append(pool.submit(decode_entry, entry))
            if len(pending) == MAX_PENDING:
                yield pending.popleft().result()
        yield from (future.result() for future in pending)

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with strict_pillow():
            yield from track(outcomes(), len(files.entries), "decoding images")
    finally:
        pool.shutdown(cancel_futures=True)


def skipped_notes(skipped: list[tuple[str, str]]) -> tuple[str, ...]:
    """A line for each of the first skipped files, and a count of the others."""
    lines = [f"skipped {printable(name)}: {reason}" for name, reason in skipped[:MAX_NAMES]]
    if len(skipped) > MAX_NAMES:
        lines.append(f"skipped {len(skipped) - MAX_NAMES} more files")
    return tuple(lines)


def _build(request: Request, folder: Path | None) -> Dataset:
    """Decode and divide the images, into .npy files in `folder` or in memory; OSError on a full disk."""
    if folder is None:
        memory = BytesIO()
        size, summary = _decode_all(request, memory)
        flat = np.frombuffer(memory.getbuffer(), np.uint8)
    else:
        with open(folder / "rows", "wb") as file:
            size, summary = _decode_all(request, file)
        flat = np.memmap(folder / "rows", np.uint8, "r")
    pixels = flat.reshape(-1, request.channels or 3, *size)
    dataset = _divide(request, pixels, summary, folder)
    notes = (*request.files.notes, *_decoding_notes(summary, size, dataset.shape[0]))
    if folder is not None:
        (folder / "rows").unlink()
    return replace(
        dataset, notes=(*notes, *dataset.notes), fingerprint=fingerprint(dataset.train, dataset.test)
    )


def _build_in_memory(request: Request, error: OSError) -> Dataset:
    note = f"kept in memory: the cache {cache.root()} cannot be written ({error.strerror}); set LIMNER_CACHE"
    dataset = _build(request, None)
    return replace(dataset, notes=(*dataset.notes, note))


def _decode_all(request: Request, file: BinaryIO) -> tuple[tuple[int, int], Summary]:
    """Write the pixels of every image to `file`; return their (height, width) and a summary.

    Without a requested size, images that all have one allowed size keep it, and others get DEFAULT_SIZE.
    Raises LimnerError if no image can be read.
    """
    size = request.size
    common = _first_size(request) if size is None else None
    if common is not None and is_allowed(common):
        size = common
    size = size or DEFAULT_SIZE
    only_this_size = request.size is None and size != DEFAULT_SIZE
    summary = _write_pixels(request, size, file, only_this_size=only_this_size)
    if summary is None:
        size = DEFAULT_SIZE
        file.seek(0)
        file.truncate()
        summary = _write_pixels(request, size, file)
    if summary is None or not summary.indices:
        raise _no_image_error(request.files, summary)
    return size, summary


def _first_size(request: Request) -> tuple[int, int] | None:
    """The (height, width) of the first image that can be read."""
    with strict_pillow():
        for entry in request.files.entries:
            try:
                return decode(request.files.read(entry), DEFAULT_SIZE, request.channels or 3).size
            except Unreadable:
                continue  # _write_pixels decodes it again and reports it
    return None


def _write_pixels(
    request: Request, size: tuple[int, int], file: BinaryIO, *, only_this_size: bool = False
) -> Summary | None:
    """Write all images at `size`; with `only_this_size`, stop with None at an image of another size."""
    summary = Summary(skipped=list(request.files.unreadable))
    with closing(decode_files(request.files, size, request.channels or 3)) as outcomes:
        for i, outcome in enumerate(outcomes):
            if isinstance(outcome, Unreadable):
                summary.skipped.append((request.files.entries[i].name, str(outcome)))
                continue
            image, file_digest = outcome
            if only_this_size and image.size != size:
                return None
            file.write(image.pixels.data)
            summary.add(i, image, file_digest)
    return summary


def _divide(request: Request, pixels: np.ndarray, summary: Summary, folder: Path | None) -> Dataset:
    """The dataset without the notes on decoding and without the fingerprint."""
    channels = request.channels or (1 if summary.all_grey else 3)
    layout = _layout(request.files, summary.indices)
    used = [i for i, is_used in enumerate(layout.used) if is_used]  # positions in `pixels`
    names = [request.files.entries[summary.indices[i]].name for i in used]
    division = divide(
        [summary.file_digests[i] for i in used],
        [summary.pixel_digests[i] for i in used],
        None if layout.in_test is None else [layout.in_test[i] for i in used],
        names,
    )
    labels, classes, label_notes = _number_classes([layout.classes[i] for i in used])

    def split(part: str, index: np.ndarray) -> Images:
        positions = np.asarray(used)[index]
        if folder is None:
            rows = torch.from_numpy(np.ascontiguousarray(pixels[positions, :channels]))
        else:
            cache.save_pixels(folder / f"{part}.npy", pixels, positions, channels)
            rows = cache.open_pixels(folder / f"{part}.npy")
        own_labels = None if labels is None else labels[index]
        return Images(rows, own_labels, tuple(names[i] for i in index), rows=torch.from_numpy(index))

    train, test = split("train", division.train), split("test", division.test)
    notes = (*layout.notes, *label_notes, *division.notes)
    return Dataset(request.name, request.source, train, test, classes, notes, fingerprint="")


def _layout(files: FileList, readable: list[int]) -> Layout:
    """The layout of the readable entries: the split by the folders of all files, the classes by their own."""
    names = [entry.name for entry in files.entries]
    whole = read_layout(names)
    if whole.in_test is None:  # a damaged file beside the only folder does not make that folder a class
        return read_layout([names[i] for i in readable])
    return whole.subset(readable)


def _number_classes(
    names: list[str | None],
) -> tuple[torch.Tensor | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Labels (N,), class names and notes; no labels unless all images are in two or more class folders."""
    classes = sorted({name for name in names if name is not None})
    if len(classes) < 2:
        return None, None, ()
    unlabelled = names.count(None)
    if unlabelled:
        examples = ", ".join(printable(name) for name in classes[:3])
        return None, None, (f"no labels: {unlabelled} images lie beside the class folders ({examples}, ...)",)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor([numbers[name] for name in names if name is not None], dtype=torch.int64)
    return labels, tuple(classes), ()


def _decoding_notes(summary: Summary, size: tuple[int, int], channels: int) -> tuple[str, ...]:
    lines = []
    if summary.sizes != {size}:
        by_area = sorted(summary.sizes, key=lambda sides: (math.prod(sides), sides))
        smallest, largest = format_size(by_area[0]), format_size(by_area[-1])
        sizes = smallest if smallest == largest else f"{smallest} to {largest}"
        cropped = any(height * size[1] != width * size[0] for height, width in summary.sizes)
        verb = "cropped to the middle and resized" if cropped else "resized"
        lines.append(f"images of {sizes} {verb} to {format_size(size)}")
    for remark, count in sorted(summary.remarks.items()):
        if channels == 3 or remark != "grey converted to RGB":
            lines.append(f"{count} of {len(summary.indices)} images: {remark}")
    return (*lines, *skipped_notes(summary.skipped))


def _no_image_error(files: FileList, summary: Summary | None) -> LimnerError:
    skipped = summary.skipped if summary is not None else []
    reasons = "; ".join(f"{printable(name)}: {reason}" for name, reason in skipped[:3])
    return LimnerError(
        f"none of the {len(files.entries)} files in {files.root} is an image that can be read ({reasons})"
    )


def describe_others(files: FileList) -> str:
    """Why a source has no images, in brackets; '' if it is empty."""
    if files.unreadable:
        name, reason = files.unreadable[0]
        return f" ({printable(name) or 'it'}: {reason})"
    if files.ignored:
        return f" ({files.ignored:,} other files, such as {printable(files.first_ignored)})"
    return ""
