"""What the tests of runs share: a finished run, and a copy of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import limner
from limner.data import Dataset


@pytest.fixture(scope="module")
def finished(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run."""
    out = tmp_path_factory.mktemp("run") / "vae"
    return limner.train("vae", digits, out=out, latent_dim=2, images=2000, batch=50, quiet=True).path


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, for tests that change it."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
