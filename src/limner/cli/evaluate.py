"""limner evaluate"""

from __future__ import annotations

import json as jsons
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from limner.cli import call, wrote
from limner.cli.arguments import Quiet, Seed
from limner.cli.pictures import Json

if TYPE_CHECKING:
    from limner.training import Run

Runs = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="RUN...", help="runs' folders, or their names under runs/", help_behavior_hint=""),
]
Images = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="N",
        help="test images, and samples; default 10000, quick 1000, or all there are",
        help_behavior_hint="",
    ),
]
Quick = Annotated[bool, tyro.conf.arg(help="fewer images, no bootstrap: a first look in seconds")]
Codes = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="K",
        help="codes a likelihood is estimated with; default 5000, quick 100",
        help_behavior_hint="",
    ),
]
Likelihoods = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="N",
        help="test images it is estimated on; default 1000, quick 100",
        help_behavior_hint="",
    ),
]


def main(argv: Sequence[str]) -> None:
    call(evaluate, argv)


def evaluate(
    runs: Runs,
    /,
    *,
    n: Images = None,
    k: Codes = None,
    images: Likelihoods = None,
    seed: Seed = 0,
    quick: Quick = False,
    features: Annotated[
        Literal["inception"] | None,
        tyro.conf.arg(
            help="Inception's, with --weights, in place of the data set's own", help_behavior_hint=""
        ),
    ] = None,
    weights: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help="Inception's weights", help_behavior_hint="")
    ] = None,
    against: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="D",
            help="images of another kind for the anomaly score to tell apart; default a named set",
            help_behavior_hint="",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure all that a run's model can do on test images; several seeds give mean and spread."""
    from limner.data import progress
    from limner.errors import LimnerError
    from limner.evaluation import evaluate as measure
    from limner.evaluation import together
    from limner.training import load

    if not runs:
        raise LimnerError("evaluate needs a run: limner runs lists those under runs/")
    progress.quiet = quiet
    found = []
    opened = [load(name) for name in runs]  # a wrong name is told before any work
    for run in opened:
        one = measure(
            run, n=n, k=k, images=images, seed=seed, quick=quick,
            features=features, weights=weights, against=against,
        )  # fmt: skip
        found.append(one)
        if not (json or quiet):
            show(one)
            print()
    mean = together(found)
    if json:
        shown = [one.json() for one in found]
        print(jsons.dumps({"runs": shown, "mean": mean.json() if mean else None}))
    elif not quiet:
        if mean:
            show(mean)
        elif len(found) > 1:
            print("note: no mean, for the runs differ in more than their training seed: see limner compare")
        for run in opened:
            told(run)


def told(run: Run) -> None:
    """Say what was written into a run's folder, if it may be written."""
    if os.access(run.path, os.W_OK):
        wrote(run.path / "evaluation.json")
        wrote(run.path / "evaluation.npz")
    else:
        print(f"note: nothing was kept, for {run.path} may not be written")


def show(found: object) -> None:
    """Print an evaluation: its header, its table, what could not be measured."""
    from limner.evaluation import Evaluation

    assert isinstance(found, Evaluation)
    for line in found.header:
        print(line)
    print()
    print(found.table())
    for line in found.left_out:
        print(f"not measured: {line}")
