"""What the verbs that make a picture share: where it goes, and what they say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limner.cli import wrote

if TYPE_CHECKING:
    from limner.explore import Picture
    from limner.training import Run

Json = Annotated[bool, tyro.conf.arg(name="json", help="print one JSON object instead of lines")]
Count = Annotated[int, tyro.conf.arg(metavar="N", help="how many images")]


def opened(name: str, verb: str, out: Path | None, suffix: str = ".png") -> tuple[Run, Path]:
    """A run, and where its verb writes: `out`, checked before any work, or VERB.png in the run's folder."""
    from limner.explore.embeddings import TABLES
    from limner.explore.picture import PICTURES, destination
    from limner.training import load

    run = load(name)
    place = out.expanduser() if out is not None else run.path / f"{verb}{suffix}"
    return run, destination(place, TABLES if suffix in TABLES else PICTURES)


def finish(picture: Picture, path: Path, quiet: bool, values: dict[str, Any] | None = None) -> None:
    """Write a picture, then say so: in lines, or with `values` as one JSON object."""
    picture.save(path)
    say(path, picture.notes, quiet, values)


def say(path: Path, notes: list[str], quiet: bool, values: dict[str, Any] | None = None) -> None:
    """End a verb with its notes and what it wrote, or with these and `values` as one JSON object."""
    if values is not None:
        print(json.dumps({"path": str(path), **values, "notes": notes}))
        return
    for note in notes if not quiet else ():
        print(f"note: {note}")
    wrote(path, quiet)
