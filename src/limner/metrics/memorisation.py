"""Whether samples are copies of training images, told by whose neighbours they are.

    ratio      median of (distance to the nearest training image / distance to the nearest test image)
    copied     share of samples nearer to a training than to a test image, a tie for a half
    authentic  share of samples farther from their nearest training image than that one is from its own
               nearest other training image (Alaa et al. 2022, arXiv 2102.08921; AuthPct in dgm-eval)

The first two stand at 1 and 0.5 for a sampler that knows training and test images equally well, and are
lower, or higher, for one that copies.  They need as many images on both sides, for the nearest of more is
nearer: the larger side is thinned out at random to the size of the smaller, so that copies of training
images left out go unseen there.  `authentic` takes all training images; its honest value depends on the
data (that of held-out real images in place of samples is the one to compare with) and falls towards 0 for
copies, but also for a sampler that only makes typical images.

Estimator: exact Euclidean distances in float64 of features or flattened pixels.  Others differ: Meehan et
al. 2020 (arXiv 2004.05675) test the same distances by ranks (C_T); in pixels blurred samples have the
nearest neighbours of all.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.neighbours import neighbours


class Memorisation(NamedTuple):
    """`ratio` is 1, `copied` 0.5 for an honest sampler; `authentic` is a share; `n` images on either side."""

    ratio: float
    copied: float
    authentic: float
    n: int


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each of x (n, ...) to its nearest of y (m, ...): (n,) in float64."""
    if len(y) == 0 or x.shape[1:] != y.shape[1:]:
        raise LimnerError(f"no nearest of {tuple(y.shape)} can be found to {tuple(x.shape)}")
    return neighbours(flat(x), flat(y)).distance


def memorisation(samples: Tensor, train: Tensor, test: Tensor, seed: int = 0) -> Memorisation:
    """The three numbers of samples (n, ...), training (N, ...) and test images (M, ...), or their features.

    Distances to training and test images are to min(N, M) of either, drawn by `seed`.
    """
    if min(len(samples), len(train) - 1, len(test)) < 1 or not (
        samples.shape[1:] == train.shape[1:] == test.shape[1:]
    ):
        shapes = ", ".join(str(tuple(part.shape)) for part in (samples, train, test))
        raise LimnerError(f"samples, two training images or more and test images of one shape, not {shapes}")
    n = min(len(train), len(test))
    generator = torch.Generator().manual_seed(seed)
    ours, others = (part[torch.randperm(len(part), generator=generator)[:n]] for part in (train, test))
    to_train, to_test = nearest(samples, ours), nearest(samples, others)
    ratios = torch.where(to_train == to_test, 1.0, to_train / to_test)  # 0 / 0: as near to both
    copied = (to_train < to_test).double() + (to_train == to_test).double() / 2
    real = authentic(samples, train).double().mean()
    return Memorisation(float(ratios.median()), float(copied.mean()), float(real), n)


def authentic(samples: Tensor, train: Tensor) -> Tensor:
    """Whether samples (n, ...) are farther from their nearest of train (N, ...) than that from its own."""
    x, y = flat(samples), flat(train)
    found = neighbours(x, y)
    hit, which = found.place.unique(return_inverse=True)  # only these need their own neighbours
    return found.distance > neighbours(y[hit], y, own=hit).distance[which]


def flat(x: Tensor) -> Tensor:
    return x.flatten(1).double()
