"""The Frechet distance between two sets of features (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    d^2 = |mu - mu'|^2 + tr(S + S' - 2 (S S')^(1/2))

Estimator: sample means and N-1 covariances in float64.  With centred features A / sqrt(n - 1) = Q R, S =
R^T R and tr (S S')^(1/2) is the nuclear norm of R R'^T (the sum of its singular values): no matrix square
root, hence no complex numbers, and exact where a covariance is singular. Others differ: stylegan3 divides
by N; torch-fidelity takes the mean in float32; most use scipy's sqrtm.

It falls with n, about as 1/n, and is not 0 for equal distributions: print n and the floor beside it.
"""

from __future__ import annotations

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
    (mu_x, r_x), (mu_y, r_y) = moments(x), moments(y)
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
