"""How sure a classifier is of single samples and how varied of all (Salimans et al. 2016, arXiv 1606.03498).

    exp( E_x KL(p(y | x) || p(y)) ),   p(y) = E_x p(y | x)

from 1 (all samples look alike to the classifier, sure or not) to K (it is sure of each, and each class
comes equally often).  The paper's classifier is Inception ("inception score"); by our own the number is
`score[EXTRACTOR]`, of which real images have the value to compare with: print it beside.

Estimator: all samples at once, natural logarithm, float64.  Others differ: the paper, torchmetrics and
torch-fidelity split the samples into ten and give the mean and deviation of ten scores, each a little lower
for its smaller n; the first takes the unbiased deviation, the last the biased one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.errors import LimnerError


def classifier_score(probabilities: Tensor) -> float:
    """The score, 1 to K, of class probabilities (n, K); LimnerError where their rows do not sum to 1."""
    p = probabilities.double()
    if p.ndim != 2 or len(p) == 0 or bool((p < 0).any()) or not bool(((p.sum(1) - 1).abs() < 1e-3).all()):
        raise LimnerError(f"a score is of rows of probabilities, not of {tuple(p.shape)}: softmax them first")
    marginal = p.mean(0)
    divergence = torch.special.xlogy(p, p).sum(1) - torch.special.xlogy(p, marginal).sum(1)
    return float(divergence.mean().exp())
