"""limner sample"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import Json, finish, opened


def main(argv: Sequence[str]) -> None:
    call(sample, argv)


def sample(
    run: RunName,
    /,
    *,
    n: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="N",
            help="how many images, 64 unless given; with --label how many rows, 10",
            help_behavior_hint="",
        ),
    ] = None,
    prior: Annotated[
        Literal["normal", "gaussian", "full", "gmm"] | None,
        tyro.conf.arg(
            metavar="{normal,gaussian,full,gmm}",
            help="codes from N(0, I), or from a density fitted to the training codes: a mean and deviation "
            "per column, the full covariance, a mixture of Gaussians; default: the model's own",
            help_behavior_hint="",
        ),
    ] = None,
    label: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="A,B,...",
            help="a column for each of these classes, or for 'all', the same noise in every row; for models "
            "that know classes",
            help_behavior_hint="",
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """New images from a run, in a grid; of some classes, a column each, where the model knows classes."""
    made, path = opened(run, "sample", out)
    from limner.explore import sample as look

    labels = None if label is None else [name.strip() for name in label.split(",")]
    picture = look(made, n, prior, seed, "all" if label == "all" else labels)
    found = picture.data
    values = {"run": str(made.path), "n": len(found["pixels"]), "prior": found["prior"], "seed": seed}
    values |= {"labels": found["classes"]} if labels else {}
    finish(picture, path, quiet, values if json else None)
