"""Shares of variance of two causes, one nested in the other: styles and the noise of each style.

    Var x = Var_w E[x | w] + E_w Var[x | w],     summed over the features of x

Estimator (analysis of variance, one way): of K draws for each of N styles, `within` is the mean of the N
variances (divided by K - 1) and `between` the variance of the N means (divided by N - 1) minus within / K, so
that both are unbiased.  The shares are those of their sum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


class VarianceShares(NamedTuple):
    """The shares `between` groups and `within` them, which sum to 1, and the standard error of both."""

    between: float
    within: float
    error: float


@accepts_arrays
def variance_shares(values: Tensor) -> VarianceShares:
    """The shares of variance between and within N groups of K values each: (N, K, ...), N and K from 2.

    The error is that of the jackknife over groups.  Without any variance both shares are NaN.
    """
    if values.ndim < 2 or min(values.shape[:2]) < 2:
        raise LimnerError(f"shares of variance need 2 groups of 2 values or more, not {tuple(values.shape)}")
    values = values.double().flatten(2) if values.ndim > 2 else values.double()[..., None]
    n, k = values.shape[:2]
    means = values.mean(1)  # (N, d)
    scatter = (values - means[:, None]).square().sum((1, 2)) / (k - 1)  # (N,) within each group

    def share(kept: Tensor) -> Tensor:
        within = scatter[kept].mean()
        between = means[kept].var(0).sum() - within / k
        return within / (within + between.clamp_min(0))

    within = share(torch.arange(n))
    if n < 3:
        return VarianceShares(1 - float(within), float(within), float("nan"))
    others = torch.stack([share(torch.arange(n) != i) for i in range(n)])
    error = ((n - 1) / n * (others - others.mean()).square().sum()).sqrt()
    return VarianceShares(1 - float(within), float(within), float(error))
