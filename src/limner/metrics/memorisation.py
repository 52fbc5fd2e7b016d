"""Whether samples are copies of training images, by their distances to training and to test images.

    ratio      median of (distance to the nearest training image / distance to the nearest test image)
    copied     share of samples nearer to a training image than to a test image; a tie counts 1/2
    authentic  share of samples farther from their nearest training image than that image is from its own
               nearest other training image (Alaa et al. 2022, arXiv 2102.08921; AuthPct in dgm-eval)

A sampler without memory of its training images has ratio 1 and copied 0.5; one that copies has a lower ratio
and a higher share.  Both need as many images on both sides, because the nearest of more images is nearer: the
larger side is subsampled to the size of the smaller, so copies of the training images left out are missed.
`authentic` takes all training images.  Its value without copies depends on the data: compare it with that of
held-out real images in place of samples.  It falls towards 0 for copies, but also for a sampler of typical
images only.

Estimator: exact Euclidean distances, in float64, of features or flattened pixels.  Others differ: Meehan et
al. 2020 (arXiv 2004.05675) test the ranks of the same distances (C_T).  Distances of pixels are small for
blurred samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.metrics.neighbours import neighbours


class Memorisation(NamedTuple):
    """`ratio` is 1 and `copied` 0.5 without copies; `authentic` is a share; `n` images on either side."""

    ratio: float
    copied: float
    authentic: float
    n: int


@accepts_arrays
def nearest(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each of x (n, ...) to the nearest of y (m, ...): (n,) in float64."""
    if len(y) == 0 or x.shape[1:] != y.shape[1:]:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise LimnerError(f"nearest neighbours need the shapes (n, ...) and (m, ...), not {shapes}")
    return neighbours(flat(x), flat(y)).distance


@accepts_arrays
def memorisation(samples: Tensor, train: Tensor, test: Tensor, seed: int = 0) -> Memorisation:
    """The three numbers of samples (n, ...), training (N, ...) and test images (M, ...), or their features.

    The first two use min(N, M) training and test images, drawn by `seed`.
    """
    if min(len(samples), len(train) - 1, len(test)) < 1 or not (
        samples.shape[1:] == train.shape[1:] == test.shape[1:]
    ):
        shapes = ", ".join(str(tuple(part.shape)) for part in (samples, train, test))
        raise LimnerError(
            f"memorisation needs samples, two training images and test images of one shape, not {shapes}"
        )
    n = min(len(train), len(test))
    generator = torch.Generator().manual_seed(seed)
    some_train, some_test = (
        part[torch.randperm(len(part), generator=generator)[:n]] for part in (train, test)
    )
    to_train, to_test = nearest(samples, some_train), nearest(samples, some_test)
    ratios = torch.where(to_train == to_test, 1.0, to_train / to_test)  # 0 / 0 counts as equally near
    copied = (to_train < to_test).double() + (to_train == to_test).double() / 2
    share = authentic(samples, train).double().mean()
    return Memorisation(float(ratios.median()), float(copied.mean()), float(share), n)


@accepts_arrays
def authentic(samples: Tensor, train: Tensor) -> Tensor:
    """Whether samples (n, ...) are farther from their nearest of train (N, ...) than that from its own."""
    x, y = flat(samples), flat(train)
    near = neighbours(x, y)
    hits, which = near.position.unique(return_inverse=True)  # only these need their own neighbours
    return near.distance > neighbours(y[hits], y, own=hits).distance[which]


def flat(x: Tensor) -> Tensor:
    """x (n, ...) as rows (n, d) in float64."""
    return x.flatten(1).double()
