"""limner anomalies"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli.arguments import ImageSet, Json, Out, Quiet, RunName
from limner.cli.output import open_run, report_file, save_picture
from limner.cli.parsing import call
from limner.files import free_path


def main(argv: Sequence[str]) -> None:
    call(anomalies, argv)


def anomalies(
    run: RunName,
    images: ImageSet = (),
    /,
    *,
    n: Annotated[
        int,
        tyro.conf.arg(metavar="N", help="number of images in the picture; the .csv has all"),
    ] = 32,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank images by how unlike the training images they are: a picture, and a .csv beside it."""
    opened, path = open_run(run, "anomalies", out, (".png", ".csv"), images)
    from limner.explore import anomalies as rank
    from limner.explore.ranking import save_ranking

    picture = rank(opened, images or None, n)
    ranking = picture.data["ranking"]
    table = save_ranking(ranking, free_path(path.with_suffix(".csv")))
    values = {"run": str(opened.path), "csv": str(table), "strangest": ranking[:n]}
    save_picture(picture, path, quiet, values if json else None)
    if not json:
        report_file(table, quiet)
