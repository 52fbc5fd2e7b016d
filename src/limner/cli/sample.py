"""limner sample"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName, Seed
from limner.cli.pictures import Count, Json, finish, opened


def main(argv: Sequence[str]) -> None:
    call(sample, argv)


def sample(
    run: RunName,
    /,
    *,
    n: Count = 64,
    prior: Annotated[
        Literal["normal", "gaussian", "full", "gmm"] | None,
        tyro.conf.arg(
            metavar="{normal,gaussian,full,gmm}",
            help="codes from N(0, I), or from a density fitted to the training codes: a mean and deviation "
            "per column, the full covariance, a mixture of Gaussians; default: the model's own",
            help_behavior_hint="",
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """New images from a run, in a grid."""
    made, path = opened(run, "sample", out)
    from limner.explore import sample as look

    picture = look(made, n, prior, seed)
    values = {"run": str(made.path), "n": n, "prior": picture.data["prior"], "seed": seed}
    finish(picture, path, quiet, values if json else None)
