"""The kernel distance, "KID" where the features are Inception's (Binkowski et al. 2018, arXiv 1801.01401).

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(x, y) = (x.y / d + 1)^3

Estimator: unbiased (the U-statistic, no pair of an image with itself), in float64.  It is 0 on average for
equal distributions at every n, so a value may be below 0.  Others differ: torch-fidelity and torchmetrics
draw overlapping subsets of 1,000 and print the subsets' deviation, which is not an error of the mean;
`kid_blocks` has disjoint blocks and their standard error.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays

ROWS = 256  # rows of the kernel matrix in a block that fits a processor's cache


@accepts_arrays
def kid(x: Tensor, y: Tensor) -> float:
    """The unbiased squared distance of features x (n, d) and y (m, d), n and m from 2."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise LimnerError(
            f"a kernel distance needs features (n, d) and (m, d), not {tuple(x.shape)} and {tuple(y.shape)}"
        )
    x, y = x.double(), y.double()
    n, m = len(x), len(y)
    within_x = (kernel_sum(x, x) - kernel_diagonal(x)) / (n * (n - 1))
    within_y = (kernel_sum(y, y) - kernel_diagonal(y)) / (m * (m - 1))
    return float(within_x + within_y - 2 * kernel_sum(x, y) / (n * m))


def kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """The sum of k over all pairs of x (n, d) and y (m, d)."""
    one = torch.ones((), dtype=x.dtype, device=x.device)
    rows = [torch.addmm(one, part, y.T, alpha=1 / x.shape[1]).pow_(3).sum() for part in x.split(ROWS)]
    return torch.stack(rows).sum()


def kernel_diagonal(x: Tensor) -> Tensor:
    """The sum of k(x_i, x_i)."""
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()


@accepts_arrays
def kid_blocks(x: Tensor, y: Tensor, size: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Mean and standard error of `kid` over disjoint blocks of `size` drawn from x (n, d) and y (m, d).

    Raises LimnerError where there are fewer than two blocks.
    """
    count = min(len(x), len(y)) // size
    if count < 2 or size < 2:
        raise LimnerError(f"blocks of {size} need at least {2 * size} features, not {len(x)} and {len(y)}")
    generator = torch.Generator().manual_seed(seed)
    xs, ys = (part[torch.randperm(len(part), generator=generator)].split(size) for part in (x, y))
    values = torch.tensor(
        [kid(a, b) for a, b in zip(xs[:count], ys[:count], strict=True)], dtype=torch.float64
    )
    return float(values.mean()), float(values.std() / count**0.5)
