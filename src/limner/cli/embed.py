"""limner embed"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from limner.cli import call
from limner.cli.arguments import Quiet, RunName
from limner.cli.pictures import Json, opened, say


def main(argv: Sequence[str]) -> None:
    call(embed, argv)


def embed(
    run: RunName,
    images: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="[D]",
            help="a data set, a folder, zip or .npz, or image files; the run's own data if not given",
            help_behavior_hint="",
        ),
    ] = (),
    /,
    *,
    codes: Annotated[
        Literal["flat", "channels"],
        tyro.conf.arg(help="whole codes, or a convolutional code's channel means"),
    ] = "flat",
    out: Annotated[
        Path | None,
        tyro.conf.arg(
            metavar="FILE",
            help="an .npz or .csv; embed.npz in the run's folder if not given",
            help_behavior_hint="",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The codes of images with the names of their files, as .npz or .csv."""
    made, path = opened(run, "embed", out, ".npz")
    from limner.explore import embed as look

    found = look(made, images or None, codes)
    found.save(path)
    values = {"run": str(made.path), "images": len(found.codes), "numbers": found.codes.shape[1]}
    say(path, found.notes, quiet, values if json else None)
