"""limner timeline"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import Count, Out, Quiet, RunName
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(timeline, argv)


def timeline(run: RunName, /, *, n: Count = 12, out: Out = None, quiet: Quiet = False) -> None:
    """Show the same images over training, from the first step to the last; as .gif one after another."""
    opened, path = open_run(run, "timeline", out)
    from limner.explore import preview_history

    save_picture(preview_history(opened, n), path, quiet)
