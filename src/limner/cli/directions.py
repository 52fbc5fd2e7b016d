"""limner directions"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli.arguments import Label, Out, Quiet, RunName, Seed, StartImage, Steps
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(directions, argv)


def directions(
    run: RunName,
    image: StartImage = None,
    /,
    *,
    k: Annotated[int, tyro.conf.arg(metavar="N", help="number of directions")] = 8,
    steps: Steps = 7,
    span: Annotated[
        float, tyro.conf.arg(metavar="X", help="how far to move, in standard deviations of the codes")
    ] = 3.0,
    layers: Annotated[
        str,
        tyro.conf.arg(
            metavar="LAYERS",
            help="layers that move, of a model with styles: coarse, middle, fine, all, or numbers as 2-4",
        ),
    ] = "all",
    label: Label = None,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show an image along the directions in which codes, or styles, change images most."""
    opened, path = open_run(run, "directions", out, images=[image] if image is not None else [])
    from limner.explore import directions as draw

    picture = draw(opened, k, steps, span, layers, image=image, label=label, seed=seed)
    save_picture(picture, path, quiet)
