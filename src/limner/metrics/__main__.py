"""Make the weights of the package's extractors again: python -m limner.metrics digits mnist fashion-mnist."""

from __future__ import annotations

import sys

from limner.data import load
from limner.metrics.features import VERSION, WEIGHTS, make, read

for source in sys.argv[1:]:
    dataset = load(source)
    name = f"{dataset.name}-{VERSION}"
    path = WEIGHTS / f"{name}.safetensors"
    make(dataset, path)
    made = read(path, name)
    print(f'PINNED: "{dataset.fingerprint}": ("{name}", "{made.sha256}"), accuracy {made.accuracy:.4f}')
