"""A run's previews over training: the same noise, or the same test images, at each of them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.picture import Picture
from limner.figures import GAP, GRID_SIDE, choose_scale, sheet
from limner.training import Run
from limner.training.held_out import preview_files


def preview_history(run: Run, n: int = 12) -> Picture:
    """A row of the first n images of each preview in samples/, with the images seen at the left.

    data["pixels"] has them by images seen: {count: (n, C, H, W) uint8}; LimnerError where there are none.
    """
    previews = read_previews(run, n)
    if not previews:
        raise LimnerError(f"{run.name} has no pictures in samples/")
    title = f"{run.name} over training, images seen at the left"
    image = sheet(list(previews.values()), title=title, row_labels=[f"{count:,}" for count in previews])
    return Picture(image, {"pixels": previews})


def read_previews(run: Run, n: int) -> dict[int, Tensor]:
    """The first n images (n, C, H, W) uint8 of the previews that training wrote, by images seen."""
    previews = {}
    for count, path in preview_files(run.path / "samples").items():
        with Image.open(path) as picture:
            previews[count] = split_grid(picture, run.shape)[:n]
    return previews


def split_grid(picture: Image.Image, shape: tuple[int, int, int]) -> Tensor:
    """The images (N, C, H, W) uint8 in a `figures.grid` of such images; its empty cells are white images."""
    channels, height, width = shape
    scale = choose_scale(height, width, GRID_SIDE)
    array = torch.from_numpy(np.array(picture))
    array = array[None] if channels == 1 else array.movedim(2, 0)
    rows = array[:, GAP:, GAP:].unflatten(1, (-1, height * scale + GAP))
    cells = rows.unflatten(3, (-1, width * scale + GAP))  # (C, rows, height, columns, width) of the cells
    images = cells[:, :, : height * scale : scale, :, : width * scale : scale]
    return images.permute(1, 3, 0, 2, 4).flatten(0, 1)
