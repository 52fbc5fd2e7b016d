"""The image files of a folder or a zip: list them in a fixed order, read them one by one."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limner.data.decode import Unreadable
from limner.errors import LimnerError

MAX_BYTES = 512 * 2**20  # of one file
TEXTS = {".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".log", ".md"}
DOCUMENTS = {".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".py", ".ipynb", ".sh", ".m"}
ARRAYS = {".npy", ".npz", ".mat", ".pkl", ".pt", ".pth", ".h5", ".safetensors", ".db", ".sqlite"}
ARCHIVES = {".zip", ".gz", ".tar", ".tgz", ".7z", ".rar"}
MEDIA = {".mp4", ".mov", ".avi", ".mkv", ".mp3", ".wav", ".svg"}
OTHERS = {".lnk", ".url", "readme", "license", "licence", "copying", "notice"}
NOT_IMAGES = TEXTS | DOCUMENTS | ARRAYS | ARCHIVES | MEDIA | OTHERS  # suffixes, and whole names without one
# zipfile raises RuntimeError for a file with a password
READ_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError)


@dataclass(frozen=True)
class Entry:
    """One file: its name relative to the source, with '/', its size, and a stamp of its content."""

    name: str
    size: int
    stamp: int  # mtime in ns in a folder, CRC in a zip


@dataclass
class FileList:
    """The files of a source that may be images, sorted by name."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # names of files that are not images
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (name, reason)
    archive: zipfile.ZipFile | None = None

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file; raises Unreadable.  Several threads may read at once."""
        if entry.size > MAX_BYTES:
            raise Unreadable(f"giant: a file of {entry.size:,} bytes")
        try:
            if self.archive is None:
                return (self.root / entry.name).read_bytes()
            return self.archive.read(entry.name)
        except KeyError as error:
            raise Unreadable("its name in the zip is damaged") from error
        except READ_ERRORS as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Unreadable(f"cannot be read: {reason}") from error

    @property
    def cache_key(self) -> tuple[object, ...]:
        """All that decides the decoded images, except for the shape."""
        place = str(self.root) if self.archive is None else "zip"
        return (place, tuple((entry.name, entry.size, entry.stamp) for entry in self.entries))


@contextmanager
def open_source(path: Path) -> Iterator[FileList]:
    """List a folder, a zip or one image file; raises LimnerError for a zip that cannot be opened."""
    if path.is_dir():
        yield _list_folder(path)
    elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        try:
            archive = zipfile.ZipFile(path)
        except READ_ERRORS as error:
            raise LimnerError(f"cannot open {path}: {error}; get the file again") from error
        with archive:
            yield _list_zip(path, archive)
    else:
        yield FileList(path.parent, [_entry(path, path.name)])


def list_paths(paths: Sequence[Path]) -> FileList:
    """List single files and all files in folders; names are the paths as the caller wrote them."""
    files = FileList(Path())
    for path in paths:
        if path.is_dir():
            inner = _list_folder(path)
            files.entries += [Entry(str(path / e.name), e.size, e.stamp) for e in inner.entries]
            files.unreadable += [(str(path / name), reason) for name, reason in inner.unreadable]
            files.ignored += [str(path / name) for name in inner.ignored]
        else:
            files.entries.append(_entry(path, str(path)))
    return files


def is_ignored(name: str) -> bool:
    """Whether to skip a file without a note: hidden, made by the system, or clearly not an image."""
    stem, suffix = os.path.splitext(os.path.basename(name).lower())
    return _is_hidden(name) or (suffix or stem) in NOT_IMAGES


def _entry(path: Path, name: str) -> Entry:
    status = path.stat()
    return Entry(name, status.st_size, status.st_mtime_ns)


def _list_folder(root: Path) -> FileList:
    files = FileList(root)
    visited: set[tuple[int, int]] = set()  # (device, inode) of folders: links can form a circle
    folders = [""]
    links: list[str] = []  # come last, so that a folder gets its own name and not that of a link
    while folders or links:
        prefix = folders.pop() if folders else links.pop()
        folder = root / prefix
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                items = sorted(scan, key=lambda item: item.name)
        except OSError as error:
            files.unreadable.append((prefix, f"folder cannot be read: {error.strerror}"))
            continue
        for item in items:
            _add_item(item, prefix + item.name, files, links if item.is_symlink() else folders)
    files.entries.sort(key=lambda entry: entry.name)
    return files


def _add_item(item: os.DirEntry[str], name: str, files: FileList, folders: list[str]) -> None:
    """Add a file to `files`, or a folder to the list of `folders` to visit."""
    try:
        if item.is_dir():
            if not _is_hidden(name):
                folders.append(name + "/")
        elif is_ignored(name):
            files.ignored.append(name)
        else:
            status = item.stat()  # raises OSError for a broken link
            if item.is_file():  # not a pipe or a device, where reading can wait forever
                files.entries.append(Entry(name, status.st_size, status.st_mtime_ns))
    except OSError as error:
        files.unreadable.append((name, f"cannot be read: {error.strerror}"))


def _list_zip(path: Path, archive: zipfile.ZipFile) -> FileList:
    files = FileList(path, archive=archive)
    entries: dict[str, Entry] = {}  # by name: a zip can hold a name twice, and the last one counts
    for info in archive.infolist():
        if info.is_dir():
            continue
        if is_ignored(info.filename):
            files.ignored.append(info.filename)
        else:
            entries[info.filename] = Entry(info.filename, info.file_size, info.CRC)
    files.entries = sorted(entries.values(), key=lambda entry: entry.name)
    return files


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
