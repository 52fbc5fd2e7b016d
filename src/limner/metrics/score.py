"""How sure a classifier is of each sample, and how varied the classes are.

The inception score of Salimans et al. 2016, arXiv 1606.03498:

    exp( E_x KL(p(y | x) || p(y)) ),   p(y) = E_x p(y | x)

from 1 (the classifier's prediction is the same for all samples) to K (it is sure of each sample, and all
classes are equally frequent).  The paper's classifier is Inception.  By the data set's own classifier the
number is `score[EXTRACTOR]`: print the score of real images beside it.

Estimator: all samples at once, natural logarithm, float64.  Others differ: the paper, torchmetrics and
torch-fidelity split the samples into ten and report the mean and deviation of ten scores, each slightly lower
because its n is smaller; torchmetrics reports the unbiased deviation, torch-fidelity the biased one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def classifier_score(probabilities: Tensor) -> float:
    """The score, 1 to K, of class probabilities (n, K); LimnerError where their rows do not sum to 1."""
    return float(_divergences(probabilities).mean().exp())


@accepts_arrays
def classifier_score_error(probabilities: Tensor) -> float:
    """The standard error of the score of class probabilities (n, K), n from 2."""
    divergences = _divergences(probabilities)
    # to first order the marginal adds nothing: sum_y dp(y) = 0
    return float(divergences.mean().exp() * divergences.std() / len(divergences) ** 0.5)


def _divergences(probabilities: Tensor) -> Tensor:
    """KL(p(y | x) || p(y)) of each of n images (n,), in nats."""
    p = probabilities.double()
    if p.ndim != 2 or len(p) == 0 or bool((p < 0).any()) or not bool(((p.sum(1) - 1).abs() < 1e-3).all()):
        raise LimnerError(f"a score needs rows of probabilities, not {tuple(p.shape)}: apply softmax first")
    marginal = p.mean(0)
    return torch.special.xlogy(p, p).sum(1) - torch.special.xlogy(p, marginal).sum(1)
