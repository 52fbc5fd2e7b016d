"""How evenly images change along paths between codes: path length (Karras et al. 2019, arXiv 1812.04948).

    l = E[ d(G(p(t)), G(p(t + eps))) / eps^2 ],   p from z_1 to z_2, t ~ U(0, 1)     (eq. 3)

With a squared Euclidean distance of features it is the mean squared speed of the features along the path.

Estimator: codes on the path are computed in float64, then converted to the type of the drawn codes; the
lowest and the highest 1 % of values are dropped, as in the authors' code.  eps = 1e-4 suits float32 networks:
with MLP decoders of MNIST and the classifier's features the mean is within 3e-5 of the float64 value (with
1e-6 rounding changes it by 1.5 %) and within 0.2 % of the value for smaller eps (1e-2 is up to 1 % too low,
1e-1 10 %, because the path is curved).
Others differ: the papers' d is LPIPS (VGG16), and numbers of different distances do not compare; stylegan3
interpolates in w, may take t = 0 ("end"), and scales z to length 1 on spherical paths, where the length here
changes evenly; torch-fidelity interpolates z linearly and rounds images to 64x64 bytes.  Images stay float
here: two images so near would be the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest
from limner.metrics.arrays import accepts_arrays
from limner.metrics.paths import lerp, slerp
from limner.random_state import seeded

BATCH = 250  # pairs in a batch
TAIL = 0.01  # share of values dropped at each end


class PathLength(NamedTuple):
    """The `mean` without the tails, and all `values` (n,) in float64."""

    mean: float
    values: Tensor


def even_slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """`slerp` with a length that changes evenly, a pair for each share: a, b (n, d), t (n,) -> (n, d)."""
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    u, v = a / length_a, b / length_b
    u, v = torch.where(length_a > 0, u, v), torch.where(length_b > 0, v, u)  # a zero code has no direction
    return lerp(length_a, length_b, t) * slerp(u, v, t)


INTERPOLATIONS = {"lerp": lerp, "slerp": even_slerp}


@accepts_arrays
@torch.no_grad()
def path_length(
    decode: Callable[..., Tensor],
    draw: Callable[[int, torch.Generator], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    n: int,
    epsilon: float = 1e-4,
    interpolation: str = "lerp",
    seed: int = 0,
    labels: Tensor | None = None,
) -> PathLength:
    """The path length of a decoder over n pairs of drawn codes.

    decode: codes (b, d) -> float images in [-1, 1]; draw: a count and a generator -> codes (n, d);
    distance: two batches of images -> squared distances (b,).  `interpolation` is "lerp", or "slerp" for
    codes from a normal distribution.  `labels` (n,), one for each path, are the decoder's second argument.
    Where the decoder draws random numbers, it draws the same ones for both images of a pair.
    """
    if interpolation not in INTERPOLATIONS:
        choices = nearest(interpolation, INTERPOLATIONS)
        raise LimnerError(f"no interpolation is called '{interpolation}': {choices}")
    if n < 1 or not 0 < epsilon < 1:
        raise LimnerError(f"a path length needs a pair or more and an epsilon in (0, 1), not {n}, {epsilon}")
    generator, interpolate = torch.Generator().manual_seed(seed), INTERPOLATIONS[interpolation]
    a, b = draw(n, generator), draw(n, generator)
    t = torch.rand(n, generator=generator, dtype=torch.float64).to(a.device)
    near, far = (interpolate(a.double(), b.double(), share).to(a.dtype) for share in (t, t + epsilon))
    distances = []
    for rows in torch.arange(n).split(BATCH):
        y = () if labels is None else (labels[rows],)
        noise = int(torch.randint(2**31, (), generator=generator))
        images = []
        for codes in (near[rows], far[rows]):
            with seeded(noise):  # a random part of the decoder, dropout say, is the same for both images
                images.append(decode(codes, *y))
        distances.append(distance(*images).double().cpu())
    return without_tails(torch.cat(distances) / epsilon**2)


def without_tails(values: Tensor) -> PathLength:
    """The mean of values (n,) without the lowest and highest 1 %."""
    low = torch.quantile(values, TAIL, interpolation="lower")
    high = torch.quantile(values, 1 - TAIL, interpolation="higher")
    kept = values[(values >= low) & (values <= high)]
    return PathLength(float(kept.mean()), values)


def feature_distance(features: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The squared Euclidean distance (b,) of the features (b, ...) of float images, summed over features."""

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return (features(x).double() - features(y).double()).square().flatten(1).sum(1)

    return distance
