"""The Frechet distance between two sets of features (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    d^2 = |mu - mu'|^2 + tr(S + S' - 2 (S S')^(1/2))

Estimator: sample means and N-1 covariances in float64.  With centred features A / sqrt(n - 1) = Q R, S =
R^T R and tr (S S')^(1/2) is the nuclear norm of R R'^T (the sum of its singular values).  So no matrix
square root is needed, no complex numbers arise, and the value is exact where a covariance is singular.
Others differ: stylegan3 divides by N; torch-fidelity takes the mean in float32; most use scipy's sqrtm.

It falls with n, about as 1/n, and is above 0 for equal distributions: print n and the floor beside it.

`frechet_limit` (Chong & Forsyth 2020, arXiv 1911.07023) is the intercept of a line in 1/n through the
distances between subsets of x, drawn without replacement, and all of y.  Only x is subsampled: the bias from
the size n of x is removed, and the bias from the size m of y, about `slope` / m, remains.  So it is the limit
for infinitely many samples against that reference.  Others differ: the authors' code and dgm-eval subsample
the same side, at 15 sizes from 5,000 up.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def frechet(x: Tensor, y: Tensor) -> float:
    """The Frechet distance between features x (n, d) and y (m, d), n and m from 2.

    Equal sets give 0 up to rounding, so the value may be slightly below 0: print max(0, value).
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise LimnerError(
            f"a Frechet distance needs features (n, d) and (m, d), not {tuple(x.shape)} and {tuple(y.shape)}"
        )
    return distance_of_moments(moments(x), moments(y))


def distance_of_moments(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> float:
    """The Frechet distance between two Gaussians, each a mean and a factor as `moments` returns them."""
    (mu_x, r_x), (mu_y, r_y) = x, y
    overlap = torch.linalg.svdvals(r_x @ r_y.T).sum()  # tr (S S')^(1/2)
    spread = r_x.square().sum() + r_y.square().sum()  # tr S + tr S'
    return float((mu_x - mu_y).square().sum() + spread - 2 * overlap)


@accepts_arrays
def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (d,) of features (n, d) and a factor R of their covariance R^T R, in float64."""
    x = x.double()
    mean = x.mean(0)
    return mean, torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R


@accepts_arrays
def frechet_floor(train: Tensor, test: Tensor, n: int, seed: int = 0) -> float:
    """The distance between n real features, drawn from `train` (N, d), and n held-out ones, from `test`.

    The expected distance of a perfect sampler.  Where `test` has fewer than n features, it takes all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = (part[torch.randperm(len(part), generator=generator)[:n]] for part in (train, test))
    return frechet(x, y)


class FrechetLimit(NamedTuple):
    """The distance for n -> infinity, and its `slope`: at n it is about value + slope / n."""

    value: float
    slope: float


@accepts_arrays
def frechet_limit(x: Tensor, y: Tensor, points: int = 12, seed: int = 0) -> FrechetLimit:
    """The distance of x (n, d) from y (m, d) for n -> infinity, from `points` sizes between 0.2 n and n.

    It may be below 0 where the distance is near 0.  Raises LimnerError for fewer than 2 points, or where the
    smallest subset has d features or fewer: there the distance does not fall as 1/n.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise LimnerError(
            f"a Frechet distance needs features (n, d) and (m, d), not {tuple(x.shape)} and {tuple(y.shape)}"
        )
    sizes = torch.linspace(0.2 * len(x), len(x), points).round().long().tolist() if points > 1 else [0]
    if sizes[0] <= x.shape[1]:
        raise LimnerError(
            f"a limit needs 2 points or more and over {5 * x.shape[1]} features of {x.shape[1]} numbers, "
            f"not {points} points and {len(x)} features"
        )
    generator, reference = torch.Generator().manual_seed(seed), moments(y)
    parts = [x[torch.randperm(len(x), generator=generator)[:size]] for size in sizes]
    values = torch.tensor(
        [distance_of_moments(moments(part), reference) for part in parts], dtype=torch.float64
    )
    inverse = 1 / torch.tensor(sizes, dtype=torch.float64)
    line = torch.linalg.lstsq(torch.stack([torch.ones_like(inverse), inverse], 1), values[:, None]).solution
    return FrechetLimit(float(line[0]), float(line[1]))
