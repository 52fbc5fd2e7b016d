"""Write reference.json: the numbers of pytorch-fid, torch-fidelity and prdc for the same features.

    pip install --no-deps --target REF pytorch-fid==0.3.0 torch-fidelity==0.4.0 prdc==0.2 tqdm
    PYTHONPATH=REF python tests/metrics/make_reference.py

The first two import torchvision, which their distances do not use: an empty module stands in for it.
prdc has < where we have <=; on continuous features, in which no distance comes twice, that is the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

REFERENCE = Path(__file__).with_name("reference.json")


def case(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features; numpy's RandomState gives the same numbers in every version."""
    random = np.random.RandomState(0)
    mixing = random.standard_normal((16, 16))
    x, y = random.standard_normal((600, 16)) @ mixing, random.standard_normal((600, 16)) @ mixing * 0.8 + 0.3
    if name == "relu":  # with units that are often, and one that is always, 0
        x, y = np.maximum(x, 0), np.maximum(y, 0)
        x[:, 0] = y[:, 0] = 0
    return x, y


def reference(name: str) -> dict[str, float]:
    """The numbers of the other tools for a case."""
    from prdc import compute_prdc
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_kid import kernel_mmd

    x, y = case(name)
    moments = [part for z in (x, y) for part in (z.mean(0), np.cov(z, rowvar=False))]
    kid = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_coef0": 1}
    found = {"frechet": calculate_frechet_distance(*moments)}
    found["kid"] = kernel_mmd(x, y, kid_kernel_poly_gamma=None, **kid)
    return found | compute_prdc(x, y, nearest_k=5)


if __name__ == "__main__":
    for part in ("", ".datasets", ".models", ".models._api", ".transforms", ".transforms.functional"):
        sys.modules[f"torchvision{part}"] = MagicMock()
    values = {name: {k: float(v) for k, v in reference(name).items()} for name in ("mixed", "relu")}
    REFERENCE.write_text(json.dumps(values, indent=2) + "\n")
