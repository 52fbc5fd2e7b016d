"""What the verbs share when they write: the path, the notes, and the line that names the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limner.explore import Picture
    from limner.training import Run


def open_run(name: str, verb: str, out: Path | None, suffix: str = ".png") -> tuple[Run, Path]:
    """A run, and the path that its verb writes: `out`, checked before any work, or VERB.png in its folder."""
    from limner.explore.embeddings import TABLES
    from limner.explore.picture import PICTURES, destination
    from limner.training import load

    run = load(name)
    path = out.expanduser() if out is not None else run.path / f"{verb}{suffix}"
    return run, destination(path, TABLES if suffix in TABLES else PICTURES)


def save_picture(picture: Picture, path: Path, quiet: bool, values: dict[str, Any] | None = None) -> None:
    """Write a picture and print its notes and its path, as lines or with `values` as one JSON object."""
    picture.save(path)
    report(path, picture.notes, quiet, values)


def report(path: Path, notes: Sequence[str], quiet: bool, values: dict[str, Any] | None = None) -> None:
    """Print notes and the path of the file, as lines, or with `values` as one JSON object."""
    if values is not None:
        print(json.dumps({"path": str(path), **values, "notes": list(notes)}))
        return
    report_notes(notes, quiet)
    report_file(path, quiet)


def report_notes(notes: Sequence[str], quiet: bool = False) -> None:
    """Print notes, a line each."""
    if not quiet:
        for note in notes:
            print(f"note: {note}")


def report_file(path: Path, quiet: bool = False) -> None:
    """Print what a verb wrote."""
    if not quiet:
        print(f"wrote {path}")
