"""limner age"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import EditLabels, EditOut, ImageCount, ImageFiles, Quiet, RunName, Seed
from limner.cli.edit import edit_as
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(age, argv)


def age(
    run: RunName,
    images: ImageFiles = (),
    /,
    *,
    to: EditLabels = "all",
    n: ImageCount = None,
    seed: Seed = 0,
    out: EditOut = None,
    quiet: Quiet = False,
) -> None:
    """Show faces at every age, for a model trained on ages; the same as `limner edit`."""
    edit_as("age", run, images, to, n, seed, out, quiet)
