"""Files that are whole or not there: written beside their place, flushed, then moved in."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from limner.errors import LimnerError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, flush it to the disk and move it there.

    On failure `path` is left as it was, and LimnerError names the reason.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # the same suffix: writers go by it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        with open(beside, "rb+") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())
        beside.chmod(0o644)  # safetensors writes what only its owner may read
        os.replace(beside, path)
    except (OSError, RuntimeError, WriteError) as error:  # torch raises RuntimeError
        raise LimnerError(
            f"cannot write {path}: {write_problem(error)}; what was there before is untouched"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # there is no such folder, then
            beside.unlink(missing_ok=True)


def free_path(path: Path, *suffixes: str) -> Path:
    """The path, or NAME-2, NAME-3, ... where a file has that name with its suffix or one of `suffixes`."""
    for number in itertools.count(1):
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        if not any(path.with_name(stem + suffix).exists() for suffix in (path.suffix, *suffixes)):
            return path.with_name(stem + path.suffix)
    raise AssertionError


def refuse_below_file(path: Path) -> None:
    """LimnerError where the path lies below a file."""
    parent = next((parent for parent in path.parents if parent.exists()), None)
    if parent is not None and not parent.is_dir():
        raise LimnerError(f"{parent} is a file, not a folder: choose another --out")


def refuse_existing(paths: Iterable[Path]) -> None:
    """LimnerError for the first path where something is already."""
    for path in paths:
        if path.exists():
            raise LimnerError(f"{path} would be written over: give another --out")


def refuse_originals(path: Path, originals: Iterable[str | Path]) -> None:
    """LimnerError where a path is one of the files `originals`, or one in a folder of these."""
    for original in originals:
        if path.exists() and path.resolve().is_relative_to(Path(original).expanduser().resolve()):
            refuse_existing([path])


def write_problem(error: Exception) -> str:
    """Why a file could not be written, in a few words."""
    if not isinstance(error, OSError):
        return str(error).partition("\n")[0]
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "its folder's name is that of a file"
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    if error.errno == getattr(errno, "EDQUOT", None):  # not on Windows
        return "your share of the disk is used up"
    return error.strerror or str(error)


class WriteError(Exception):
    """A writer's own failure, for writers whose errors are neither OSError nor RuntimeError."""


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, atomically."""
    write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as readable JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; LimnerError where it is missing, cut short or something else."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, too long a number, too deep
        raise LimnerError(f"{path} cannot be read: it is damaged or not ours ({error})") from None


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files that a killed writer left in a run's folder and its samples/."""
    for path in [*folder.glob(".*"), *(folder / "samples").glob(".*")]:
        if is_unfinished(path):
            path.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is what a killed writer left."""
    return bool(re.fullmatch(r"\.[^.]+\.\d+\.(json|jsonl|safetensors|pt|png|npz)", path.name))
