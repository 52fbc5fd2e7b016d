"""limner data"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from limner.cli import call


def main(argv: Sequence[str]) -> None:
    call(data, argv)


def data(
    source: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[D]", help="a name or a path")
    ] = None,
    /,
    *,
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help="side to fit the images to")] = None,
    json_: Annotated[bool, tyro.conf.arg(name="json", help="print JSON")] = False,
) -> None:
    """List the named data sets; with D, read it and say what is in it and what is wrong with it."""
    from limner.data import NAMED, load

    if source is None:
        for name, about in NAMED.items():
            print(f"{name:16s}{about.description}: {about.count}, {about.size} ({about.licence})")
        print(
            f"{'or a path':16s}a folder of images (sub-folders are labels), "
            "a zip, an .npz, a folder of idx files"
        )
        return
    found = load(source, size=size)
    facts: dict[str, Any] = {
        "name": found.name,
        "shape": list(found.shape),
        "train": len(found.train),
        "test": len(found.test),
    }
    facts |= {
        "classes": list(found.classes or []),
        "fingerprint": found.fingerprint,
        "notes": list(found.notes),
    }
    if json_:
        print(json.dumps(facts, indent=2))
        return
    channels, height, width = found.shape
    print(
        f"{found.name}: {len(found.train):,} training and {len(found.test):,} test images, "
        f"{channels}x{height}x{width}"
    )
    if found.classes:
        print(f"classes: {', '.join(found.classes[:20])}{', ...' if len(found.classes) > 20 else ''}")
    for note in found.notes:
        print(f"note: {note}")
