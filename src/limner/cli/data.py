"""limner data"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from limner.cli.arguments import Json
from limner.cli.output import report_notes
from limner.cli.parsing import call

if TYPE_CHECKING:
    from limner.data import Dataset

LISTED_CLASSES = 20


def main(argv: Sequence[str]) -> None:
    call(data, argv)


def data(
    source: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[D]", help="a name or a path")
    ] = None,
    /,
    *,
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help="side to fit the images to")] = None,
    json: Json = False,
) -> None:
    """List the named data sets; with D, read that data set and print its contents and defects."""
    from limner.data import load

    if source is None:
        print_names()
        return
    dataset = load(source, size=size)
    if json:
        print_json(dataset)
    else:
        print_summary(dataset)


def print_names() -> None:
    """Print a line for each named data set, and one on paths."""
    from limner.data import NAMED

    for name, named in NAMED.items():
        print(f"{name:16s}{named.description}: {named.count}, {named.size} ({named.licence})")
    print(
        f"{'or a path':16s}a folder of images (sub-folders are labels), a zip, an .npz, a folder of idx files"
    )


def print_json(dataset: Dataset) -> None:
    """Print what a data set contains as JSON."""
    content = {
        "name": dataset.name,
        "shape": list(dataset.shape),
        "train": len(dataset.train),
        "test": len(dataset.test),
        "classes": list(dataset.classes or []),
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
    }
    print(jsons.dumps(content, indent=2))


def print_summary(dataset: Dataset) -> None:
    """Print what a data set contains in lines."""
    channels, height, width = dataset.shape
    counts = f"{len(dataset.train):,} training and {len(dataset.test):,} test images"
    print(f"{dataset.name}: {counts}, {channels}x{height}x{width}")
    if dataset.classes:
        more = ", ..." if len(dataset.classes) > LISTED_CLASSES else ""
        print(f"classes: {', '.join(dataset.classes[:LISTED_CLASSES])}{more}")
    report_notes(dataset.notes)
