"""limner data"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limner.cli.arguments import Json, LabelFile
from limner.cli.output import report_notes
from limner.cli.parsing import call

if TYPE_CHECKING:
    from limner.data import Dataset, Images

LISTED_CLASSES = 20


def main(argv: Sequence[str]) -> None:
    call(data, argv)


def data(
    source: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[D]", help="a name or a path, or two domains: A=D B=D"),
    ] = (),
    /,
    *,
    labels: LabelFile = None,
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help="side to fit the images to")] = None,
    json: Json = False,
) -> None:
    """List the named data sets; with D, read that data set and print its contents and defects."""
    from limner.cli.sources import parse_source
    from limner.data import load, load_domains

    if not source:
        print_names()
        return
    chosen = parse_source(source, labels)
    if isinstance(chosen, tuple):
        domains = load_domains(chosen, size)
        contents = {"A": content(domains.a), "B": content(domains.b)}
        print(jsons.dumps(contents, indent=2) if json else "\n".join(map(describe, (domains.a, domains.b))))
        report_notes(() if json else domains.notes)
        return
    dataset = load(chosen, size=size)
    if json:
        print(jsons.dumps(content(dataset), indent=2))
    else:
        print_summary(dataset)


def print_names() -> None:
    """Print a line for each named data set, and one on paths."""
    from limner.data import NAMED

    for name, named in NAMED.items():
        print(f"{name:16s}{named.description}: {named.count}, {named.size} ({named.licence})")
    print(
        f"{'or a path':16s}a folder of images (sub-folders are labels), a zip, an .npz, .npy, or idx folder"
    )


def content(dataset: Dataset) -> dict[str, Any]:
    """What a data set contains, for JSON."""
    return {
        "name": dataset.name,
        "shape": list(dataset.shape),
        "train": len(dataset.train),
        "test": len(dataset.test),
        "classes": list(dataset.classes or []),
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
    }


def describe(dataset: Dataset) -> str:
    """A line on a data set: its name, how many images it has, and their shape."""
    channels, height, width = dataset.shape
    counts = f"{len(dataset.train):,} training and {len(dataset.test):,} test images"
    return f"{dataset.name}: {counts}, {channels}x{height}x{width}"


def print_summary(dataset: Dataset) -> None:
    """Print what a data set contains in lines."""
    print(describe(dataset))
    if dataset.classes:
        more = ", ..." if len(dataset.classes) > LISTED_CLASSES else ""
        print(f"classes: {', '.join(dataset.classes[:LISTED_CLASSES])}{more}")
    if dataset.classes and len(dataset.classes) == 2:
        parts = [
            f"{letter} ({name}) {count(dataset.train, label):,} training, {count(dataset.test, label):,} test"
            for label, (letter, name) in enumerate(zip("AB", dataset.classes, strict=True))
        ]
        print(f"as two domains: {', '.join(parts)} images")
    report_notes(dataset.notes)


def count(images: Images, label: int) -> int:
    """How many images have a label."""
    return 0 if images.labels is None else int((images.labels == label).sum())
