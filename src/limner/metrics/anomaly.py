"""How well a score tells strange images from normal ones, over all thresholds (Fawcett 2006).

    AUROC = P(strange > normal) + 1/2 P(strange = normal)
    average precision = sum_i (R_i - R_{i-1}) P_i   over falling thresholds, P precision, R recall

Estimator: scikit-learn's; larger scores are stranger, strange images are the positives.  AUROC is 1/2 for
a score that knows nothing, whatever the mixture; average precision is then the share of strange images,
so print that share beside it.  Others differ: some join the points of the precision-recall curve by lines,
which flatters.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from limner.errors import LimnerError


def auroc(normal: Tensor, strange: Tensor) -> float:
    """The share of pairs in which the strange image has the larger score, of scores (n,) and (m,)."""
    return float(roc_auc_score(*_labelled(normal, strange)))


def average_precision(normal: Tensor, strange: Tensor) -> float:
    """The area under precision over recall of scores (n,) and (m,); by chance m / (n + m)."""
    return float(average_precision_score(*_labelled(normal, strange)))


def _labelled(normal: Tensor, strange: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Whether each image is strange, and its score."""
    parts = [part.detach().flatten().double().cpu().numpy() for part in (normal, strange)]
    if not all(len(part) and np.isfinite(part).all() for part in parts):
        raise LimnerError("anomalies are told by finite scores of normal and of strange images, some of both")
    return np.repeat([0, 1], [len(part) for part in parts]), np.concatenate(parts)
