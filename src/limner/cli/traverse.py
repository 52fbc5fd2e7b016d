"""limner traverse"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli.arguments import DecodingOptions, Label, Out, Quiet, RunName, Seed, StartImage, Steps
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(traverse, argv)


def traverse(
    run: RunName,
    image: StartImage = None,
    /,
    *,
    dims: Annotated[
        int, tyro.conf.arg(metavar="N", help="number of variables, those that change the image most")
    ] = 10,
    steps: Steps = 11,
    span: Annotated[
        float, tyro.conf.arg(metavar="S", help="distance to each side, in standard deviations")
    ] = 3.0,
    label: Label = None,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Vary one latent variable at a time, those that change the image most first."""
    opened, path = open_run(run, "traverse", out, images=[image] if image else ())
    from limner.cli.sampling import parse_decoding_options
    from limner.explore import traverse as draw

    options = parse_decoding_options(type(opened.model), decoding)
    save_picture(draw(opened, image, dims, steps, span, seed, label=label, decoding=options), path, quiet)
