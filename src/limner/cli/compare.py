"""limner compare"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path

from limner.cli.arguments import (
    ComparisonFolder,
    Json,
    LikelihoodCodes,
    LikelihoodImages,
    MeasuredImages,
    Quick,
    Quiet,
    RunNames,
    Seed,
)
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import call
from limner.files import free_path, refuse_below_file, refuse_existing


def main(argv: Sequence[str]) -> None:
    call(compare, argv)


def compare(
    runs: RunNames,
    /,
    *,
    n: MeasuredImages = None,
    k: LikelihoodCodes = None,
    images: LikelihoodImages = None,
    seed: Seed = 0,
    quick: Quick = False,
    out: ComparisonFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare runs: settings that differ, measures with their differences, pictures, curves."""
    from limner.data import progress
    from limner.evaluation import compare as measure

    folder = out.expanduser() if out is not None else free_path(Path("comparison"))
    refuse_below_file(folder / "comparison.json")  # before any work
    refuse_existing([folder / "comparison.json"])
    with progress.silent(json or quiet):
        comparison = measure(runs, n=n, k=k, images=images, seed=seed, quick=quick)
    paths = comparison.save(folder)
    if json:
        print(jsons.dumps(jsons.loads(paths[0].read_text()) | {"written": [str(path) for path in paths]}))
        return
    if not quiet:
        print(comparison.table())
    report_notes(comparison.notes, quiet)
    for path in paths:
        report_file(path, quiet)
