"""limner similar"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName
from limner.cli.pictures import Count, Json, finish, opened


def main(argv: Sequence[str]) -> None:
    call(similar, argv)


def similar(
    run: RunName,
    image: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="IMAGE", help="a file, or the number of a test image"),
    ],
    /,
    *,
    n: Count = 8,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The training images nearest to one, by code and by pixels."""
    made, path = opened(run, "similar", out)
    from limner.explore import similar as look

    picture = look(made, image, n)
    values = {"run": str(made.path)} | {key: picture.data[key] for key in ("query", "by_code", "by_pixels")}
    finish(picture, path, quiet, values if json else None)
