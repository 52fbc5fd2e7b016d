"""Images beside what a model makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from limner.data import read_images, to_float, to_uint8
from limner.errors import LimnerError
from limner.explore.able import able
from limner.explore.codes import choice, decode, encode
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.training.run import Run

COLUMNS = 8


def reconstruct(
    run: Run, images: Sequence[str | Path] | None = None, n: int | None = None, seed: int = 0
) -> Picture:
    """Images over their reconstructions, each with its mean squared error on the [0, 1] scale.

    `images` are files or folders, of any size and mode: data["notes"] tells how each was fitted.  Without
    them n test images are drawn (16), with them the first n are shown (all files, the first 16 of a folder).
    """
    model = able(run, "reconstruct")
    if n is not None and n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
    if images is None:
        index = choice(len(run.data.test), n or 16, seed)
        pixels, notes = run.data.test.pixels[index], []
        names = run.data.test.names
        shown = [names[i] for i in index.tolist()] if names else [f"test/{i}" for i in index.tolist()]
        what = f"{len(pixels)} test images of {run.data.name}"
    else:
        read, fitting = read_images(images, run.shape)
        count = n or max(16, len(images))
        pixels, notes = read.pixels[:count], list(fitting)
        shown = list(read.names or ())[:count]
        what = "1 image file" if len(pixels) == 1 else f"{len(pixels)} image files"
        if len(read) > count:
            notes.append(f"showing the first {count} of {len(read):,} images")
    made = decode(model, encode(run, pixels))
    mse = ((made - to_float(pixels)) / 2).square().flatten(1).mean(1)
    title = (
        f"{run.name}: {what} (above) and what the model makes of them (below), with the mean squared error"
    )
    picture = pairs(pixels, to_uint8(made), [f"{error:.4f}" for error in mse.tolist()], title)
    data = {"pixels": pixels, "made": to_uint8(made), "mse": mse.numpy(), "names": shown, "notes": notes}
    return Picture(picture, data)


def pairs(above: Tensor, below: Tensor, captions: list[str], title: str) -> Image.Image:
    """Two sets of images (N, C, H, W) uint8, eight abreast, one set under the other, captions below both."""
    rows: list[Tensor] = []
    texts: list[list[str]] = []
    for begin in range(0, len(above), COLUMNS):
        part = slice(begin, begin + COLUMNS)
        rows += [above[part], below[part]]
        texts += [[], captions[part]]
    return sheet(rows, captions=texts, row_labels=["image", "model"] * (len(rows) // 2), title=title)
