"""limner map"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli.arguments import Codes, Count, Out, Quiet, RunName, Seed, Thumbnails
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(map, argv)


def map(
    run: RunName,
    /,
    *,
    method: Annotated[
        Literal["tsne", "pca"], tyro.conf.arg(help="t-SNE, which keeps neighbours together, or a projection")
    ] = "tsne",
    n: Count = 2000,
    codes: Codes = "flat",
    thumbnails: Thumbnails = False,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Plot the codes of many images in two dimensions, coloured by label."""
    opened, path = open_run(run, "map", out)
    from limner.explore import map_codes

    save_picture(map_codes(opened, method, n, codes, thumbnails, seed), path, quiet)
