"""limner interpolate"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli.arguments import DecodingOptions, Label, Out, Quiet, RunName, Seed, Steps, TwoImages
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


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
    label: Label = None,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show the images on a path between the codes of two images; for a GAN, between random codes."""
    opened, target = open_run(run, "interpolate", out, images=images)
    from limner.cli.sampling import parse_decoding_options
    from limner.explore import interpolate as draw

    options = parse_decoding_options(type(opened.model), decoding)
    picture = draw(opened, images or None, pairs, steps, path, seed, label=label, decoding=options)
    save_picture(picture, target, quiet)
