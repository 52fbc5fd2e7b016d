"""limner ablate"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Quiet
from limner.cli.pictures import Json


def main(argv: Sequence[str]) -> None:
    call(ablate, argv)


def ablate(
    model: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help="a model; limner models lists them")
    ],
    /,
    *,
    vary: Annotated[
        str,
        tyro.conf.arg(
            metavar="NAME[=VALUE],...",
            help="options to change, one at a time; widths as hidden=128x256; a name alone: switched on, or "
            "the other of two values",
        ),
    ],
    data: Annotated[str, tyro.conf.arg(metavar="D", help="as for limner train")] = "digits",
    seeds: Annotated[int, tyro.conf.arg(metavar="K", help="runs of each: seeds 0 to K - 1")] = 5,
    images: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="N", help="length of a run in images seen; default: the model's", help_behavior_hint=""
        ),
    ] = None,
    n: Annotated[int, tyro.conf.arg(metavar="N", help="samples, and test images, to measure on")] = 2000,
    base: Annotated[
        str, tyro.conf.arg(name="set", metavar="NAME=VALUE,...", help="options of all runs, base's too")
    ] = "",
    out: Annotated[
        Path | None,
        tyro.conf.arg(
            metavar="DIR",
            help="where the runs are kept and used again; default ablations/MODEL-DATA",
            help_behavior_hint="",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model with options switched one at a time and tell the effect of each, over seeds."""
    from limner.data import progress
    from limner.models import model_class
    from limner.recipes.ablate import ablate as run
    from limner.recipes.switches import given

    progress.quiet = quiet
    found = run(
        model, data, vary,
        seeds=seeds, images=images, n=n, out=out, quiet=quiet, **given(model_class(model), base),
    )  # fmt: skip
    if json:
        print(jsons.dumps(found.json() | {"path": str(found.folder)}))
        return
    if not quiet:
        print(f"{found.title}\n\n{found.table()}")
        for note in found.notes:
            print(f"note: {note}")
    for path in found.written:
        wrote(path, quiet)
