"""The image files of a folder or a zip, listed in one order and read one by one."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limner.data.decode import Unreadable
from limner.data.split import shown
from limner.errors import LimnerError

LARGEST = 512 * 2**20  # bytes of one file
NOT_IMAGES = frozenset(
    (
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".log", ".md"),
        *(".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".py", ".ipynb", ".sh", ".m"),
        *(
            ".npy",
            ".npz",
            ".mat",
            ".pkl",
            ".pt",
            ".pth",
            ".h5",
            ".safetensors",
            ".db",
            ".sqlite",
            ".lnk",
            ".url",
        ),
        *(
            ".zip",
            ".gz",
            ".tar",
            ".tgz",
            ".7z",
            ".rar",
            ".mp4",
            ".mov",
            ".avi",
            ".mkv",
            ".mp3",
            ".wav",
            ".svg",
        ),
        *("readme", "license", "licence", "copying", "notice"),
    )
)
FAILURES = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    EOFError,
)  # RuntimeError: a password, a method


@dataclass(frozen=True)
class Entry:
    """One file: its name relative to the source, with '/', its size, and what changes when it does."""

    name: str
    size: int
    stamp: int  # mtime in ns in a folder, CRC in a zip


@dataclass
class Files:
    """The files of a source that may be images, in the order of their names."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # plainly no images
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # what could not be listed, and why
    archive: zipfile.ZipFile | None = None

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file; raises Unreadable. Any number of threads may read at once."""
        if entry.size > LARGEST:
            raise Unreadable(f"giant: a file of {entry.size:,} bytes")
        try:
            if self.archive is None:
                return (self.root / entry.name).read_bytes()
            return self.archive.read(entry.name)
        except KeyError as error:
            raise Unreadable("its name in the zip is damaged") from error
        except FAILURES as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Unreadable(f"cannot be read: {reason}") from error

    @property
    def listing(self) -> tuple[object, ...]:
        """All that decides what decoding gives, apart from the shape asked for."""
        place = str(self.root) if self.archive is None else "zip"
        return (place, tuple((entry.name, entry.size, entry.stamp) for entry in self.entries))


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """List a folder, a zip or one image file; raises LimnerError for a zip that cannot be opened."""
    if path.is_dir():
        yield _folder(path)
    elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        try:
            archive = zipfile.ZipFile(path)
        except FAILURES as error:
            raise LimnerError(f"cannot open {path}: {error}; get the file again") from error
        with archive:
            yield _zip(path, archive)
    else:
        status = path.stat()
        yield Files(path.parent, [Entry(path.name, status.st_size, status.st_mtime_ns)])


def chosen(paths: Sequence[Path]) -> Files:
    """Files named one by one, with folders opened out; names are paths as given."""
    found = Files(Path())
    for path in paths:
        if path.is_dir():
            inner = _folder(path)
            found.entries += [Entry(str(path / e.name), e.size, e.stamp) for e in inner.entries]
            found.unreadable += [(str(path / name), reason) for name, reason in inner.unreadable]
            found.ignored += [str(path / name) for name in inner.ignored]
        else:
            status = path.stat()
            found.entries.append(Entry(str(path), status.st_size, status.st_mtime_ns))
    return found


def _folder(root: Path) -> Files:
    files = Files(root)
    visited: set[tuple[int, int]] = set()  # folders, so that links cannot lead round in a circle
    ahead = [""]
    links: list[str] = []  # followed last, so that a folder is found under its own name first
    while ahead or links:
        inside = (ahead or links).pop()
        folder = root / inside
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                found = sorted(scan, key=lambda item: item.name)
        except OSError as error:
            files.unreadable.append((inside, f"folder cannot be read: {error.strerror}"))
            continue
        for item in found:
            _consider(item, inside + item.name, files, links if item.is_symlink() else ahead)
    files.entries.sort(key=lambda entry: entry.name)
    return files


def _consider(item: os.DirEntry[str], name: str, files: Files, ahead: list[str]) -> None:
    try:
        if item.is_dir():
            if not _hidden(name):
                ahead.append(name + "/")
        elif plainly_not(name):
            files.ignored.append(name)
        else:
            status = item.stat()
            if item.is_file():  # not a pipe or a device, which would be waited for
                files.entries.append(Entry(name, status.st_size, status.st_mtime_ns))
    except OSError as error:
        files.unreadable.append((name, f"cannot be read: {error.strerror}"))


def _zip(path: Path, archive: zipfile.ZipFile) -> Files:
    files = Files(path, archive=archive)
    entries: dict[str, Entry] = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        if plainly_not(info.filename):
            files.ignored.append(info.filename)
        else:
            entries[info.filename] = Entry(info.filename, info.file_size, info.CRC)
    files.entries = sorted(entries.values(), key=lambda entry: entry.name)
    return files


def plainly_not(name: str) -> bool:
    """Whether a file is passed over without a word: hidden, a system's own, or named as something else."""
    stem, suffix = os.path.splitext(os.path.basename(name).lower())
    return _hidden(name) or (suffix or stem) in NOT_IMAGES


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


@dataclass(frozen=True)
class Layout:
    """What the folders say of each file: whether it is in use, in test, and its class."""

    used: list[bool]
    tested: list[bool] | None  # None: the folders say nothing of a split
    labels: list[str | None]
    notes: tuple[str, ...] = ()


def layout(names: Sequence[str]) -> Layout:
    """Read train/ and test/ (or val/), trainA/ trainB/ testA/ testB/, and a sub-folder per class."""
    parts = [name.split("/") for name in names]
    while parts and len(parts[0]) > 2 and len({p[0] for p in parts}) == 1 and all(len(p) > 2 for p in parts):
        parts = [p[1:] for p in parts]  # a folder that only wraps the others
    tops = {p[0] for p in parts if len(p) > 1}
    sides = _sides(tops)
    if not sides:
        return Layout([True] * len(parts), None, [p[0] if len(p) > 1 else None for p in parts])
    used = [len(p) > 1 and p[0] in sides for p in parts]
    tested = [u and sides[p[0]][0] for u, p in zip(used, parts, strict=True)]
    labels = [
        (sides[p[0]][1] or (p[1] if len(p) > 2 else None)) if u else None
        for u, p in zip(used, parts, strict=True)
    ]
    out = [name for name, u in zip(names, used, strict=True) if not u]
    notes = (
        [f"{len(out)} files outside {' and '.join(sorted(sides))} left out, such as {shown(out[0])}"]
        if out
        else []
    )
    return Layout(used, tested, labels, tuple(notes))


def _sides(tops: set[str]) -> dict[str, tuple[bool, str | None]]:
    """Top folder -> (is it test, the class it stands for), if they are a split; else nothing."""
    if {"trainA", "trainB"} <= tops:
        return {
            top: (top.startswith("test"), top[-1]) for top in tops & {"trainA", "trainB", "testA", "testB"}
        }
    train = next((top for top in ("train", "training", "Train", "Training") if top in tops), None)
    tests = ("test", "testing", "Test", "Testing", "val", "valid", "validation")
    test = next((top for top in tests if top in tops), None)
    return {train: (False, None), test: (True, None)} if train and test else {}
