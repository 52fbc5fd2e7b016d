"""What the verbs share when they write: the path, the notes, and the line that names the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.files import free_path, refuse_originals

if TYPE_CHECKING:
    from limner.explore import Picture
    from limner.training import Run


def open_run(
    name: str,
    verb: str,
    out: Path | None,
    suffixes: tuple[str, ...] = (".png",),
    images: Sequence[str | Path] = (),
) -> tuple[Run, Path]:
    """A run, and the path that its verb writes, checked before any work.

    A file `out` that is there is replaced, unless it is one of the `images` that the verb reads.  Without
    `out` the path is VERB.png in the run's folder, with the first of `suffixes`, numbered where a file of
    that name with any of them is there: a name that Limner chooses replaces nothing.
    """
    from limner.explore.embeddings import TABLES
    from limner.explore.picture import MOVING, PICTURES, STILL, destination
    from limner.training import load

    run = load(name)
    if out is None:
        return run, free_path(run.path / f"{verb}{suffixes[0]}", *suffixes)
    pictures = PICTURES if verb in MOVING else STILL
    path = destination(out.expanduser(), TABLES if suffixes[0] in TABLES else pictures)
    refuse_originals(path, images)
    return run, path


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
