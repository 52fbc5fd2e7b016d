"""limner similar"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import Count, Image, Json, Out, Quiet, RunName
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(similar, argv)


def similar(
    run: RunName,
    image: Image,
    /,
    *,
    n: Count = 8,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the training images nearest to an image, by code and by pixels."""
    opened, path = open_run(run, "similar", out, images=[image])
    from limner.explore import similar as search

    picture = search(opened, image, n)
    values = {"run": str(opened.path)} | {key: picture.data[key] for key in ("query", "by_code", "by_pixels")}
    save_picture(picture, path, quiet, values if json else None)
