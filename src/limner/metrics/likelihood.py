"""The likelihood of images under a model by importance sampling (Burda et al. 2016, arXiv 1509.00519, eq. 8).

    log p(x) >= E log 1/k sum_i p(x, z_i) / q(z_i|x),   z_1 .. z_k ~ q(z|x)

k = 1 is the ELBO; the bound rises with k towards log p(x), and papers print k = 5000.  Estimator: one draw
of k codes for each image, in nats per image summed over pixels.  Where a model's log p(x) is exact, every k
gives the same value.  Print the protocol beside the number: how the data were binarised, or that it is a
density of grey values.  A density at the grey levels themselves has no bound: a model that puts narrow peaks
on them has any value.  Bits per dimension are therefore those of dequantised images (Theis et al. 2016, arXiv
1511.01844, section 3.1).  Others differ: pythae rounds k up to whole batches; many print -log p(x) and drop
a Gaussian's constants; many scale a byte v to (v + u) / 256 where here it is (v + u - 1/2) / 255, which
changes the pixels that the model sees, not what the bound is of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from limner.data.progress import track
from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.random_state import set_seed

Nats = TypeVar("Nats", float, Tensor)


class HasLogLikelihood(Protocol):
    """What `importance_bound` needs of a model."""

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        """Images (B, C, H, W) -> the bound with k codes, in nats (B,)."""
        ...


class Likelihood(NamedTuple):
    """The `mean` over `n` images of a bound with `k` codes, in nats per image, and its standard error.

    The error comes from the choice of images; the draw of codes adds far less.
    """

    mean: float
    standard_error: float
    k: int
    n: int


@accepts_arrays
@torch.no_grad()
def importance_bound(
    model: HasLogLikelihood, x: Tensor, ks: Sequence[int] = (1, 50, 5000), seed: int = 0
) -> dict[int, Tensor]:
    """The bound on log p(x) for each k of `ks`, of images x (N, C, H, W) in [-1, 1]: nats (N,) in float64.

    x must be on the model's device.  Each image is a batch of its own, and its seed depends on `seed` and its
    index i.  So the value of an image does not depend on the images that follow, each k starts from the same
    random numbers, and a model that binarises at each use sees the same binary image for each k.  Where a
    model draws its k codes in chunks, the chunk size must be constant.
    """
    if len(x) == 0 or not ks or min(ks) < 1:
        raise LimnerError(f"a bound needs images and k of at least 1, not {len(x)} images and k {list(ks)}")
    nats: dict[int, list[Tensor]] = {k: [] for k in ks}
    with torch.random.fork_rng():
        for i, image in enumerate(track(x.split(1), len(x), f"likelihood with {max(ks)} codes")):
            for k in nats:
                set_seed(seed * 1_000_003 + i)
                nats[k].append(model.log_likelihood(image, k))
    return {k: torch.cat(values).double().cpu() for k, values in nats.items()}


@accepts_arrays
def likelihood(nats: Tensor, k: int) -> Likelihood:
    """The mean, and its standard error, of bounds (N,) with k codes, N from 2."""
    n = len(nats)
    if n < 2:
        raise LimnerError(f"a standard error needs at least 2 images, not {n}")
    nats = nats.double()
    return Likelihood(float(nats.mean()), float(nats.std() / n**0.5), k, n)


# Theis et al. 2016, section 3.1:  log P(v) = log integral p(v + u) du >= E log p(v + u), u uniform
@accepts_arrays
def dequantise(x: Tensor, seed: int = 0, levels: int = 256) -> Tensor:
    """Images x in [-1, 1] of so many grey levels, each pixel moved at random within its level.

    The mean log density of such images is a lower bound on the log probability of the grey levels.
    """
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.device) - 0.5
    return x + 2 / (levels - 1) * noise


def bits_per_dim(nats: Nats, dims: int, levels: int = 1) -> Nats:
    """Bits per pixel and channel of log p(x) = `nats`, for images of `dims` numbers; lower is better.

    `levels` is 1 for a probability of pixels (a Bernoulli).  For a density on [0, 1] it is the number of grey
    levels, 256, which are 1/255 apart: the probability of a level is its density / 255.  Only the
    density of `dequantise`d images gives a bound that compares with other models of grey levels.
    """
    return math.log2(max(levels - 1, 1)) - nats / (dims * math.log(2))
