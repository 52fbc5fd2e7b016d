"""limner demo"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Quiet


def main(argv: Sequence[str]) -> None:
    call(demo, argv)


def demo(
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER", help="for the page and its runs")] = Path(
        "runs/demo"
    ),
    scale: Annotated[
        float, tyro.conf.arg(metavar="X", help="times as many images; 0.1 is quick and poor")
    ] = 1.0,
    quiet: Quiet = False,
) -> None:
    """Train the lecture's four labs on the bundled digits, about a minute and a half, and write one page."""
    from limner.recipes.demo import demo as tell

    wrote(tell(out, scale=scale, quiet=quiet), quiet)
