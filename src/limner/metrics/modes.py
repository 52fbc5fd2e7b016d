"""Which classes a sampler makes, and how evenly, told by a classifier (Srivastava et al. 2017, VEEGAN).

    KL(generated || reference) = sum_k p_k log(p_k / q_k),   p from samples, q from real images, in nats

Estimator: counts of the likeliest class, no smoothing; the generated distribution stands first, as in
VEEGAN and PacGAN, so a class never made adds nothing itself: its share shows in the others.  Let the same
classifier label both sides.  For a perfect sampler it is about (K - 1) / 2n, the floor.  Others differ:
some compare with uniform classes, turn the direction round, or take the mean of soft probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.errors import LimnerError


def class_counts(probabilities: Tensor) -> Tensor:
    """How many images are of each class, by the likeliest one: probabilities (n, K) -> (K,)."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])


def classes_present(counts: Tensor, least: int = 1) -> int:
    """How many classes have at least `least` images."""
    return int((counts >= least).sum())


def class_kl(generated: Tensor, reference: Tensor) -> float:
    """KL(generated || reference) of class counts (K,), in nats; LimnerError where it is infinite."""
    if bool(((reference == 0) & (generated > 0)).any()):
        raise LimnerError(
            "the reference has none of a class that was generated: their divergence is infinite"
        )
    p, q = generated.double() / generated.sum(), reference.double() / reference.sum()
    return float(torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum())


def class_kl_floor(classes: int, n: int) -> float:
    """What `class_kl` is on average for n draws from the reference itself."""
    return (classes - 1) / (2 * n)
