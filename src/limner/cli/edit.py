"""limner edit"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.cli.arguments import EditLabels, EditOut, ImageCount, ImageFiles, Moves, Quiet, RunName, Seed
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
    move: Moves = "",
    n: ImageCount = None,
    seed: Seed = 0,
    out: EditOut = None,
    quiet: Quiet = False,
) -> None:
    """Show images with other labels, or write each as a file; with --move, images with moved codes."""
    from limner.explore.picture import PICTURES

    if move:
        move_codes(run, images, to, move, n, seed, out, quiet)
        return
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


def move_codes(
    run: str,
    images: tuple[Path, ...],
    to: str,
    move: str,
    n: int | None,
    seed: int,
    out: Path | None,
    quiet: bool,
) -> None:
    """Show images whose codes are moved along directions of the run."""
    from limner.cli.sampling import parse_moves

    if to != "all":
        raise LimnerError("--move changes the code and --to the label: give one of them")
    moves = parse_moves(move)
    opened, path = open_run(run, "edit", out, images=images)
    from limner.explore import move_images

    save_picture(move_images(opened, images or None, moves, n, seed), path, quiet)
