"""Images beside the nearest images that a decoder can make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from limner.data import Images, to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import require_continuous
from limner.explore.code_search import (
    RECOVERED,
    SpaceName,
    baselines,
    decibels,
    recover_codes,
    search_codes,
)  # fmt: skip
from limner.explore.embeddings import Embedding
from limner.explore.labels import class_index, class_names, is_conditional
from limner.explore.options import check_decoding_options
from limner.explore.picture import Picture, check_count
from limner.explore.reconstructions import choose_files, choose_test_images
from limner.figures import sheet
from limner.inversion import Inversion, Search
from limner.training import Run

ROWS = 8  # test images in a picture
KNOWN = 4  # known codes that are searched for
USUAL = 0.9  # share of known codes that a working search recovers


def invert(
    run: Run,
    images: Sequence[str | Path] | None = None,
    n: int | None = None,
    seed: int = 0,
    *,
    space: SpaceName = "z",
    label: str | None = None,
    known: int = KNOWN,
    starts: int = Search.starts,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """A row for each image: the image, the nearest that the decoder makes, their difference, and baselines.

    `images` are files or folders, of any size and mode; without them n random test images (8).  Codes are
    searched in `space`: z, or the styles w or w+ of a StyleGAN, from the best `starts` of 1,024 samples.  A
    conditional model decodes test images as their own class, files as the class of least error, all as
    `label` where one is named.  `known` codes of random images are searched for too: what they lack is the
    search's fault, what test images lack beside them is the model's.  `decoding`: options of `decode`.
    data: "codes" (n, d), "pixels", "inversions", "psnr" (n,), "known_psnr", "embedding", which has `save`.
    """
    require_continuous(run, "invert")
    if known < 0 or starts < 1 or (n is not None and n < 1):
        raise LimnerError(f"n and starts from 1, known from 0 are needed, not {n}, {starts}, {known}")
    options, search = check_decoding_options(run, decoding), Search(starts=starts)
    chosen, names, notes = choose(run, images, n, seed)
    y = choose_labels(run, chosen, label)
    result, nearest = search_codes(run, chosen.pixels, y, space, search, seed, options)
    columns = {"inversion": to_uint8(result.images), "best sample": nearest}
    columns |= baselines(run, chosen.pixels, result.codes.shape[1])
    errors = {name: decibels(pixels, chosen.pixels) for name, pixels in columns.items()}
    recovered = recover_codes(run, known, space, search, seed, options)
    notes += [describe_errors(errors, search), *describe_codes(result, space), *describe_known(recovered)]
    data = {
        "codes": result.codes.numpy(), "pixels": chosen.pixels, "inversions": columns["inversion"],
        "psnr": errors["inversion"].numpy(), "known_psnr": recovered.numpy(), "notes": notes,
        "embedding": tabulate(run, result, names, notes),
    }  # fmt: skip
    title = describe_rows(run, len(chosen), result, space)
    return Picture(draw_rows(chosen.pixels, columns, errors, names, title), data)


def choose(
    run: Run, images: Sequence[str | Path] | None, n: int | None, seed: int
) -> tuple[Images, list[str], list[str]]:
    """The images of files, or n random test images, their names, and notes; LimnerError for too many."""
    if images is None:
        chosen, names, notes = choose_test_images(run, n or ROWS, seed)
    else:
        chosen, names, notes = choose_files(run, images, n)
    check_count(6 * len(chosen), run.shape)
    return chosen, names, notes


def choose_labels(run: Run, chosen: Images, label: str | None) -> Tensor | None:
    """The labels (n,) to decode as: those of `label`, or the images' own; None where there are none."""
    if label is not None:
        return torch.full((len(chosen),), class_index(run, label))
    return chosen.labels if is_conditional(run) else None


def tabulate(run: Run, result: Inversion, names: list[str], notes: list[str]) -> Embedding:
    """The codes as a table, with the classes that they are decoded as."""
    if result.y is None:
        return Embedding(result.codes.numpy(), names, None, None, notes)
    return Embedding(result.codes.numpy(), names, result.y.numpy(), tuple(class_names(run)), notes)


def describe_rows(run: Run, n: int, result: Inversion, space: SpaceName) -> str:
    """The title."""
    images, size = "1 image" if n == 1 else f"{n} images", result.codes.shape[1]
    return f"{run.name}: {images} and the nearest the decoder makes, {space} of {size:,} numbers; PSNR in dB"


def describe_errors(errors: Mapping[str, Tensor], search: Search) -> str:
    """A line with the mean PSNR of each column."""
    values = [f"{name} {float(error.mean()):.1f}" for name, error in errors.items()]
    return f"PSNR in dB, mean: {', '.join(values)}; the best sample is the nearest of {search.samples:,}"


def describe_known(recovered: Tensor) -> list[str]:
    """A line on how well known codes are recovered, and whose the errors are then; none without any."""
    if not len(recovered):
        return []
    share = float((recovered >= RECOVERED).double().mean())
    verdict = (
        "the search works, so what test images lack is the model's"
        if share >= USUAL
        else "the search itself falls short: give it more starts"
    )
    return [
        f"known codes: {share:.0%} of {len(recovered)} are recovered at {RECOVERED:.0f} dB or more, "
        f"median {float(recovered.median()):.0f}: {verdict}"
    ]


def describe_codes(result: Inversion, space: SpaceName) -> list[str]:
    """A line on how usual the codes are, where they have a density with a centre."""
    if not result.penalty.any():
        return []
    distance = float((result.penalty / result.u.shape[1]).sqrt().mean())
    return [f"the codes lie {distance:.2f} times as far from the centre of {space} as those of samples"]


def draw_rows(
    pixels: Tensor,
    columns: Mapping[str, Tensor],
    errors: Mapping[str, Tensor],
    names: Sequence[str],
    title: str,
) -> Image.Image:
    """A row for each image: it, its inversion, their difference as black on white, and the other columns."""
    difference = 255 - (columns["inversion"].int() - pixels.int()).abs().to(torch.uint8)
    parts = {"image": pixels, "inversion": columns["inversion"], "difference": difference, **columns}
    captions = [
        [name, *("" if k not in errors else f"{float(errors[k][i]):.1f}" for k in list(parts)[1:])]
        for i, name in enumerate(names)
    ]
    rows = list(torch.stack(list(parts.values()), 1))
    return sheet(rows, title=title, column_labels=list(parts), captions=captions)
