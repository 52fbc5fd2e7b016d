"""limner problems"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Quiet, Seed


def main(argv: Sequence[str]) -> None:
    call(problems, argv)


def problems(
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER", help="for the page and its runs")] = Path(
        "runs/problems"
    ),
    scale: Annotated[
        float, tyro.conf.arg(metavar="X", help="times as many images; 0.1 is quick and shows little")
    ] = 1.0,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a GAN's four problems happen on purpose, with the doctor's verdicts and remedies, on one page."""
    from limner.recipes.problems import problems as tell

    wrote(tell(out, scale=scale, seed=seed, quiet=quiet), quiet)
