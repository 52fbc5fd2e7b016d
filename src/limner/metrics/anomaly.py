"""How well a score separates anomalous images from normal ones, over all thresholds (Fawcett 2006).

    AUROC = P(anomalous > normal) + 1/2 P(anomalous = normal)
    average precision = sum_i (R_i - R_{i-1}) P_i   over falling thresholds, P precision, R recall

Estimator: scikit-learn's.  Larger scores are more anomalous; anomalous images are the positives.  AUROC is
1/2 for a random score, whatever the mixture.  Average precision is then the share of anomalous images, so
print that share beside it.  Others differ: some join the points of the precision-recall curve by straight
lines, which gives larger values.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def auroc(normal: Tensor, anomalous: Tensor) -> float:
    """The share of pairs in which the anomalous image has the larger score, of scores (n,) and (m,)."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_labelled(normal, anomalous)))


@accepts_arrays
def average_precision(normal: Tensor, anomalous: Tensor) -> float:
    """The area under precision over recall, of scores (n,) and (m,); m / (n + m) for a random score."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_labelled(normal, anomalous)))


def _labelled(normal: Tensor, anomalous: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n + m,), 1 for anomalous images, and scores (n + m,)."""
    parts = [part.detach().flatten().double().cpu().numpy() for part in (normal, anomalous)]
    if not all(len(part) and np.isfinite(part).all() for part in parts):
        raise LimnerError("an AUROC needs finite scores of at least one normal and one anomalous image")
    return np.repeat([0, 1], [len(part) for part in parts]), np.concatenate(parts)
