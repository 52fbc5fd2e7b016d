"""How evenly images change along straight ways of codes: path length (Karras et al. 2019, arXiv 1812.04948).

    l = E[ d(G(p(t)), G(p(t + eps))) / eps^2 ],   p from z_1 to z_2, t ~ U(0, 1)     (eq. 3)

With a squared Euclidean distance of features it is the mean squared speed of the features along the way.

Estimator: codes along the way in float64, then in the type of the drawn ones; the lowest and the highest 1 %
of values are dropped, as in the authors' code.  eps = 1e-4 is right for float32 networks: with MLP decoders
of MNIST and the classifier's features the mean is then within 3e-5 of float64's (1e-6: 1.5 % off, by
rounding) and within 0.2 % of that for smaller eps (1e-2: up to 1 % low, 1e-1: 10 %, the way being curved).
Others differ: the papers' d is LPIPS (VGG16), so that a number with another distance compares only with
itself; stylegan3 goes through w, may take t = 0 ("end"), and scales z to length 1 on spherical ways, where
lengths here change evenly; torch-fidelity takes straight ways between z and rounds to 64x64 bytes.  Images
stay float here: the bytes of two images so near are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest

BATCH = 250  # pairs decoded at a time
TAIL = 0.01


class PathLength(NamedTuple):
    """The `mean` without the tails, and all `values` (n,) in float64."""

    mean: float
    values: Tensor


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b, row by row: codes a, b (n, d) and shares t (n,)."""
    return torch.lerp(a, b, t[:, None])


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along a great circle, row by row, the length changing evenly: a, b (n, d), t (n,).

    Where two codes are parallel, or one is zero, that is `lerp`; no two drawn ones are opposite.
    """
    long, wide = a.norm(dim=1), b.norm(dim=1)
    u, v = a / long[:, None], b / wide[:, None]
    w = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))  # the angle, exact near 0 where acos is not
    turned = (((1 - t) * w).sin()[:, None] * u + (t * w).sin()[:, None] * v) / w.sin()[:, None]
    arc = torch.lerp(long, wide, t)[:, None] * turned
    return torch.where((w > 1e-6)[:, None], arc, lerp(a, b, t))


WAYS = {"lerp": lerp, "slerp": slerp}


@torch.no_grad()
def path_length(
    decode: Callable[[Tensor], Tensor],
    draw: Callable[[int, torch.Generator], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    n: int,
    epsilon: float = 1e-4,
    interpolation: str = "lerp",
    seed: int = 0,
) -> PathLength:
    """The path length of a decoder over n pairs of drawn codes, without the 1 % tails, and all n values.

    decode: codes (b, d) -> float images in [-1, 1]; draw: how many and a generator -> codes (n, d);
    distance: two sets of images -> (b,), a squared one.  Interpolation is straight ("lerp", for codes as
    they are) or spherical ("slerp", for normal ones).
    """
    if interpolation not in WAYS:
        raise LimnerError(f"no interpolation is called '{interpolation}': {nearest(interpolation, WAYS)}")
    if n < 1 or not 0 < epsilon < 1:
        raise LimnerError(f"a path length needs a pair or more and an epsilon in (0, 1), not {n}, {epsilon}")
    generator, way = torch.Generator().manual_seed(seed), WAYS[interpolation]
    a, b = draw(n, generator), draw(n, generator)
    given, t = a.dtype, torch.rand(n, generator=generator, dtype=torch.float64).to(a.device)
    ways = [way(a.double(), b.double(), s).to(given) for s in (t, t + epsilon)]
    apart = [
        distance(decode(near), decode(far)).double().cpu()
        for near, far in zip(*(codes.split(BATCH) for codes in ways), strict=True)
    ]
    values = torch.cat(apart) / epsilon**2
    low = torch.quantile(values, TAIL, interpolation="lower")
    high = torch.quantile(values, 1 - TAIL, interpolation="higher")
    return PathLength(float(values[(values >= low) & (values <= high)].mean()), values)


def feature_distance(features: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Squared Euclidean distance (b,) of the features (b, ...) of float images, summed over features."""

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return (features(x).double() - features(y).double()).square().flatten(1).sum(1)

    return distance
