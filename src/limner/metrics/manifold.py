"""How faithful and how varied samples are, from balls around features.

Precision and recall: Kynkaanniemi et al. 2019, arXiv 1904.06991.  Density and coverage: Naeem et al.
2020, arXiv 2002.09797.  The ball of a feature reaches to its k-th nearest neighbour in its own set, k =
5.

    precision  share of samples inside some real ball
    recall     share of real images inside some sample's ball
    density    real balls that a sample is inside of, their mean divided by k
    coverage   share of real balls with a sample inside

Estimator: exact distances in float64, "inside" is <= as in Kynkaanniemi et al.; rows in blocks, so memory
is linear in n.  Others differ: prdc has < (a set of equal features gets 0), many papers k = 3.  All four
depend on n.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError

ROWS = 1024  # of the distance matrix at a time


class PRDC(NamedTuple):
    """Precision, recall and coverage are shares; density is 1 for a perfect sampler and may be more."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """The four numbers of features fake (m, d) against real (n, d), n and m above k."""
    if k < 1 or min(len(real), len(fake)) <= k:
        raise LimnerError(
            f"balls of {k} neighbours need more than {k} features, not {len(real)} and {len(fake)}"
        )
    real, fake = real.double(), fake.double()
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)  # real balls around each sample
    recalled, covered = 0, 0
    for begin, distance in distances(real, fake):
        inside = distance <= real_radii[begin : begin + len(distance), None]  # (rows, m)
        balls += inside.sum(0)
        covered += int(inside.any(1).sum())
        recalled += int((distance <= fake_radii).any(1).sum())
    precision, density = (balls > 0).double().mean(), balls.double().mean() / k
    return PRDC(float(precision), recalled / len(real), float(density), covered / len(real))


def radii(x: Tensor, k: int) -> Tensor:
    """The distance of each of x (n, d) to its k-th nearest other: (n,)."""
    found = []
    for begin, distance in distances(x, x):
        rows = torch.arange(len(distance), device=x.device)
        distance[rows, begin + rows] = torch.inf  # not its own neighbour
        found.append(distance.kthvalue(k, dim=1).values)
    return torch.cat(found)


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks of rows of the distances (n, m) with their first row's number; equal features are 0 apart."""
    for begin in range(0, len(x), ROWS):
        yield begin, torch.cdist(x[begin : begin + ROWS], y, compute_mode="donot_use_mm_for_euclid_dist")
