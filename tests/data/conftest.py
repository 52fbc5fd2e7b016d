"""Small pictures, a folder of them, and the cache of each test."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def cache() -> Path:
    """The folder of the cache; every test has its own."""
    return Path(os.environ["LIMNER_CACHE"])


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """picture(seed, width, height, mode): smooth noise, different for every seed."""

    def draw(seed: int, width: int = 24, height: int = 24, mode: str = "RGB") -> Image.Image:
        noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        return Image.fromarray(noise).resize((width, height)).convert(mode)

    return draw


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Twenty 24x24 colour pictures, ten in each of the sub-folders 'cats' and 'dogs'."""
    root = tmp_path / "pets"
    for i in range(20):
        path = root / ("cats" if i < 10 else "dogs") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(path)
    return root
