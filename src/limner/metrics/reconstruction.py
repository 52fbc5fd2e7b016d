"""How near an image's reconstruction is, and how near a linear code of the same size comes.

MSE is the mean over an image's pixels on the [0, 1] scale; PSNR = -10 log10 MSE, in dB. Estimator: one
value per image; report their mean.  Others differ: torchmetrics pools the MSE of a batch before the
logarithm, which lets one bad image set the number; an MSE of pixels in [-1, 1] is four times this one.
The baseline is PCA (Pearson 1901) fitted to the training images: the best linear autoencoder of that code
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError

WIDEST = 4096  # pixels an image may have for the whole covariance to be taken


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error per image of x and y (N, C, H, W) in [-1, 1], on the [0, 1] scale: (N,)."""
    if x.shape != y.shape:
        raise LimnerError(f"images of {tuple(x.shape)} and {tuple(y.shape)} cannot be compared")
    return ((x - y) / 2).square().flatten(1).mean(1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of x and y (N, C, H, W) in [-1, 1]: dB (N,), infinite where equal."""
    return -10 * mse(x, y).log10()


class PCA(NamedTuple):
    """`mean` (D,) and principal `axes` (k, D) of images flattened to D numbers."""

    mean: Tensor
    axes: Tensor

    def reconstruct(self, x: Tensor, k: int) -> Tensor:
        """x (N, C, H, W) from its first k principal components, at most as many as there are axes."""
        centred = x.flatten(1) - self.mean
        return (centred @ self.axes[:k].T @ self.axes[:k] + self.mean).view_as(x)


def pca(x: Tensor, k: int) -> PCA:
    """The k leading principal axes of images x (N, C, H, W); randomised for images of over 4,096 numbers."""
    flat = x.flatten(1)
    mean = flat.mean(0)
    if k > min(flat.shape):
        raise LimnerError(f"{len(flat)} images of {flat.shape[1]} numbers have no {k} principal axes")
    if flat.shape[1] <= WIDEST:
        _, vectors = torch.linalg.eigh(torch.cov(flat.T.double()).reshape(flat.shape[1], -1))
        return PCA(mean, vectors.flip(1).T[:k].to(flat.dtype))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, _, v = torch.svd_lowrank(flat - mean, q=min(k + 10, *flat.shape), niter=4)
    return PCA(mean, v.T[:k])


def pca_mse(train: Tensor, test: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Mean MSE on the [0, 1] scale of `test` from PCA codes of each size, fitted to `train`."""
    fitted = pca(train, max(sizes))
    return {k: float(mse(fitted.reconstruct(test, k), test).mean()) for k in sizes}
