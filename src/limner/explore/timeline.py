"""A run's previews over training: the same noise, or the same test images, at each of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.errors import LimnerError, check_whole
from limner.explore.picture import Animation, Picture
from limner.figures import GAP, GRID_SIDE, choose_scale, sheet
from limner.training import Run
from limner.training.held_out import preview_files

COLUMNS = 6  # of a frame of the animation
STEP, PAUSE = 400, 2000  # milliseconds of a frame, and of the last one


def preview_history(run: Run, n: int = 12) -> Picture:
    """A row of the first n images of each preview in samples/, with the images seen at the left.

    data["pixels"] has them by images seen: {count: (n, C, H, W) uint8}; LimnerError where there are none.
    """
    check_whole("n", n, 1)
    previews = read_previews(run, n)
    if not previews:
        raise LimnerError(f"{run.name} has no pictures in samples/")
    title = f"{run.name} over training, images seen at the left"
    image = sheet(list(previews.values()), title=title, row_labels=[f"{count:,}" for count in previews])
    return Picture(image, {"pixels": previews}, partial(animate_previews, previews, run.name))


def animate_previews(previews: dict[int, Tensor], name: str) -> Animation:
    """The previews one after another, in rows of COLUMNS; the last stays longer."""
    last = max(previews)
    frames = [
        sheet(pixels.split(COLUMNS), title=f"{name}\n{count:,} of {last:,} images seen")
        for count, pixels in previews.items()
    ]
    return Animation(frames, [*[STEP] * (len(frames) - 1), PAUSE])


def read_previews(run: Run, n: int) -> dict[int, Tensor]:
    """The first n images (n, C, H, W) uint8 of the previews that training wrote, by images seen."""
    previews = {}
    for count, path in preview_files(run.path / "samples").items():
        with Image.open(path) as picture:
            previews[count] = split_grid(picture, *run.shape[1:])[:n]
    return previews


def split_grid(picture: Image.Image, height: int, width: int) -> Tensor:
    """The images (N, C, H, W) uint8 in a `figures.grid` of such images; its empty cells are white images."""
    scale = choose_scale(height, width, GRID_SIDE)
    array = torch.from_numpy(np.array(picture))
    array = array[None] if array.ndim == 2 else array.movedim(2, 0)
    rows = array[:, GAP:, GAP:].unflatten(1, (-1, height * scale + GAP))
    cells = rows.unflatten(3, (-1, width * scale + GAP))  # (C, rows, height, columns, width) of the cells
    images = cells[:, :, : height * scale : scale, :, : width * scale : scale]
    return images.permute(1, 3, 0, 2, 4).flatten(0, 1)
