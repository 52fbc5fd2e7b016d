"""limner mix"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import ImageSeeds, Label, Layers, Out, Quiet, RunName, Truncation
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call, parse_seeds


def main(argv: Sequence[str]) -> None:
    call(mix, argv)


def mix(
    run: RunName,
    /,
    *,
    rows: ImageSeeds = "0-4",
    columns: ImageSeeds = "100-105",
    layers: Layers = "coarse",
    label: Label = None,
    truncation: Truncation = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show images with the styles of a column's image at some layers, and of a row's at all others."""
    row_seeds, column_seeds = parse_seeds(rows, "--rows"), parse_seeds(columns, "--columns")
    opened, path = open_run(run, "mix", out)
    from limner.explore import mix as draw

    picture = draw(opened, row_seeds, column_seeds, layers, label=label, truncation=truncation)
    save_picture(picture, path, quiet)
