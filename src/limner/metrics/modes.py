"""Which classes a sampler makes, and how evenly, told by a classifier (Srivastava et al. 2017, VEEGAN).

    KL(generated || reference) = sum_k p_k log(p_k / q_k),   p from samples, q from real images, in nats

Estimator: counts of the likeliest class, no smoothing; the generated distribution stands first, as in
VEEGAN and PacGAN, so a class never made adds nothing itself: its share shows in the others.  Let the same
classifier label both sides.  For a perfect sampler it is about (K - 1) / 2n, the floor.  Others differ:
some compare with uniform classes, turn the direction round, or take the mean of soft probabilities.

Stacked MNIST (Metz et al. 2017, arXiv 1611.02163; VEEGAN, arXiv 1705.07761; PacGAN, arXiv 1712.04086) has
three independent grey images as the channels of one and so K^3 = 1,000 modes; PacGAN counts them in 26,000
samples, where the floor is 0.0192.  `class_counts`' place is taken by `mode_counts`; the rest is the same.
The reference is `stacked_counts` of the grey images (the exact product), or equal counts.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from limner.errors import LimnerError


def class_counts(probabilities: Tensor) -> Tensor:
    """How many images are of each class, by the likeliest one: probabilities (n, K) -> (K,)."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])


def classes_present(counts: Tensor, least: int = 1) -> int:
    """How many classes have at least `least` images."""
    return int((counts >= least).sum())


def class_kl(generated: Tensor, reference: Tensor) -> float:
    """KL(generated || reference) of class counts (K,), in nats; LimnerError where it is infinite."""
    if bool(((reference == 0) & (generated > 0)).any()):
        raise LimnerError(
            "the reference has none of a class that was generated: their divergence is infinite"
        )
    p, q = generated.double() / generated.sum(), reference.double() / reference.sum()
    return float(torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum())


def class_kl_floor(classes: int, n: int) -> float:
    """What `class_kl` is on average for n draws from the reference itself."""
    return (classes - 1) / (2 * n)


def stack(pixels: Tensor, n: int, seed: int = 0) -> Tensor:
    """n images (n, 3, H, W) whose channels are drawn independently from pixels (N, 1, H, W) uint8."""
    if pixels.ndim != 4 or pixels.shape[1] != 1 or len(pixels) == 0:
        raise LimnerError(f"images of one channel are stacked, not of {tuple(pixels.shape)}")
    drawn = torch.randint(len(pixels), (n, 3), generator=torch.Generator().manual_seed(seed))
    return pixels[drawn, 0]


def stacked_modes(classify: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """The mode 0..K^3-1 of each of pixels (n, 3, H, W) uint8: its channels' classes as digits, first first.

    `classify` gives probabilities (n, K) of images (n, 1, H, W) uint8.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise LimnerError(f"modes are of images of three channels, not of {tuple(pixels.shape)}")
    modes = torch.zeros(len(pixels), dtype=torch.int64)
    for channel in pixels.split(1, dim=1):
        probabilities = classify(channel.contiguous())
        modes = modes * probabilities.shape[1] + probabilities.argmax(1).cpu()
    return modes


def mode_counts(modes: Tensor, count: int) -> Tensor:
    """How many images are of each of `count` modes, by their numbers (n,): (count,)."""
    if len(modes) and int(modes.max()) >= count:
        raise LimnerError(f"mode {int(modes.max())} is not one of {count}")
    return torch.bincount(modes, minlength=count)


def stacked_counts(counts: Tensor) -> Tensor:
    """What class counts (K,) of grey images expect of their stacked modes, up to a factor: (K^3,)."""
    p = counts.double()
    return torch.einsum("a,b,c->abc", p, p, p).flatten()
