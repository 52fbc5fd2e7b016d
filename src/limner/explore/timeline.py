"""A run's pictures over training: the same noise, or the same test images, again and again."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.picture import Picture
from limner.figures import GAP, enlargement, sheet
from limner.training import Run


def over_time(run: Run, n: int = 12) -> Picture:
    """A row of the first n images of each picture in samples/, images seen at the left.

    data["pixels"] has them by images seen: {count: (n, C, H, W) uint8}; LimnerError where there are none.
    """
    shown = watched(run, n)
    if not shown:
        raise LimnerError(f"{run.name} has no pictures in samples/")
    title = f"{run.name} over training, images seen at the left"
    image = sheet(list(shown.values()), title=title, row_labels=[f"{seen:,}" for seen in shown])
    return Picture(image, {"pixels": shown})


def watched(run: Run, n: int) -> dict[int, Tensor]:
    """The first n images (n, C, H, W) uint8 of the pictures that training wrote, by images seen."""
    channels, height, width = run.shape
    scale = enlargement(height, width, 56)
    step_y, step_x = height * scale + GAP, width * scale + GAP
    found = {}
    for path in sorted((run.path / "samples").glob("[0-9]*.png")):
        with Image.open(path) as picture:
            array = torch.from_numpy(np.array(picture))
        array = array[None] if channels == 1 else array.movedim(2, 0)
        columns, rows = (array.shape[2] - GAP) // step_x, (array.shape[1] - GAP) // step_y
        n = min(n, columns * rows)
        corners = [(i // columns * step_y + GAP, i % columns * step_x + GAP) for i in range(n)]
        tiles = [array[:, y : y + height * scale : scale, x : x + width * scale : scale] for y, x in corners]
        found[int(path.stem)] = torch.stack(tiles)
    return found
