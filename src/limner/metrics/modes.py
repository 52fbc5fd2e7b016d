"""Which classes samples are of, and how evenly, by a classifier (Srivastava et al. 2017, VEEGAN).

    KL(generated || reference) = sum_k p_k log(p_k / q_k),   p from samples, q from real images, in nats

Estimator: counts of the most probable class, no smoothing.  The generated distribution stands first, as in
VEEGAN and PacGAN: a class that is never generated adds no term, but raises the shares of the others.  Use the
same classifier for both sides.  For n samples of a perfect sampler and m real images the value is about
(K - 1) / 2 (1/n + 1/m), the floor: both sides are samples of the same distribution.  Where the reference is
known exactly, 1/m is 0.  Others differ: some compare with uniform classes, swap the arguments, or take the
mean of probabilities.

Stacked MNIST (Metz et al. 2017, arXiv 1611.02163; VEEGAN, arXiv 1705.07761; PacGAN, arXiv 1712.04086) has
three independent grey images as the channels of one image, so K^3 = 1,000 modes.  PacGAN counts them in
26,000 samples, where the floor is 0.0192.  Use `mode_counts` in place of `class_counts`; the other functions
are the same.  The reference is `stacked_counts` of the grey images (the exact product), or equal counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def class_counts(probabilities: Tensor) -> Tensor:
    """The number of images of each class, by the most probable one: probabilities (n, K) -> (K,)."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])


@accepts_arrays
def classes_present(counts: Tensor, least: int = 1) -> int:
    """The number of classes with at least `least` images."""
    return int((counts >= least).sum())


@accepts_arrays
def class_kl(generated: Tensor, reference: Tensor) -> float:
    """KL(generated || reference) of class counts (K,), in nats; LimnerError where it is infinite."""
    if bool(((reference == 0) & (generated > 0)).any()):
        raise LimnerError(
            "the reference has no image of a class that was generated, so the divergence is infinite"
        )
    p, q = generated.double() / generated.sum(), reference.double() / reference.sum()
    return float(torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum())


def class_kl_floor(classes: int, n: int, m: float = math.inf) -> float:
    """The mean of `class_kl` for n samples and m real images of the same distribution, about.

    m is infinite for a reference that is known exactly.  Each class needs several images on both sides.
    """
    return (classes - 1) / 2 * (1 / n + 1 / m)


@accepts_arrays
def stack(pixels: Tensor, n: int, seed: int = 0) -> Tensor:
    """n images (n, 3, H, W) whose channels are drawn independently from pixels (N, 1, H, W) uint8."""
    if pixels.ndim != 4 or pixels.shape[1] != 1 or len(pixels) == 0:
        raise LimnerError(f"only images of one channel can be stacked, not {tuple(pixels.shape)}")
    indices = torch.randint(len(pixels), (n, 3), generator=torch.Generator().manual_seed(seed))
    return pixels[indices, 0]


@accepts_arrays
def stacked_modes(classify: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """The mode 0..K^3-1 of each of pixels (n, 3, H, W) uint8: the classes of its channels as digits.

    `classify` returns probabilities (n, K) of images (n, 1, H, W) uint8.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise LimnerError(f"stacked modes need images of three channels, not {tuple(pixels.shape)}")
    modes = torch.zeros(len(pixels), dtype=torch.int64)
    for channel in pixels.split(1, dim=1):
        probabilities = classify(channel.contiguous())
        modes = modes * probabilities.shape[1] + probabilities.argmax(1).cpu()
    return modes


@accepts_arrays
def mode_counts(modes: Tensor, count: int) -> Tensor:
    """The number of images of each of `count` modes: modes (n,) -> (count,)."""
    if len(modes) and int(modes.max()) >= count:
        raise LimnerError(f"mode {int(modes.max())} is not below the number of modes, {count}")
    return torch.bincount(modes, minlength=count)


@accepts_arrays
def stacked_counts(counts: Tensor) -> Tensor:
    """The expected counts of stacked modes, up to a factor, by class counts (K,) of grey images: (K^3,)."""
    p = counts.double()
    return torch.einsum("a,b,c->abc", p, p, p).flatten()
