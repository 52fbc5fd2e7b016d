"""The files of a source that may be images: which ones they are, and their bytes."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from limner.data.decode import Unreadable
from limner.data.kinds import HEAD, is_image_head, is_image_name
from limner.data.memory import Budget

MAX_BYTES = 256 * 2**20  # of one file
BYTES = Budget(MAX_BYTES)  # of all files that are read at one time
MAX_SNIFFED = 20_000  # files of a source that are opened for their first bytes, as their names tell no type
MANY_OTHERS = 1_000  # files that are not images: from here on, few images among them are worth a note
FEW = 10  # images are few if there are more than this many other files for each
# zipfile raises RuntimeError for a file with a password
READ_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError)
BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # bzip2 and LZMA unpack a block of any size at once


@dataclass(frozen=True)
class Entry:
    """One file: its name relative to the source, with '/', its size, and a stamp of its content."""

    name: str
    size: int
    stamp: int  # mtime in ns in a folder, CRC in a zip


@dataclass
class FileList:
    """The files of a source that may be images, sorted by name, and what is known of the others."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (name, reason)
    archive: zipfile.ZipFile | None = None
    ignored: int = 0  # the number of files that are not images
    first_ignored: str = ""  # the name of one of them
    unopened: int = 0  # files of unknown type that were not opened, for there are too many
    sniffed: int = 0  # files of unknown type that were opened

    def ignore(self, name: str) -> None:
        """Count a file that is not an image."""
        self.ignored += 1
        self.first_ignored = self.first_ignored or name

    def has_few_images(self, others: int) -> bool:
        """Whether there are at least so many other files, and few images among them."""
        return self.ignored >= others and self.ignored > FEW * len(self.entries)

    def add(self, entry: Entry) -> None:
        """Add a file named like an image, or one whose first bytes are those of an image; else ignore it."""
        if is_image_name(entry.name):
            self.entries.append(entry)
        elif entry.size == 0:
            self.ignore(entry.name)
        elif self.sniffed >= MAX_SNIFFED:
            self.unopened += 1
            self.ignore(entry.name)
        else:
            self.sniffed += 1
            try:
                with self._open(entry) as file:
                    is_image = is_image_head(file.read(HEAD))
            except Unreadable as error:
                self.unreadable.append((entry.name, str(error)))
            except READ_ERRORS as error:
                self.unreadable.append((entry.name, f"cannot be read: {reason_of(error)}"))
            else:
                self.entries.append(entry) if is_image else self.ignore(entry.name)

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file; raises Unreadable.  Several threads may read at once."""
        if entry.size > MAX_BYTES:
            raise Unreadable(f"giant: a file of {entry.size:,} bytes")
        try:
            with self._open(entry) as file:
                data = file.read(entry.size + 1)
        except READ_ERRORS as error:
            raise Unreadable(f"cannot be read: {reason_of(error)}") from error
        if len(data) != entry.size:
            raise Unreadable(f"has not the {entry.size:,} bytes that were listed")
        return data

    def _open(self, entry: Entry) -> BinaryIO:
        """Open a file; raises Unreadable, or one of READ_ERRORS."""
        if self.archive is None:
            return open(self.root / entry.name, "rb")
        try:
            info = self.archive.getinfo(entry.name)
        except KeyError as error:
            raise Unreadable("its name in the zip is damaged") from error
        if info.compress_type not in BOUNDED:
            raise Unreadable("its compression is neither deflate nor none: make the zip again")
        return cast(BinaryIO, self.archive.open(info))

    @property
    def notes(self) -> tuple[str, ...]:
        """One-line remarks on the files that are not images."""
        notes = []
        if self.has_few_images(MANY_OTHERS):
            count = len(self.entries)
            notes.append(f"only {count:,} of {count + self.ignored:,} files are images: is this the folder?")
        if self.unopened:
            notes.append(
                f"{self.unopened:,} files were not opened, as their names do not end like those of images "
                f"(.png, .jpg, ...) and more than {MAX_SNIFFED:,} such files are there"
            )
        return tuple(notes)

    @property
    def cache_key(self) -> tuple[object, ...]:
        """All that decides the decoded images and the notes, except for the shape."""
        place = str(self.root) if self.archive is None else "zip"
        entries = tuple((entry.name, entry.size, entry.stamp) for entry in self.entries)
        return (place, entries, tuple(self.unreadable), self.notes)


def reason_of(error: Exception) -> str:
    """What an error of reading says, without the name of the file."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
