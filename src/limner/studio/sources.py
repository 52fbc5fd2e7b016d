"""The data that a run can be started on, by names from a list: the browser never gives a path."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from limner.data import NAMED
from limner.data.ages import GENDER_PREFIX, PREFIX, read_label
from limner.data.files import READ_ERRORS
from limner.data.idx import NAME as IDX_NAME
from limner.data.kinds import is_hidden, is_image_name
from limner.data.layout import DOMAIN_FOLDERS, TEST_FOLDERS, TRAIN_FOLDERS
from limner.data.named import is_available
from limner.errors import LimnerError
from limner.studio.folder import PARTS, modified

DEPTH = 2  # folders below a chosen one
LOOKED_AT = 200  # files of a folder that are looked at, to see whether it holds images
MOST_FOLDERS = 2000  # that are looked at
MOST_SOURCES = 300
FILES = (".zip", ".npz", ".npy")
SPLITS = {*DOMAIN_FOLDERS, *TRAIN_FOLDERS, *TEST_FOLDERS}


@dataclass(frozen=True)
class Source:
    """Data as the list names them, as `limner train --data` takes them, and what they are."""

    name: str
    value: str
    description: str
    root: Path | None = None  # the chosen folder that they lie in

    @property
    def path(self) -> Path:
        """The file or the folder."""
        return Path(self.value.removeprefix(GENDER_PREFIX).removeprefix(PREFIX))


class Sources:
    """The named sets that are here, and images in the folders that were chosen, read anew at each call."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [folder.resolve() for folder in folders]

    def scan(self) -> dict[str, Source]:
        """Every source by its name."""
        sources = {
            name: Source(name, name, f"{named.description}: {named.count}, {named.size}")
            for name, named in NAMED.items()
            if is_available(name)
        }
        for root in self.folders:
            for source in islice(find_sources(root), MOST_SOURCES):
                name, number = source.name, 1
                while name in sources:  # another chosen folder, or a set, has that name
                    number += 1
                    name = f"{source.name} ({number})"
                sources[name] = Source(name, source.value, source.description, root)
        return sources

    def find(self, name: str) -> str:
        """What `--data` takes for a name in the list; LimnerError for another text, and for links out."""
        source = self.scan().get(name)
        if source is None:
            raise LimnerError(f"'{name[:80]}' is not in the list of data: choose one that is")
        if source.root is not None:
            check_links(source.path, source.root)
        return source.value


def find_sources(root: Path) -> Iterator[Source]:
    """The images and arrays in a folder and in those below it, links left out."""
    waiting, visited = [(root, 0)], 0
    while waiting and visited < MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        visited += 1
        files, folders = look(folder)
        if any(file in PARTS[:3] for file in files):  # a run
            continue
        name = folder.relative_to(root.parent).as_posix()
        images = [file for file in files if is_image_name(file)]
        inner = [child for child in folders if holds_images(folder / child)]
        if images or inner:
            what = "images" if images else f"images in {len(inner)} sub-folders"
            yield Source(name, str(folder), what)
        yield from of_faces(images, name, folder)
        if any(map(IDX_NAME.search, files)):
            yield Source(name, str(folder), "idx files")
        for file in files:
            if file.lower().endswith(FILES):
                yield Source(f"{name}/{file}", str(folder / file), f"a file, {file.rpartition('.')[2]}")
                members = zip_members(folder / file, modified(folder / file))
                yield from of_faces(members, f"{name}/{file}", folder / file)
        if depth < DEPTH and not images:
            waiting += [(folder / child, depth + 1) for child in folders if child not in SPLITS]


def of_faces(files: Sequence[str], name: str, path: Path) -> Iterator[Source]:
    """The sources with ages as classes, where names of the files tell them."""
    if any(read_label(file) is not None for file in files):
        yield Source(f"{name}, by age", f"{PREFIX}{path}", "faces whose names tell their age")
        yield Source(f"{name}, by age and gender", f"{GENDER_PREFIX}{path}", "the same, and their gender")


@lru_cache(1000)
def zip_members(path: Path, modified: float) -> list[str]:
    """The first names in a zip that was modified then; none of another file."""
    if path.suffix.lower() != ".zip":
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[:LOOKED_AT]
    except READ_ERRORS:
        return []


def look(folder: Path) -> tuple[list[str], list[str]]:
    """The first files of a folder and its folders, by name, without links and what is hidden."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as scan:
            for entry in islice(scan, MOST_FOLDERS):
                if is_hidden(entry.name) or entry.is_symlink() or not entry.name.isprintable():
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file() and (len(files) < LOOKED_AT or entry.name.lower().endswith(FILES)):
                    files.append(entry.name)
    except OSError:  # no permission, or gone
        pass
    return sorted(files), sorted(folders)


def holds_images(folder: Path) -> bool:
    """Whether a folder holds images, or folders of images under the names of a split."""
    files, folders = look(folder)
    if any(file in PARTS[:3] for file in files):
        return False
    inner = (folder / child for child in folders if folder.name in SPLITS)
    return any(map(is_image_name, files)) or any(map(holds_images, inner))


def check_links(path: Path, root: Path) -> None:
    """Raise LimnerError where a source, or a file in it, is a link that leads out of the chosen folder."""
    if not path.resolve().is_relative_to(root):
        raise LimnerError(f"{path.name} leads out of the chosen folder: the studio does not follow it")
    for link in find_links(path) if path.is_dir() else ():
        if not link.resolve().is_relative_to(root):
            raise LimnerError(
                f"{link.relative_to(path)} is a link to another place: limner train follows it, the studio "
                "does not"
            )


def find_links(folder: Path) -> Iterator[Path]:
    """The links in a folder and below it."""
    with os.scandir(folder) as scan:
        for entry in scan:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir():
                yield from find_links(Path(entry.path))
