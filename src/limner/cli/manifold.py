"""limner manifold"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import finish, opened


def main(argv: Sequence[str]) -> None:
    call(manifold, argv)


def manifold(
    run: RunName,
    /,
    *,
    dims: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(
            metavar="I J",
            help="latent dimensions to show; default: the two that matter most",
            help_behavior_hint="",
        ),
    ] = None,
    steps: Annotated[int, tyro.conf.arg(metavar="N", help="images along each dimension")] = 20,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """The images over two latent dimensions, at the quantiles of the prior."""
    made, path = opened(run, "manifold", out)
    from limner.explore import manifold as look

    finish(look(made, dims, steps, seed), path, quiet)
