"""limner data"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from limner.cli.arguments import Json, LabelFile, optional
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import call
from limner.errors import LimnerError
from limner.files import refuse_originals

if TYPE_CHECKING:
    from limner.data import Dataset, Images

LISTED_CLASSES = 20
SheetOut = Annotated[
    Path | None, optional(metavar="FILE", help="a picture of some images, to write or to replace")
]

ShownSize = Annotated[
    int | None,
    optional(
        metavar="PIXELS",
        help="side to fit the images to; default: as they are, or 64 where they differ or exceed 128",
    ),
]


def main(argv: Sequence[str]) -> None:
    call(data, argv)


def data(
    source: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        optional(metavar="[D]", help="a name or a path, or two domains: A=D B=D"),
    ] = (),
    /,
    *,
    labels: LabelFile = None,
    size: ShownSize = None,
    out: SheetOut = None,
    json: Json = False,
) -> None:
    """List the named data sets; with D, read that data set and print its contents and defects.

    With --out also draw some of its images, those of each class in a row.
    """
    from limner.cli.sources import parse_source
    from limner.data import load
    from limner.data.contents import describe_contents

    if not source:
        print_names()
        return
    chosen = parse_source(source, labels)
    if isinstance(chosen, tuple):
        if out is not None:
            raise LimnerError("--out draws one data set: give each domain by itself")
        print_domains(chosen, size, json)
        return
    path = None if out is None else sheet_path(out, chosen)
    dataset = load(chosen, size=size)
    if json:
        print(jsons.dumps(describe_contents(dataset), indent=2))
    else:
        print_summary(dataset)
    if path is not None:
        save_sheet(dataset, path, json)


def print_domains(source: tuple[str, str], size: int | None, json: bool) -> None:
    """Print what two domains contain."""
    from limner.data import load_domains
    from limner.data.contents import describe_contents

    domains = load_domains(source, size)
    contents = {"A": describe_contents(domains.a), "B": describe_contents(domains.b)}
    print(jsons.dumps(contents, indent=2) if json else "\n".join(map(describe, (domains.a, domains.b))))
    report_notes(() if json else domains.notes)


def save_sheet(dataset: Dataset, path: Path, quiet: bool) -> None:
    """Write the contact sheet of a data set."""
    from limner.explore import contact_sheet

    sheet = contact_sheet(dataset, title=describe(dataset))
    sheet.save(path)
    report_notes(sheet.notes, quiet)
    report_file(path, quiet)


def sheet_path(out: Path, source: str) -> Path:
    """The path of --out, checked before any work; LimnerError for a file of the data."""
    from limner.data import NAMED
    from limner.data.ages import split_source
    from limner.explore.picture import STILL, destination

    path = destination(out.expanduser(), STILL)
    _, folder = split_source(source) or ("", source)
    refuse_originals(path, [] if source in NAMED else [folder])
    return path


def print_names() -> None:
    """Print a line for each named data set, and one on paths."""
    from limner.data import NAMED

    for name, named in NAMED.items():
        print(f"{name:16s}{named.description}: {named.count}, {named.size} ({named.licence})")
    print(
        f"{'or a path':16s}a folder of images (sub-folders are labels), a zip, an .npz, .npy, or idx folder"
    )


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
        counts = [
            f"{name} {count(dataset.train, label):,}"
            for label, name in enumerate(dataset.classes[:LISTED_CLASSES])
        ]
        print(f"training images of each class: {', '.join(counts)}{more}")
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
