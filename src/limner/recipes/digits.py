"""The handwritten digits that the demo and the problems show."""

from __future__ import annotations

import sys

from limner.data import Dataset, load
from limner.data.named import is_available

REAL, BUNDLED = "mnist-5k", "digits"


def load_digits(quiet: bool = False) -> Dataset:
    """`mnist-5k` where its package is installed, otherwise `digits`; a line on stderr says which."""
    name = REAL if is_available(REAL) else BUNDLED
    remedy = "" if name == REAL else f", 8x8 pixels enlarged; for real MNIST: pip install 'limner[{REAL}]'"
    if not quiet:
        print(f"data: {name}{remedy}", file=sys.stderr, flush=True)
    return load(name)


def describe_digits(data: Dataset) -> str:
    """What the digits are, for a page."""
    if data.name == REAL:
        return f"real handwritten digits of MNIST, {data.shape[1]}x{data.shape[2]} pixels (`{REAL}`)"
    return f"the small handwritten digits of scikit-learn, 8x8 pixels enlarged (`{BUNDLED}`)"
