"""limner reproduce"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Seed


def main(argv: Sequence[str]) -> None:
    call(reproduce, argv)


def reproduce(
    recipe: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RECIPE", help="its name; none: list them all", help_behavior_hint=""),
    ] = None,
    /,
    *,
    quick: Annotated[
        bool, tyro.conf.arg(help="a tiny version on bundled digits, to see it work; not judged")
    ] = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        tyro.conf.arg(
            metavar="DIR", help="where to write; reproduced/RECIPE if not given", help_behavior_hint=""
        ),
    ] = None,
) -> None:
    """Run a named experiment and judge it by its target: exit code 1 where that is missed."""
    from limner.recipes import RECIPES, target
    from limner.recipes import reproduce as run

    if recipe is None:
        for name in RECIPES:
            print(f"{name:22s}{target(name)}")
        return
    report = run(recipe, out.expanduser() if out else None, quick=quick, seed=seed)
    print(report.table())
    for note in report.notes:
        print(f"note: {note}")
    print(f"{report.seconds:.0f} s; {report.verdict}")
    for picture in report.pictures:
        wrote(picture)
    if not report.passed:
        sys.exit(1)
