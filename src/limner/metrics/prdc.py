"""Precision, recall, density and coverage: how faithful and how varied samples are.

Precision and recall: Kynkaanniemi et al. 2019, arXiv 1904.06991.  Density and coverage: Naeem et al.
2020, arXiv 2002.09797.  The ball of a feature has the distance to its k-th nearest neighbour in its own
set as radius, k = 5.

    precision  share of samples inside the ball of any real image
    recall     share of real images inside the ball of any sample
    density    number of real balls that a sample is inside of, its mean divided by k
    coverage   share of real balls with a sample inside

Estimator: exact distances in float64 (see neighbours.py); "inside" is <= as in Kynkaanniemi et al.  Rows are
computed in blocks, so memory is linear in n.  Others differ: the package prdc has < (a set of equal features
gets 0), many papers k = 3.  All four depend on n.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.metrics.neighbours import ROWS, neighbours, squared, within


class PRDC(NamedTuple):
    """Precision, recall and coverage are shares; density is 1 for a perfect sampler and may be above 1."""

    precision: float
    recall: float
    density: float
    coverage: float


@accepts_arrays
def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """The four numbers of features fake (m, d) against features real (n, d), n and m above k."""
    if k < 1 or min(len(real), len(fake)) <= k:
        raise LimnerError(
            f"PRDC with k {k} needs more than {k} features on both sides, not {len(real)} and {len(fake)}"
        )
    real, fake = real.double(), fake.double()
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    pairs, recalled, covered = 0, 0, 0
    for part, part_radii in zip(real.split(ROWS), real_radii.split(ROWS), strict=True):
        squares = squared(part, fake)
        inside = within(part, fake, squares, part_radii[:, None])  # (rows, m): samples in real balls
        precise |= inside.any(0)
        pairs += int(inside.count_nonzero())
        covered += int(inside.any(1).count_nonzero())
        recalled += int(within(part, fake, squares, fake_radii[None]).any(1).count_nonzero())
    precision, density = float(precise.double().mean()), pairs / (k * len(fake))
    return PRDC(precision, recalled / len(real), density, covered / len(real))


def radii(x: Tensor, k: int) -> Tensor:
    """The distance of each of x (n, d), float64, to its k-th nearest neighbour in x: (n,)."""
    return neighbours(x, x, k, own=torch.arange(len(x), device=x.device)).distance
