"""limner problems"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.cli.arguments import Folder, Quiet, Scale, Seed
from limner.cli.output import report_file
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(problems, argv)


def problems(
    *, out: Folder = Path("runs/problems"), scale: Scale = 1.0, seed: Seed = 0, quiet: Quiet = False
) -> None:
    """Provoke the four problems of GAN training, with verdicts and remedies, and write one page."""
    from limner.recipes.problems import problems as run

    report_file(run(out, scale=scale, seed=seed, quiet=quiet), quiet)
