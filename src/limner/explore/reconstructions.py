"""Images beside a model's reconstructions of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from limner.data import Images, to_float, to_uint8
from limner.errors import check_whole
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_indices
from limner.explore.gallery import read_files
from limner.explore.labels import choose_class, class_names, is_conditional
from limner.explore.options import check_decoding_options
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.models.abilities import Decodes, Encodes
from limner.training import Run
from limner.training.codes import decode_codes, encode_images

COLUMNS = 8


def reconstruct(
    run: Run,
    images: Sequence[str | Path] | None = None,
    n: int | None = None,
    seed: int = 0,
    label: str | None = None,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """Images over their reconstructions, each with its mean squared error on the [0, 1] scale.

    `images` are files or folders, of any size and mode: data["notes"] says how each was fitted.  Without
    them n random test images are shown (16), with them the first n (all files, the first 16 of a folder).
    A conditional model decodes test images as their own class and files as the class that gives the least
    error, unless `label` names another one.
    `decoding`: options of the model's `decode`.
    """
    encoder = require_ability(run, Encodes, "reconstruct")
    decoder = require_ability(run, Decodes, "reconstruct")
    options = check_decoding_options(run, decoding)
    if n is not None:
        check_whole("n", n, 1)
    if images is None:
        chosen, names, notes = choose_test_images(run, n or 16, seed)
        subject = f"{len(chosen)} test images of {run.data.name}"
    else:
        chosen, names, notes = choose_files(run, images, n)
        subject = "1 image file" if len(chosen) == 1 else f"{len(chosen)} image files"
    pixels = chosen.pixels
    z = encode_images(encoder, pixels)

    def decode(y: Tensor | None) -> Tensor:
        return decode_codes(decoder, z, y, **options)

    y, title = choose_reconstructed_labels(run, chosen, label, decode)
    subject, decoded = subject + title, decode(y)
    mse = ((decoded - to_float(pixels)) / 2).square().flatten(1).mean(1)
    title = f"{run.name}: {subject} (above) and their reconstructions (below), with the mean squared error"
    picture = draw_pairs(pixels, to_uint8(decoded), [f"{error:.4f}" for error in mse.tolist()], title)
    data = {"pixels": pixels, "reconstructions": to_uint8(decoded), "mse": mse.numpy(), "names": names}
    return Picture(picture, data | {"notes": notes})


def choose_reconstructed_labels(
    run: Run, chosen: Images, label: str | None, decode: Callable[[Tensor], Tensor]
) -> tuple[Tensor | None, str]:
    """The labels (N,) that images are decoded with, None where the decoder gets none; the end of a title."""
    if label is not None or not is_conditional(run):
        decoded_class = choose_class(run, label)
        return decoded_class.repeat(len(chosen)), decoded_class.title
    if chosen.labels is not None:
        return chosen.labels, ""
    y = nearest_labels(chosen.pixels, len(class_names(run)), lambda y: to_uint8(decode(y)))
    return y, "; each with the class that gives the least error"


def nearest_labels(pixels: Tensor, classes: int, reconstruct: Callable[[Tensor], Tensor]) -> Tensor:
    """For each image the label (N,) with which it is reconstructed best.

    reconstruct: labels (N,) -> the reconstructions of pixels (N, C, H, W), both uint8.
    """
    labels = [torch.full((len(pixels),), y) for y in range(classes)]
    return torch.stack([reconstruction_errors(pixels, reconstruct(y)) for y in labels]).argmin(0)


def reconstruction_errors(pixels: Tensor, reconstructions: Tensor) -> Tensor:
    """The mean absolute error of each image on the [0, 1] scale: two (N, C, H, W) uint8 -> (N,)."""
    return (to_float(pixels) - to_float(reconstructions)).abs().flatten(1).mean(1) / 2


def choose_test_images(run: Run, n: int, seed: int) -> tuple[Images, list[str], list[str]]:
    """n random test images, their names, and no notes."""
    index = choose_indices(len(run.data.test), n, seed)
    chosen = run.data.test.subset(index)
    return chosen, list(chosen.names or (f"test/{i}" for i in index.tolist())), []


def choose_files(run: Run, paths: Sequence[str | Path], n: int | None) -> tuple[Images, list[str], list[str]]:
    """The first n images of files (all) and folders (the first 16), their names, and notes."""
    images, fitting = read_files(run, paths)
    n = min(n or max(16, len(paths)), len(images))
    chosen, notes = images.subset(torch.arange(n)), list(fitting)
    if len(images) > n:
        notes.append(f"showing the first {n} of {len(images):,} images")
    return chosen, list(chosen.names or ()), notes


def draw_pairs(above: Tensor, below: Tensor, captions: list[str], title: str) -> Image.Image:
    """Two sets of images (N, C, H, W) uint8, eight in a row, the second under the first, captions below."""
    rows: list[Tensor] = []
    texts: list[list[str]] = []
    for start in range(0, len(above), COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [above[part], below[part]]
        texts += [[], captions[part]]
    return sheet(rows, captions=texts, row_labels=["image", "model"] * (len(rows) // 2), title=title)
