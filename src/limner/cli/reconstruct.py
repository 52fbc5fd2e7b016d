"""limner reconstruct"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import DecodingOptions, ImageCount, ImageFiles, Label, Out, Quiet, RunName, Seed
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(reconstruct, argv)


def reconstruct(
    run: RunName,
    images: ImageFiles = (),
    /,
    *,
    n: ImageCount = None,
    label: Label = None,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show images over their reconstructions, with the error of each."""
    opened, path = open_run(run, "reconstruct", out, images=images)
    from limner.cli.sampling import parse_decoding_options
    from limner.explore import reconstruct as draw

    options = parse_decoding_options(type(opened.model), decoding)
    save_picture(draw(opened, images or None, n, seed, label=label, decoding=options), path, quiet)
