"""limner invert"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limner.cli.arguments import (
    CodesFile,
    DecodingOptions,
    ImageFiles,
    InvertedCount,
    Json,
    KnownCodes,
    Label,
    Out,
    Quiet,
    RunName,
    SearchedSpace,
    Seed,
    Starts,
)
from limner.cli.output import open_run, report_file, save_picture
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(invert, argv)


def invert(
    run: RunName,
    images: ImageFiles = (),
    /,
    *,
    n: InvertedCount = None,
    space: SearchedSpace = "z",
    label: Label = None,
    known: KnownCodes = 4,
    starts: Starts = 8,
    decoding: DecodingOptions = "",
    seed: Seed = 0,
    codes: CodesFile = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the codes of images without an encoder, and show how near the decoder comes to them."""
    opened, path = open_run(run, "invert", out, images=images)
    table = check_table(codes)
    from limner.cli.sampling import parse_decoding_options
    from limner.explore import invert as draw

    decode = parse_decoding_options(type(opened.model), decoding)
    settings: dict[str, Any] = {"space": space, "label": label, "known": known, "starts": starts}
    picture = draw(opened, images or None, n, seed, **settings, decoding=decode)
    errors = {name: picture.data[name].tolist() for name in ("psnr", "known_psnr")}
    save_picture(picture, path, quiet, {"run": str(opened.path), **errors} if json else None)
    if table is not None:
        picture.data["embedding"].save(table)
        if not json:
            report_file(table, quiet)


def check_table(codes: Path | None) -> Path | None:
    """The path of the table; LimnerError where it has another suffix."""
    from limner.explore.embeddings import TABLES
    from limner.explore.picture import destination

    return None if codes is None else destination(codes.expanduser(), TABLES)
