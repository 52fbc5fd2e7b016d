"""limner edit"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import EditLabels, EditOut, ImageCount, ImageFiles, Quiet, RunName, Seed
from limner.cli.output import open_run, report_file, report_notes, save_picture
from limner.cli.parsing import call
from limner.errors import LimnerError


def main(argv: Sequence[str]) -> None:
    call(edit, argv)


def edit(
    run: RunName,
    images: ImageFiles = (),
    /,
    *,
    to: EditLabels = "all",
    n: ImageCount = None,
    seed: Seed = 0,
    out: EditOut = None,
    quiet: Quiet = False,
) -> None:
    """Show images with other labels, or write each as a file: a face at every age, say."""
    from limner.explore.picture import PICTURES

    labels = "all" if to == "all" else to.split(",")
    if out is None or out.suffix.lower() in PICTURES:
        opened, path = open_run(run, "edit", out, images=images)
        from limner.explore import edit as draw

        save_picture(draw(opened, images or None, labels, n, seed), path, quiet)
        return
    if not images or n is not None:
        raise LimnerError(
            "a folder is for image files that you name, without --n; give --out a name that ends in .png"
        )
    from limner.explore import edit_files
    from limner.training import load

    files, notes = edit_files(load(run), images, out, labels)
    report_notes(notes, quiet)
    report_file(out, quiet)
    if not quiet:
        print(f"{len(files)} images")
