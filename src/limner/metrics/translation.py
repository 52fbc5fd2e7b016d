"""How images are carried from one set into another and back: CycleGAN, CAAE and their kind.

    plain    error of back(translate(x)) against x
    rounded  the same once the translation is stored as a picture: Gaussian noise of deviation 2/255 is
             added, and it is rounded to 8 bits

A wide gap says that the translation hides what the way back reads, "steganography" (Chu et al. 2017, arXiv
1712.02950), rather than shows it.  How far translated images are from those of the other set is measured as
for any sampler, by a distance of features; the distance of images left as they are, `identity_baseline`, is
what a translation must beat, and the real-vs-real floor what it can reach.  Do both directions.

Estimator: one value an image, their mean.  Others differ: Chu et al. add noise without rounding and show
pictures; no library has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.metrics.frechet import frechet
from limner.metrics.reconstruction import mse

Translate = Callable[[Tensor], Tensor]
BATCH = 100  # images translated at a time


class Cycle(NamedTuple):
    """The mean error of going there and back, from the translation itself and from its stored picture."""

    plain: float
    rounded: float


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

    `noise` is its deviation on the [0, 1] scale; `measure` gives one number an image, (N,), of two sets:
    by default the mean squared error on the [0, 1] scale.  Translations outside [-1, 1] are clamped when
    stored.
    """
    if len(x) == 0:
        raise LimnerError("a cycle needs at least one image")
    there = torch.cat([translate(part) for part in x.split(BATCH)])
    shaken = torch.randn(there.shape, generator=torch.Generator().manual_seed(seed)).to(there.device)
    stored = to_float(to_uint8(there + 2 * noise * shaken))
    plain, rounded = (
        float(measure(x, torch.cat([back(part) for part in image.split(BATCH)])).double().mean())
        for image in (there, stored)
    )
    return Cycle(plain, rounded)


def identity_baseline(a: Tensor, b: Tensor, measure: Callable[[Tensor, Tensor], float] = frechet) -> float:
    """The distance from features b (m, d) of features a (n, d) of images that were not translated."""
    return measure(a, b)
