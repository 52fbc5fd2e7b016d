"""Nearest neighbours and balls among features: exact Euclidean distances at the speed of a matrix product.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

Estimator: the right side, in float64, with a bound on its rounding error (`slack`).  Where the bound does not
decide which feature is nearer, or whether a feature is inside a ball, the distance is computed from the
difference.  So the results are those of exact distances: equal features have distance 0, and a neighbour on
the sphere is inside.  Rows are computed in blocks, so memory is linear in n.  Others differ: torch.cdist by
default (for more than 25 rows) keeps the rounding errors of the product, and equal features get a distance
above 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 256  # rows of the distance matrix in a block that fits a processor's cache
FEW = 1 / 50  # up to this share of a block's pairs is computed pair by pair where `slack` does not decide


class Neighbours(NamedTuple):
    """The k-th neighbour of each feature: its `distance` (n,) in float64 and its `position` (n,) in y."""

    distance: Tensor
    position: Tensor


def neighbours(x: Tensor, y: Tensor, k: int = 1, own: Tensor | None = None) -> Neighbours:
    """The k-th nearest of y (m, d) to each of x (n, d), both float64, k up to m.

    Where x are features of y, `own` (n,) are their positions in y: no feature is its own neighbour.
    """
    blocks = []
    for rows in torch.arange(len(x), device=x.device).split(ROWS):
        part = x[rows]
        squares = squared(part, y)
        if own is not None:
            squares[torch.arange(len(part), device=x.device), own[rows]] = torch.inf
        near = squares.topk(min(k + 1, len(y)), largest=False)
        distance, which = differences(part, y, near.indices[:, :k]).max(1)
        position = near.indices.gather(1, which[:, None])[:, 0]
        if k < len(y):  # where the next is as near, other features may be the k nearest
            unsure = ~(near.values[:, k] - near.values[:, k - 1] > 2 * slack(part, y))
            if unsure.any():
                others = None if own is None else own[rows][unsure]
                distance[unsure], position[unsure] = exact_neighbours(part[unsure], y, k, others)
        blocks.append((distance, position))
    return Neighbours(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def exact_neighbours(x: Tensor, y: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """Distance and position as in `neighbours`, all distances computed from differences."""
    distance = exact(x, y)
    if own is not None:
        distance[torch.arange(len(x), device=x.device), own] = torch.inf
    values, indices = distance.topk(k, largest=False)
    return values[:, -1], indices[:, -1]


def within(x: Tensor, y: Tensor, squares: Tensor, radii: Tensor) -> Tensor:
    """Whether x (n, d) and y (m, d), `squares` their `squared`, are within radii (n, 1) or (1, m)."""
    limits, unsure = radii.square(), slack(x, y)
    inside = squares <= limits
    doubt = (squares <= limits + unsure) ^ (squares < limits - unsure)
    count = int(doubt.count_nonzero())
    if count > FEW * doubt.numel():
        return exact(x, y) <= radii
    if count:
        i, j = doubt.nonzero(as_tuple=True)
        inside[i, j] = differences(x[i], y, j[:, None])[:, 0] <= radii.expand_as(squares)[i, j]
    return inside


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n, m) of x (n, d) and y (m, d), each to within `slack`."""
    return torch.addmm(y.square().sum(1), x, y.T, alpha=-2).add_(x.square().sum(1)[:, None])


def slack(x: Tensor, y: Tensor) -> Tensor:
    """The largest error of `squared`: twice the bound on the rounding errors of d products and their sums."""
    largest = x.square().sum(1).max() + y.square().sum(1).max()
    return 4 * (x.shape[1] + 4) * torch.finfo(x.dtype).eps * largest


def differences(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """Distances (n, k) of each of x (n, d) to the k of y (m, d) at its row of index (n, k)."""
    return exact(x[:, None], y[index])[:, 0]


def exact(x: Tensor, y: Tensor) -> Tensor:
    """Distances (..., n, m) as roots of summed squared differences, the same in every block."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
