"""limner compare"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Quiet, Seed
from limner.cli.evaluate import Codes, Images, Likelihoods, Quick, Runs
from limner.cli.pictures import Json


def main(argv: Sequence[str]) -> None:
    call(compare, argv)


def compare(
    runs: Runs,
    /,
    *,
    n: Images = None,
    k: Codes = None,
    images: Likelihoods = None,
    seed: Seed = 0,
    quick: Quick = False,
    out: Annotated[Path, tyro.conf.arg(metavar="DIR", help="the folder to write to")] = Path("comparison"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Runs side by side: settings that differ, measures with their differences, pictures, curves."""
    from limner.data import progress
    from limner.evaluation import compare as line_up

    progress.quiet = quiet
    found = line_up(runs, n=n, k=k, images=images, seed=seed, quick=quick)
    written = found.save(out.expanduser())
    if json:
        print(jsons.dumps(jsons.loads(written[0].read_text()) | {"written": [str(path) for path in written]}))
        return
    if not quiet:
        print(found.table())
        for note in found.notes:
            print(f"note: {note}")
    for path in written:
        wrote(path, quiet)
