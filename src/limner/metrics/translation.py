"""How well translation between two sets of images can be undone: CycleGAN, CAAE and similar models.

    plain    error of back(translate(x)) against x
    rounded  the same after the translation is stored as an image: Gaussian noise of deviation 2/255 is
             added, and the result is rounded to 8 bits

A large gap means that the translation hides information for the way back in its low bits, "steganography"
(Chu et al. 2017, arXiv 1712.02950).  The distance of translated images from the other set is measured as for
any sampler, by features.  A translation should be below the distance of untranslated images,
`identity_baseline`, and can reach the real-vs-real floor.  Measure both directions.

Estimator: the mean of one value per image.  Others differ: Chu et al. add noise without rounding and show
pictures; no library has this measure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.metrics.frechet import frechet
from limner.metrics.reconstruction import mse

Translate = Callable[[Tensor], Tensor]
BATCH = 100  # images in a batch
AREAS = 8  # rows and columns of light and dark areas


class Cycle(NamedTuple):
    """The mean error after translation and back, from the translation and from its stored image."""

    plain: float
    rounded: float


@accepts_arrays
@torch.no_grad()
def cycle_error(
    translate: Translate,
    back: Translate,
    x: Tensor,
    noise: float = 2 / 255,
    seed: int = 0,
    measure: Callable[[Tensor, Tensor], Tensor] = mse,
) -> Cycle:
    """The error of back(translate(x)), x (N, C, H, W) in [-1, 1], and after noise and rounding to 8 bits.

    `noise` is the deviation on the [0, 1] scale.  `measure` returns one number per image, (N,), by default
    the mean squared error on the [0, 1] scale.  Values outside [-1, 1] are clamped when stored.
    """
    if len(x) == 0:
        raise LimnerError("a cycle needs at least one image")
    translated = torch.cat([translate(part) for part in x.split(BATCH)])
    stored = to_float(to_uint8(add_noise(translated, noise, seed)))
    plain, rounded = (
        float(measure(x, torch.cat([back(part) for part in images.split(BATCH)])).double().mean())
        for images in (translated, stored)
    )
    return Cycle(plain, rounded)


@accepts_arrays
def identity_baseline(a: Tensor, b: Tensor, measure: Callable[[Tensor, Tensor], float] = frechet) -> float:
    """The distance from features b (m, d) of features a (n, d) of untranslated images."""
    return measure(a, b)


def add_noise(x: Tensor, deviation: float, seed: int = 0) -> Tensor:
    """Images in [-1, 1] with Gaussian noise, its deviation on the [0, 1] scale; drawn by the seed."""
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.device)
    return x + 2 * deviation * eps


def in_channels(x: Tensor, channels: int) -> Tensor:
    """Images (N, C, H, W) in one channel or in three: the mean of the channels, or the same in each."""
    if x.shape[1] == channels:
        return x
    return x.float().mean(1, keepdim=True).to(x.dtype).expand(-1, channels, -1, -1)


def luminance_correlation(x: Tensor, y: Tensor) -> Tensor:
    """The correlation of light and dark areas of two images each: two (N, C, H, W) -> (N,).

    Below 0 light and dark are exchanged; 0 where an image has no such areas.
    """
    areas = [adaptive_avg_pool2d(image.mean(1, keepdim=True), AREAS).flatten(1) for image in (x, y)]
    a, b = (area - area.mean(1, keepdim=True) for area in areas)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-6)


def match_histograms(x: Tensor, reference: Tensor, seed: int = 0) -> Tensor:
    """Each image with the values of a reference image drawn at random, channel by channel: a colour transfer.

    uint8 (N, C, H, W) and (M, C, H, W) -> uint8 (N, C, H, W).  Pixels keep their order from dark to light.
    """
    chosen = torch.randint(len(reference), (len(x),), generator=torch.Generator().manual_seed(seed))
    values = reference[chosen].flatten(2).sort(2).values
    ranks = x.flatten(2).sort(dim=2, stable=True).indices
    return torch.empty_like(values).scatter_(2, ranks, values).reshape(x.shape)
