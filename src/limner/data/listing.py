"""List the files of a folder or a zip that may be images, in a fixed order."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from limner.data.files import READ_ERRORS, Entry, FileList, reason_of
from limner.data.kinds import is_hidden, is_ignored
from limner.data.split import printable
from limner.errors import LimnerError

MAX_WALKED = 2_000_000  # files and folders of a source
MAX_OTHERS = 50_000  # files that are not images, in a folder with few images: it is not walked any further
TOO_MANY_OTHERS = 10_000  # the same in a folder that is walked to its end
SYSTEM = ("/proc", "/sys", "/dev")  # file systems whose files are no files on a disk


@contextmanager
def open_source(path: Path) -> Iterator[FileList]:
    """List a folder, a zip or one image file; raises LimnerError for a zip that cannot be opened."""
    if path.is_dir():
        yield list_folder(path)
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
            inner = list_folder(path)
            files.entries += [Entry(str(path / e.name), e.size, e.stamp) for e in inner.entries]
            files.unreadable += [(str(path / name), reason) for name, reason in inner.unreadable]
            files.ignored += inner.ignored
            files.first_ignored = files.first_ignored or inner.first_ignored
            files.unopened += inner.unopened
        else:
            files.entries.append(_entry(path, str(path)))
    return files


def list_folder(root: Path) -> FileList:
    """List the files under a folder that may be images by their names, or else by their first bytes.

    Raises LimnerError for a folder of the system, and for one with too many files or few images among many
    files.
    """
    walk = Walk(root)
    if root.stat().st_dev in walk.system:
        raise LimnerError(f"{root} is a folder of the system: give a folder of images")
    while walk.folders or walk.links:
        prefix = walk.folders.pop() if walk.folders else walk.links.pop()
        try:
            walk.visit(prefix)
        except OSError as error:
            walk.files.unreadable.append((prefix, f"folder cannot be read: {reason_of(error)}"))
        walk.check(MAX_OTHERS)
    walk.check(TOO_MANY_OTHERS)
    walk.files.entries.sort(key=lambda entry: entry.name)
    return walk.files


class Walk:
    """The state of a walk through the folders of a source; folders are prefixes of names, such as 'cats/'."""

    def __init__(self, root: Path) -> None:
        self.files = FileList(root)
        self.system = {os.stat(path).st_dev for path in SYSTEM if os.path.ismount(path)}
        self.folders = [""]  # to visit
        self.links: list[str] = []  # come last, so that a folder gets its own name and not that of a link
        self.visited: set[tuple[int, int]] = set()  # (device, inode) of folders: links can form a circle
        self.count = 0  # of files and folders

    def visit(self, prefix: str) -> None:
        """Add the files of a folder, and its sub-folders to those to visit; OSError if it cannot be read."""
        folder = self.files.root / prefix
        status = folder.stat()
        if (status.st_dev, status.st_ino) in self.visited:
            return
        self.visited.add((status.st_dev, status.st_ino))
        if status.st_dev in self.system:
            self.files.unreadable.append((prefix, "a folder of the system"))
            return
        with os.scandir(folder) as scan:
            items = sorted(islice(scan, MAX_WALKED + 1), key=lambda item: item.name)
        self.count += len(items)
        if self.count > MAX_WALKED:
            raise LimnerError(f"{self.files.root} holds more than {MAX_WALKED:,} files: {self.remedy()}")
        for item in items:
            name = prefix + item.name
            try:
                self.add(item, name)
            except OSError as error:
                self.files.unreadable.append((name, f"cannot be read: {reason_of(error)}"))

    def add(self, item: os.DirEntry[str], name: str) -> None:
        """Add a file, or a folder to those to visit; OSError for a broken link."""
        if item.is_dir():
            if not is_hidden(item.name):
                (self.links if item.is_symlink() else self.folders).append(name + "/")
        elif is_ignored(item.name):
            self.files.ignore(name)
        else:
            status = item.stat()  # raises OSError for a broken link
            if not item.is_file():  # a pipe or a device, where reading can wait forever
                self.files.ignore(name)
            else:
                self.files.add(Entry(name, status.st_size, status.st_mtime_ns))

    def check(self, others: int) -> None:
        """Raise LimnerError if there are at least so many other files, and few images among them."""
        if self.files.has_few_images(others):
            raise LimnerError(
                f"{self.files.root} holds {len(self.files.entries):,} images among "
                f"{len(self.files.entries) + self.files.ignored:,} files: {self.remedy()}"
            )

    def remedy(self) -> str:
        """What to do, and the folder with the most images."""
        folders = Counter(os.path.dirname(entry.name) for entry in self.files.entries)
        most = folders.most_common(1)
        example = f", such as {printable(str(self.files.root / most[0][0]))}" if most else ""
        return f"give the folder that holds the images{example}"


def _entry(path: Path, name: str) -> Entry:
    status = path.stat()
    return Entry(name, status.st_size, status.st_mtime_ns)


def _list_zip(path: Path, archive: zipfile.ZipFile) -> FileList:
    files = FileList(path, archive=archive)
    if len(archive.infolist()) > MAX_WALKED:
        raise LimnerError(f"{path} holds more than {MAX_WALKED:,} files: divide it")
    # by name: a zip can hold a name twice, and the last one counts
    members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    for name, info in sorted(members.items()):
        if is_ignored(name):
            files.ignore(name)
        else:
            files.add(Entry(name, info.file_size, info.CRC))
    return files
