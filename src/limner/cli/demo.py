"""limner demo"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.cli.arguments import Folder, Quiet, Scale
from limner.cli.output import report_file
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(demo, argv)


def demo(*, out: Folder = Path("runs/demo"), scale: Scale = 1.0, quiet: Quiet = False) -> None:
    """Train the lecture's four labs on handwritten digits, about a minute and a half, and write one page."""
    from limner.recipes.demo import demo as run

    report_file(run(out, scale=scale, quiet=quiet), quiet)
