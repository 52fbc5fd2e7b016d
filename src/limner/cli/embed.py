"""limner embed"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import Codes, ImageSet, Json, Quiet, RunName, TableOut
from limner.cli.output import open_run, report
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(embed, argv)


def embed(
    run: RunName,
    images: ImageSet = (),
    /,
    *,
    codes: Codes = "flat",
    out: TableOut = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the codes of images, with the names of their files, to .npz or .csv."""
    from limner.explore.embeddings import TABLES

    opened, path = open_run(run, "embed", out, TABLES, images)
    from limner.explore import embed as encode

    embedding = encode(opened, images or None, codes)
    embedding.save(path)
    count, numbers = embedding.codes.shape
    values = {"run": str(opened.path), "images": count, "numbers": numbers}
    report(path, embedding.notes, quiet, values if json else None)
