"""limner map"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import Count, finish, opened


def main(argv: Sequence[str]) -> None:
    call(map, argv)


def map(
    run: RunName,
    /,
    *,
    method: Annotated[
        Literal["tsne", "pca"], tyro.conf.arg(help="neighbours stay together, or a projection")
    ] = "tsne",
    n: Count = 2000,
    codes: Annotated[
        Literal["flat", "channels"],
        tyro.conf.arg(help="whole codes, or a convolutional code's channel means"),
    ] = "flat",
    thumbnails: Annotated[bool, tyro.conf.arg(help="the images themselves instead of points")] = False,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """The codes of many images in two dimensions, coloured by label."""
    made, path = opened(run, "map", out)
    from limner.explore import map_codes

    finish(map_codes(made, method, n, codes, thumbnails, seed), path, quiet)
