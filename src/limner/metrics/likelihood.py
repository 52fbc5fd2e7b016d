"""How likely a model finds images, by importance sampling (Burda et al. 2016, arXiv 1509.00519, eq. 8).

    log p(x) >= E log 1/k sum_i p(x, z_i) / q(z_i|x),   z_1 .. z_k ~ q(z|x)

k = 1 is the ELBO; the bound rises with k towards log p(x), and k = 5000 is what papers print.  Estimator:
one draw of k codes for each image, in nats per image summed over pixels; of a model whose log p(x) is
exact every k gives the same.  Name the protocol beside it: how the data were binarised or that the greys
have a density.  Others differ: pythae rounds k up to whole batches; many print -log p(x) and drop a
Gaussian's constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from limner.data.progress import track
from limner.errors import LimnerError
from limner.models.base import HasLikelihood


class Likelihood(NamedTuple):
    """The `mean` over `n` images of a bound with `k` samples, nats per image, and its standard error.

    The error is that of the choice of images; the draw of codes adds far less.
    """

    mean: float
    standard_error: float
    k: int
    n: int


@torch.no_grad()
def importance_bound(
    model: HasLikelihood, x: Tensor, ks: Sequence[int] = (1, 50, 5000), seed: int = 0
) -> dict[int, Tensor]:
    """The bound on log p(x) for each k of `ks`, of images x (N, C, H, W) in [-1, 1]: nats (N,) in float64.

    x lies where the model's weights do.  Image i is taken by itself with a seed made of `seed` and i: its
    number is the same whatever images come with it, and each k starts from the same draws, so the k of one
    image are paired and a model that binarises anew sees one picture.  A model that draws its k codes in
    chunks fixes their size.
    """
    if len(x) == 0 or not ks or min(ks) < 1:
        raise LimnerError(f"a bound needs images and k of at least 1, not {len(x)} images and k {list(ks)}")
    found: dict[int, list[Tensor]] = {k: [] for k in ks}
    with torch.random.fork_rng():
        for i, image in enumerate(track(x.split(1), len(x), f"likelihood with {max(ks)} samples")):
            for k in found:
                torch.manual_seed(seed * 1_000_003 + i)
                found[k].append(model.log_likelihood(image, k))
    return {k: torch.cat(values).double().cpu() for k, values in found.items()}


def likelihood(nats: Tensor, k: int) -> Likelihood:
    """The mean and its standard error of bounds (N,) with k samples, N from 2."""
    n = len(nats)
    if n < 2:
        raise LimnerError(f"a standard error needs at least 2 images, not {n}")
    nats = nats.double()
    return Likelihood(float(nats.mean()), float(nats.std() / n**0.5), k, n)


def bits_per_dim(nats: float, dims: int, levels: int = 1) -> float:
    """Bits per pixel and channel of log p(x) = `nats`, for images of `dims` numbers: less is better.

    `levels` is 1 for the probability of pixels (a Bernoulli); for a density on [0, 1] it is the number of
    grey levels that lie there, 256, of which each has a 256th of the interval: +8 bits.
    """
    return math.log2(levels) - nats / (dims * math.log(2))
