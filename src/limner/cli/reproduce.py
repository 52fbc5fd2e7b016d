"""limner reproduce"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from limner.cli.arguments import Demonstration, RecipeName, ReportFolder, Seed
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(reproduce, argv)


def reproduce(
    recipe: RecipeName = None,
    /,
    *,
    quick: Demonstration = False,
    seed: Seed = 0,
    out: ReportFolder = None,
) -> None:
    """Run a named experiment and compare it with its target: exit code 1 where that is missed."""
    from limner.recipes import RECIPES, target
    from limner.recipes import reproduce as run

    if recipe is None:
        for name in RECIPES:
            print(f"{name:23s}{target(name)}")
        return
    report = run(recipe, out.expanduser() if out else None, quick=quick, seed=seed)
    print(report.table())
    report_notes(report.notes)
    print(f"{report.seconds:.0f} s; {report.verdict}")
    for picture in report.pictures:
        report_file(picture)
    if not report.passed:
        sys.exit(1)
