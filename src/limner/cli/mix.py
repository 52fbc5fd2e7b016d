"""limner mix"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.cli.arguments import Label, Layers, MixedImages, Out, Quiet, RunName, Truncation
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call, parse_images


def main(argv: Sequence[str]) -> None:
    call(mix, argv)


def mix(
    run: RunName,
    /,
    *,
    rows: MixedImages = "0-4",
    columns: MixedImages = "100-105",
    layers: Layers = "coarse",
    label: Label = None,
    truncation: Truncation = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show images with the styles of a column's image at some layers, and of a row's at all others."""
    first, second = parse_images(rows, "--rows"), parse_images(columns, "--columns")
    files = [image for image in [*first, *second] if isinstance(image, Path)]
    opened, path = open_run(run, "mix", out, images=files)
    from limner.explore import mix as draw

    picture = draw(opened, first, second, layers, label=label, truncation=truncation)
    save_picture(picture, path, quiet)
