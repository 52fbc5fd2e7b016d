"""What tests share: an own folder and cache, and the real data where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import REAL

from limner.data import Dataset, load

torch.set_num_threads(1)  # tiny networks are quickest so, and the suite leaves a core to its processes


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
