"""Small images of every shape, small models, and the folder of real images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from limner.data import Images
from limner.models import model_class

REAL = Path(os.environ.get("LIMNER_DATA") or Path(__file__).parents[2] / "shared" / "data").resolve()


def small(model: str) -> dict[str, Any]:
    """Options that make the model of that name small and quick."""
    return dict(model_class(model).tiny)


def words(settings: dict[str, Any]) -> list[str]:
    """These options as words of a command line."""
    line: list[str] = []
    for name, value in settings.items():
        line += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
    return line


def blobs(n: int, shape: tuple[int, int, int], seed: int = 0) -> Images:
    """n images (C, H, W) of a bright disc at random places, with its quadrant as label."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    centre = rng.uniform(0.25, 0.75, (n, 2)) * (height, width)
    disc = np.hypot(y - centre[:, :1, None], x - centre[:, 1:, None]) < min(height, width) / 5
    colour = rng.uniform(0.5, 1, (n, channels, 1, 1))
    pixels = torch.from_numpy((255 * disc[:, None] * colour).astype(np.uint8))
    label = (centre[:, 0] > height / 2) * 2 + (centre[:, 1] > width / 2)
    return Images(pixels, torch.from_numpy(label.astype(np.int64)), None)
