"""limner traverse"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import finish, opened


def main(argv: Sequence[str]) -> None:
    call(traverse, argv)


def traverse(
    run: RunName,
    image: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="[IMAGE]",
            help="a file or the number of a test image to start from; default 0",
            help_behavior_hint="",
        ),
    ] = None,
    /,
    *,
    dims: Annotated[int, tyro.conf.arg(metavar="N", help="variables to show, those that matter most")] = 10,
    steps: Annotated[int, tyro.conf.arg(metavar="N", help="images per variable")] = 11,
    span: Annotated[float, tyro.conf.arg(metavar="S", help="how far each way, in standard deviations")] = 3.0,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """One latent variable at a time, those that change the image most first."""
    made, path = opened(run, "traverse", out)
    from limner.explore import traverse as look

    finish(look(made, image, dims, steps, span, seed), path, quiet)
