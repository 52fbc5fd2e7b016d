"""limner manifold"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import DecodingOptions, Dimensions, Label, Out, Quiet, RunName, Seed, Steps
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(manifold, argv)


def manifold(
    run: RunName,
    /,
    *,
    dims: Dimensions = None,
    steps: Steps = 20,
    label: Label = None,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show the images over two latent variables, at the quantiles of the prior."""
    opened, path = open_run(run, "manifold", out)
    from limner.cli.sampling import parse_decoding_options
    from limner.explore import manifold as draw

    options = parse_decoding_options(type(opened.model), decoding)
    save_picture(draw(opened, dims, steps, seed, label=label, decoding=options), path, quiet)
