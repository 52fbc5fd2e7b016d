"""limner interpolate"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli.arguments import DecodingOptions, Label, Out, Quiet, RunName, Seed, Steps, TwoImages
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call
from limner.errors import LimnerError


def main(argv: Sequence[str]) -> None:
    call(interpolate, argv)


def interpolate(
    run: RunName,
    images: TwoImages = (),
    /,
    *,
    pairs: Annotated[int, tyro.conf.arg(metavar="N", help="number of pairs to draw")] = 4,
    steps: Steps = 9,
    path: Annotated[
        Literal["linear", "spherical", "both"],
        tyro.conf.arg(help="straight from code to code, or around the centre of the codes"),
    ] = "both",
    space: Annotated[
        Literal["z", "w"], tyro.conf.arg(help="codes, or the styles of a model that has some")
    ] = "z",
    label: Label = None,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show the images on a path between the codes of two images; for a GAN, between random codes."""
    opened, target = open_run(run, "interpolate", out, images=images)
    from limner import explore
    from limner.cli.sampling import parse_decoding_options

    options = parse_decoding_options(type(opened.model), decoding)
    if space == "w":
        if images:
            raise LimnerError("--space w goes from seed to seed: leave the images out")
        picture = explore.interpolate_styles(opened, pairs, steps, seed, label, options)
    else:
        picture = explore.interpolate(opened, images or None, pairs, steps, path, seed, label, options)
    save_picture(picture, target, quiet)
