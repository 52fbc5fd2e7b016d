"""limner reproduce"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli.arguments import Seed
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(reproduce, argv)


def reproduce(
    recipe: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RECIPE", help="its name; without one, all are listed", help_behavior_hint=""),
    ] = None,
    /,
    *,
    quick: Annotated[
        bool,
        tyro.conf.arg(
            help="a tiny version on the bundled digits that shows that it works; not judged",
            help_behavior_hint="",
        ),
    ] = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        tyro.conf.arg(
            metavar="DIR", help="the folder to write to; default: reproduced/RECIPE", help_behavior_hint=""
        ),
    ] = None,
) -> None:
    """Run a named experiment and compare it with its target: exit code 1 where that is missed."""
    from limner.recipes import RECIPES, target
    from limner.recipes import reproduce as run

    if recipe is None:
        for name in RECIPES:
            print(f"{name:22s}{target(name)}")
        return
    report = run(recipe, out.expanduser() if out else None, quick=quick, seed=seed)
    print(report.table())
    report_notes(report.notes)
    print(f"{report.seconds:.0f} s; {report.verdict}")
    for picture in report.pictures:
        report_file(picture)
    if not report.passed:
        sys.exit(1)
