"""Train the weights of the package's extractors: python -m limner.metrics digits mnist fashion-mnist."""

from __future__ import annotations

import sys

from limner.data import load
from limner.metrics.features import VERSION, WEIGHTS, read, train_extractor

for source in sys.argv[1:]:
    dataset = load(source)
    name = f"{dataset.name}-{VERSION}"
    path = WEIGHTS / f"{name}.safetensors"
    train_extractor(dataset, path)
    extractor = read(path, name)
    print(f'PINNED: "{dataset.fingerprint}": ("{name}", "{extractor.sha256}")')
    print(f"test accuracy {extractor.accuracy:.4f}")
