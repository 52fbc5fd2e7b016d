"""Nearest neighbours and balls among features: exact Euclidean distances at the speed of a matrix product.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

Estimator: the right side, in float64, is known to within a few roundings (`slack`); where that leaves in
doubt which is nearer, or on which side of a sphere a feature lies, the difference itself is taken. The
answers are thus those of exact distances: equal features are 0 apart, and a neighbour on the sphere is
inside.  Rows in blocks, so memory is linear in n.  Others differ: torch.cdist by default (for
more than 25 rows) leaves the product's roundings in, so that equal features are not 0 apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 256  # of the distance matrix at a time: as many as stay in a processor's cache
FEW = 1 / 50  # of a block's pairs are taken one by one where they are in doubt


class Neighbours(NamedTuple):
    """The k-th neighbour of each feature: its `distance` (n,) in float64 and its `place` (n,) in y."""

    distance: Tensor
    place: Tensor


def neighbours(x: Tensor, y: Tensor, k: int = 1, own: Tensor | None = None) -> Neighbours:
    """The k-th nearest to each of x (n, d) among y (m, d), both float64, k up to m.

    `own` (n,) are the places in y of the features of x themselves, which are then not their neighbours.
    """
    found = []
    for rows in torch.arange(len(x), device=x.device).split(ROWS):
        part = x[rows]
        squares = squared(part, y)
        if own is not None:
            squares[torch.arange(len(part), device=x.device), own[rows]] = torch.inf
        near = squares.topk(min(k + 1, len(y)), largest=False)
        distance, which = differences(part, y, near.indices[:, :k]).max(1)
        place = near.indices.gather(1, which[:, None])[:, 0]
        if k < len(y):  # the k nearest may be others where the next is as near
            unsure = ~(near.values[:, k] - near.values[:, k - 1] > 2 * slack(part, y))
            if unsure.any():
                others = None if own is None else own[rows][unsure]
                distance[unsure], place[unsure] = plainly(part[unsure], y, k, others)
        found.append((distance, place))
    return Neighbours(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def plainly(x: Tensor, y: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """`neighbours` from all the differences."""
    distance = exact(x, y)
    if own is not None:
        distance[torch.arange(len(x), device=x.device), own] = torch.inf
    values, indices = distance.topk(k, largest=False)
    return values[:, -1], indices[:, -1]


def within(x: Tensor, y: Tensor, squares: Tensor, radii: Tensor) -> Tensor:
    """Whether x (n, d) and y (m, d), with `squared` distances, are at most radii (n, 1) or (1, m) apart."""
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
    """How wrong `squared` can be: twice the bound on the roundings of d products and their sums."""
    largest = x.square().sum(1).max() + y.square().sum(1).max()
    return 4 * (x.shape[1] + 4) * torch.finfo(x.dtype).eps * largest


def differences(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """Distances (n, k) of x (n, d) to its own k of y (m, d), those at index (n, k)."""
    return exact(x[:, None], y[index])[:, 0]


def exact(x: Tensor, y: Tensor) -> Tensor:
    """Distances (..., n, m) as the roots of summed squared differences, alike for every block."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
