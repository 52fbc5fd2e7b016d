"""limner noise"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli.arguments import ImageSeeds, Label, Out, Quiet, RunName, Truncation
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call, parse_seeds


def main(argv: Sequence[str]) -> None:
    call(noise, argv)


def noise(
    run: RunName,
    /,
    *,
    seed: ImageSeeds = "0-4",
    noises: Annotated[int, tyro.conf.arg(metavar="N", help="images of each seed, with other noise")] = 6,
    label: Label = None,
    truncation: Truncation = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show what only noise changes: images of the same styles, and the deviation of each pixel."""
    seeds = parse_seeds(seed)
    opened, path = open_run(run, "noise", out)
    from limner.explore import noise as draw

    save_picture(draw(opened, seeds, noises, label=label, truncation=truncation), path, quiet)
