"""limner reconstruct"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import finish, opened


def main(argv: Sequence[str]) -> None:
    call(reconstruct, argv)


def reconstruct(
    run: RunName,
    images: Annotated[
        tuple[Path, ...],
        tyro.conf.arg(
            metavar="[IMAGES]",
            help="image files or folders, of any size; test images if not given",
            help_behavior_hint="",
        ),
    ] = (),
    /,
    *,
    n: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="N", help="how many images; default 16, or all files named", help_behavior_hint=""
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Images over what the model makes of them, with the error of each."""
    made, path = opened(run, "reconstruct", out)
    from limner.explore import reconstruct as look

    finish(look(made, images or None, n, seed), path, quiet)
