"""A run whose model a test replaces."""

from __future__ import annotations

import pytest
from explore.fakes import NAMES, SHAPE
from small import blobs

import limner
from limner.data import Dataset
from limner.training import Run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    train, test = blobs(60, SHAPE), blobs(20, SHAPE, seed=1)
    dataset = Dataset("discs", "discs", train, test, NAMES, (), "0")
    out = tmp_path_factory.mktemp("runs") / "run"
    return limner.train("autoencoder", dataset, images=60, batch=20, quiet=True, out=out)
