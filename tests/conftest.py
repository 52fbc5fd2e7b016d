"""What tests share: an own cache, no network, and small data of every shape."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.data import Dataset, Images, load

torch.set_num_threads(1)  # tiny networks are quickest so, and the suite leaves a core to its processes

REAL = Path(os.environ.get("LIMNER_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data sets; the test is skipped, saying so, where there is none."""
    if not REAL.is_dir():
        pytest.skip(f"needs the real data sets in {REAL} (set LIMNER_DATA)")
    monkeypatch.setenv("LIMNER_DATA", str(REAL))
    return REAL


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The bundled digits."""
    return load("digits")


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
