"""The Frechet distance between two sets of features (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    d^2 = |mu - mu'|^2 + tr(S + S' - 2 (S S')^(1/2))

Estimator: sample means and N-1 covariances in float64.  With centred features A / sqrt(n - 1) = Q R, S =
R^T R and tr (S S')^(1/2) is the nuclear norm of R R'^T (the sum of its singular values): no matrix square
root, hence no complex numbers, and exact where a covariance is singular. Others differ: stylegan3 divides
by N; torch-fidelity takes the mean in float32; most use scipy's sqrtm.

It falls with n, about as 1/n, and is not 0 for equal distributions: print n and the floor beside it.

`frechet_limit` (Chong & Forsyth 2020, arXiv 1911.07023) is the intercept of a line in 1/n through the
distances of parts of x, drawn without replacement, from the whole of y.  Only x is thinned out, so what
its number adds is gone while what y's number m adds, about as much as `slope` / m, remains: a limit for
infinitely many samples against that reference.  Others differ: the authors' code and dgm-eval, which thin
out the same side, have 15 sizes from 5,000 up.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError


def frechet(x: Tensor, y: Tensor) -> float:
    """The Frechet distance of features x (n, d) and y (m, d), n and m from 2.

    Equal sets give 0 up to rounding, which may be a hair below; print max(0, it).
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise LimnerError(
            f"a Frechet distance cannot be had of features {tuple(x.shape)} and {tuple(y.shape)}"
        )
    return apart(moments(x), moments(y))


def apart(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> float:
    """The Frechet distance of two Gaussians, each given as `moments` gives it."""
    (mu_x, r_x), (mu_y, r_y) = x, y
    overlap = torch.linalg.svdvals(r_x @ r_y.T).sum()  # tr (S S')^(1/2)
    spread = r_x.square().sum() + r_y.square().sum()  # tr S + tr S'
    return float((mu_x - mu_y).square().sum() + spread - 2 * overlap)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (d,) of features (n, d) and a factor R of their covariance R^T R, in float64."""
    x = x.double()
    mean = x.mean(0)
    return mean, torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R


def frechet_floor(train: Tensor, test: Tensor, n: int, seed: int = 0) -> float:
    """The distance of n real features, drawn from `train` (N, d), from n held-out real ones, from `test`.

    No sampler can be expected below it.  Where `test` has fewer than n, all of them are taken.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [x[torch.randperm(len(x), generator=generator)[:n]] for x in (train, test)]
    return frechet(*parts)


class FrechetLimit(NamedTuple):
    """The distance for n -> infinity, and its `slope`: at n it is about value + slope / n."""

    value: float
    slope: float


def frechet_limit(x: Tensor, y: Tensor, points: int = 12, seed: int = 0) -> FrechetLimit:
    """The distance of x (n, d) from y (m, d) for n -> infinity, m kept, by `points` sizes from 0.2 n to n.

    It may be below 0 where the distance is nearly so.  Raises LimnerError for fewer than 2 points, or
    where the smallest part has d features or fewer: there the distance does not yet go as 1/n.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise LimnerError(
            f"a Frechet distance cannot be had of features {tuple(x.shape)} and {tuple(y.shape)}"
        )
    sizes = torch.linspace(0.2 * len(x), len(x), points).round().long().tolist() if points > 1 else [0]
    if sizes[0] <= x.shape[1]:
        raise LimnerError(
            f"a limit by {points} points needs 2 points or more and over {5 * x.shape[1]} features "
            f"of {x.shape[1]} numbers, not {len(x)}"
        )
    generator, reference = torch.Generator().manual_seed(seed), moments(y)
    parts = [x[torch.randperm(len(x), generator=generator)[:size]] for size in sizes]
    values = torch.tensor([apart(moments(part), reference) for part in parts], dtype=torch.float64)
    inverse = 1 / torch.tensor(sizes, dtype=torch.float64)
    line = torch.linalg.lstsq(torch.stack([torch.ones_like(inverse), inverse], 1), values[:, None]).solution
    return FrechetLimit(float(line[0]), float(line[1]))
