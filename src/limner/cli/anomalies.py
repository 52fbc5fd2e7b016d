"""limner anomalies"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Out, Quiet, RunName
from limner.cli.pictures import Json, finish, opened


def main(argv: Sequence[str]) -> None:
    call(anomalies, argv)


def anomalies(
    run: RunName,
    images: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="[D]",
            help="a data set, a folder, zip or .npz, or image files; the run's test images if not given",
            help_behavior_hint="",
        ),
    ] = (),
    /,
    *,
    n: Annotated[
        int, tyro.conf.arg(metavar="N", help="images to show, the strangest; the .csv lists all")
    ] = 32,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Images ranked by how unlike the training images they are: a picture and, beside it, a .csv."""
    made, path = opened(run, "anomalies", out)
    from limner.explore import anomalies as look
    from limner.explore.ranking import save_ranking

    picture = look(made, images or None, n)
    table = save_ranking(picture.data["ranking"], path.with_suffix(".csv"))
    values = {"run": str(made.path), "csv": str(table), "strangest": picture.data["ranking"][:n]}
    finish(picture, path, quiet, values if json else None)
    if not json:
        wrote(table, quiet)
