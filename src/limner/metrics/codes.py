"""How much a code tells of the label (k nearest neighbours: Fix & Hodges 1951; Cover & Hart 1967).

Estimator: training codes vote on test codes, Euclidean distance, k = 5, the majority (of a tie the
smallest label). Others differ: some leave one out of a single split (`limner map` does, for it shows one
split), some weigh votes by distance or standardise the columns first.  Compare codes with raw pixels at
the same numbers of images.
"""

from __future__ import annotations

from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor


def knn_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, k: int = 5) -> float:
    """Share of test codes (m, d) whose k nearest training codes (n, d) mostly have their label."""
    voters = KNeighborsClassifier(k, algorithm="brute").fit(train.flatten(1).numpy(), train_labels.numpy())
    return float(voters.score(test.flatten(1).numpy(), test_labels.numpy()))
