"""Arrays -> pictures: grids of images and plots.  The only file that knows matplotlib."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from torch import Tensor

GAP = 2  # pixels between images of a grid
BACKGROUND = 255


def to_pil(pixels: Tensor) -> Image.Image:
    """One image (C, H, W) uint8 as a picture."""
    array = pixels.cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.moveaxis(array, 0, 2))


def grid(pixels: Tensor, columns: int | None = None, scale: int | None = None) -> Image.Image:
    """Images (N, C, H, W) uint8 side by side, row by row; small ones enlarged by a whole factor."""
    n, _, height, width = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    scale = scale or max(1, round(56 / max(height, width)))
    step_y, step_x = height * scale + GAP, width * scale + GAP
    size = (columns * step_x + GAP, rows * step_y + GAP)
    picture = Image.new("L" if pixels.shape[1] == 1 else "RGB", size, (BACKGROUND,) * (1 if pixels.shape[1] == 1 else 3))
    for i, image in enumerate(pixels):
        tile = to_pil(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        picture.paste(tile, (i % columns * step_x + GAP, i // columns * step_y + GAP))
    return picture
