"""Mixing of styles: images with the coarse layers of one and the fine layers of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.abilities import require_ability
from limner.explore.code_search import search_styles
from limner.explore.gallery import read_image
from limner.explore.labels import class_index
from limner.explore.picture import Picture, check_count
from limner.explore.styles import check_truncation, choose_layers, seed_styles, style_pixels
from limner.figures import sheet
from limner.models.abilities import HasStyles
from limner.models.style_layers import mix_styles
from limner.training import Run


def mix(
    run: Run,
    rows: Sequence[int | str | Path] = range(5),
    columns: Sequence[int | str | Path] = range(100, 106),
    layers: str = "coarse",
    *,
    label: str | None = None,
    truncation: float | None = None,
) -> Picture:
    """The figure of Karras et al. 2019 (arXiv 1812.04948, figure 3): each row's image with a column's styles.

    A number is a seed of an image, as `sample(run, seed=[...])` draws it, here with the model's fixed noise.
    A path is an image file: its styles are searched, one for each layer, as `invert` does in w+.
    `layers`, 'coarse', 'middle', 'fine', 'all' or 'i-j', have the column's styles, all others the row's.  A
    conditional model's images are of the class `label`, or of the class that each seed draws; a file's class
    is that of least error.  Truncation is for seeds.
    data: "pixels" (rows, columns, C, H, W), "row_pixels", "column_pixels", "layers" their numbers.
    """
    model = require_ability(run, HasStyles, "mix")
    if not rows or not columns:
        raise LimnerError("mixing needs a seed or a file at least for the rows and for the columns")
    check_count((len(rows) + 1) * (len(columns) + 1), run.shape)
    chosen, psi = choose_layers(run, model, layers), check_truncation(truncation)
    w_rows, row_names, row_notes = image_styles(run, model, rows, label, psi)
    w_columns, column_names, column_notes = image_styles(run, model, columns, label, psi)
    swapped = torch.tensor([i in chosen.indices for i in range(w_rows.shape[1])], device=w_rows.device)
    w = torch.stack([mix_styles(w_row.expand_as(w_columns), w_columns, swapped) for w_row in w_rows])
    pixels = style_pixels(model, w.flatten(0, 1)).unflatten(0, w.shape[:2])
    row_pixels, column_pixels = style_pixels(model, w_rows), style_pixels(model, w_columns)
    truncated = "" if psi == 1 else f", truncation {psi:g}"
    title = (
        f"{run.name}: styles of the column in {chosen.title}, of the row in the others\n"
        f"framed: the images whose styles are mixed; the same noise in all{truncated}"
    )
    picture = draw_mixtures(row_pixels, column_pixels, pixels, row_names, column_names, title)
    data = {"pixels": pixels, "row_pixels": row_pixels, "column_pixels": column_pixels, "styles": w}
    return Picture(picture, data | {"layers": chosen.indices, "notes": [*row_notes, *column_notes]})


def image_styles(
    run: Run, model: HasStyles, images: Sequence[int | str | Path], label: str | None, psi: float
) -> tuple[Tensor, list[str], list[str]]:
    """The styles (n, layers, dim) of seeds and of image files, their names, and notes."""
    styles, names, notes = [], [], []
    for is_seed, group in groupby(images, lambda image: isinstance(image, int)):
        some = list(group)
        if is_seed:
            w, seeds = seed_styles(run, model, [seed for seed in some if isinstance(seed, int)], label, psi)
            names += [f"seed {seed}" for seed in seeds]
        else:
            read = [read_image(run, image) for image in some]
            pixels = torch.cat([pixels for pixels, _, _ in read])
            y = None if label is None else torch.full((len(pixels),), class_index(run, label))
            w, searched = search_styles(run, pixels, "w+", y)
            names += [name for _, name, _ in read]
            notes += [note for _, _, remarks in read for note in remarks] + searched
        styles.append(w.to(model.device))
    return torch.cat(styles), names, notes


def draw_mixtures(
    rows: Tensor,
    columns: Tensor,
    pixels: Tensor,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str,
) -> Image.Image:
    """Images (R, K, C, H, W) right of those of the rows (R, C, H, W), below those of the columns."""
    corner = torch.full_like(rows[:1], 255)
    body = [torch.cat([image[None], mixed]) for image, mixed in zip(rows, pixels, strict=True)]
    framed = [(0, c + 1) for c in range(len(columns))] + [(r + 1, 0) for r in range(len(rows))]
    return sheet(
        [torch.cat([corner, columns]), *body],
        title=title,
        row_labels=["", *row_labels],
        column_labels=["", *column_labels],
        marked=framed,
    )
