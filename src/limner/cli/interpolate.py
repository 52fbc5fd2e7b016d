"""limner interpolate"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import finish, opened


def main(argv: Sequence[str]) -> None:
    call(interpolate, argv)


def interpolate(
    run: RunName,
    images: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="[IMAGE IMAGE]",
            help="two files or numbers of test images; drawn if not given",
            help_behavior_hint="",
        ),
    ] = (),
    /,
    *,
    pairs: Annotated[int, tyro.conf.arg(metavar="N", help="how many pairs to draw")] = 4,
    steps: Annotated[int, tyro.conf.arg(metavar="N", help="images from one end to the other")] = 9,
    path: Annotated[
        Literal["linear", "spherical", "both"],
        tyro.conf.arg(help="straight through the codes or around their centre"),
    ] = "both",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """From one image to another through the model's codes; from noise to noise for a GAN."""
    made, place = opened(run, "interpolate", out)
    from limner.explore import interpolate as look

    finish(look(made, images or None, pairs, steps, path, seed), place, quiet)
