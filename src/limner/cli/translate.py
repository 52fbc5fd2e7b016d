"""limner translate"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from limner.cli.arguments import (
    Domain,
    FullSize,
    ImageCount,
    ImageFiles,
    Quiet,
    RunName,
    Seed,
    TranslationOut,
)
from limner.cli.output import open_run, report_file, report_notes, save_picture
from limner.cli.parsing import call
from limner.errors import LimnerError
from limner.files import free_path


def main(argv: Sequence[str]) -> None:
    call(translate, argv)


def translate(
    run: RunName,
    images: ImageFiles = (),
    /,
    *,
    to: Domain = "B",
    n: ImageCount = None,
    full_size: FullSize = False,
    seed: Seed = 0,
    out: TranslationOut = None,
    quiet: Quiet = False,
) -> None:
    """Show images with their translations and the way back, or translate files into a folder."""
    from limner.explore.picture import PICTURES

    to_folder = bool(images) and (out is None or out.suffix.lower() not in PICTURES)
    if not to_folder:
        if full_size:
            raise LimnerError("--full-size is for image files that are translated into a folder")
        opened, path = open_run(run, "translate", out, images=images)
        from limner.explore import translate as draw

        save_picture(draw(opened, images or None, to, n, seed), path, quiet)
        return
    if n is not None:
        raise LimnerError("--n is for a picture: give --out a name that ends in .png")
    translate_into_folder(run, images, to, out, full_size, quiet)


def translate_into_folder(
    name: str, images: Sequence[Path], to: Literal["A", "B"], out: Path | None, full_size: bool, quiet: bool
) -> None:
    """Translate files one by one, and print where they are."""
    from limner.explore import translate_files
    from limner.training import load

    run = load(name)
    folder = out if out is not None else free_path(run.path / f"translate-{to}")
    files = list(translate_files(run, images, folder, to, full_size))
    report_notes([file.note for file in files if file.note], quiet)
    report_file(folder, quiet)
    if not quiet:
        print(f"{sum(file.target is not None for file in files)} images")
