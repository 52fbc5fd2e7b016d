"""Small pictures, a cache of its own for each test, and the real sets where this machine has them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """picture(seed, width, height, mode): smooth noise, different for every seed."""

    def make(seed: int, width: int = 24, height: int = 24, mode: str = "RGB") -> Image.Image:
        small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        return Image.fromarray(small).resize((width, height)).convert(mode)

    return make


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Twenty 24x24 pictures in colour, ten in each of the sub-folders 'cats' and 'dogs'."""
    root = tmp_path / "pets"
    for i in range(20):
        path = root / ("cats" if i < 10 else "dogs") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(path)
    return root


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the real sets; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    place = Path(os.environ.get("LIMNER_DATA", beside))
    if not (place / "mnist").is_dir():
        pytest.skip(f"no real images: neither $LIMNER_DATA nor {beside} has a 'mnist' folder")
    monkeypatch.setenv("LIMNER_DATA", str(place))
    return place
