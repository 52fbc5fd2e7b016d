"""How near reconstructions are to their images, and the best that a linear code of the same size reaches.

MSE is the mean over an image's pixels on the [0, 1] scale; PSNR = -10 log10 MSE, in dB.  SSIM (Wang et
al. 2004) compares the means, variances and covariance in Gaussian windows, 11 wide with sigma 1.5:

    (2 m m' + .01^2)(2 c + .03^2) / ((m^2 + m'^2 + .01^2)(v + v' + .03^2)),   its mean over pixels

Estimator: one value per image; report the mean.  SSIM is that of torchmetrics, edges reflected, in float32:
float64 takes 15 times as long and changes it by less than 1e-6, for nearly constant images by up to 1e-4.
Others differ: torchmetrics averages the MSE of a batch before the logarithm, so one bad image can determine
the number, and by default takes SSIM's scale from the batch (here it is always [0, 1]); Wang et al. leave
out windows that cross the edge; an MSE of pixels in [-1, 1] is four times as large.
The baseline is PCA (Pearson 1901) fitted to the training images: the best linear autoencoder of that code
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.random_state import set_seed

ROWS = 50  # images in a batch
WIDEST = 4096  # numbers in an image up to which the full covariance is computed


@accepts_arrays
def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error per image of x and y (N, C, H, W) in [-1, 1], on the [0, 1] scale: (N,)."""
    if x.shape != y.shape:
        raise LimnerError(
            f"images of {tuple(x.shape)} and {tuple(y.shape)} do not compare: shapes must be equal"
        )
    return ((x - y) / 2).square().flatten(1).mean(1)


@accepts_arrays
def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of x and y (N, C, H, W) in [-1, 1]: dB (N,), infinite where equal."""
    return -10 * mse(x, y).log10()


@accepts_arrays
def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of x and y (N, C, H, W), sides from 6, in [-1, 1] or uint8: at most 1, (N,).

    Raises LimnerError where torchmetrics is missing, which the extra `metrics` installs.
    """
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise LimnerError(f"SSIM needs torchmetrics ({reason}): pip install 'limner[metrics]'") from None
    if x.shape != y.shape or min(x.shape[2:]) < 6:
        raise LimnerError(f"SSIM needs equal shapes, sides from 6, not {tuple(x.shape)} and {tuple(y.shape)}")
    parts = []
    for a, b in zip(x.split(ROWS), y.split(ROWS), strict=True):
        values = structural_similarity_index_measure(
            _unit(a), _unit(b), sigma=1.5, reduction="none", data_range=1.0
        )
        assert isinstance(values, Tensor)
        parts.append(values.double())
    return torch.cat(parts)


def _unit(x: Tensor) -> Tensor:
    """Images on the [0, 1] scale in float32."""
    return x.float() / 255 if x.dtype == torch.uint8 else (x.float() + 1) / 2


class PCA(NamedTuple):
    """`mean` (D,) and principal `axes` (k, D) of images flattened to D numbers."""

    mean: Tensor
    axes: Tensor

    @accepts_arrays
    def reconstruct(self, x: Tensor, k: int) -> Tensor:
        """x (N, C, H, W) from its first k principal components, k up to the number of axes."""
        centred = x.flatten(1) - self.mean
        return (centred @ self.axes[:k].T @ self.axes[:k] + self.mean).view_as(x)


@accepts_arrays
def pca(x: Tensor, k: int) -> PCA:
    """The k leading principal axes of images x (N, C, H, W), approximate for images of over 4,096 numbers."""
    flat = x.flatten(1)
    mean = flat.mean(0)
    if k > min(flat.shape):
        raise LimnerError(f"{len(flat)} images of {flat.shape[1]} numbers have fewer than {k} principal axes")
    if flat.shape[1] <= WIDEST:
        _, vectors = torch.linalg.eigh(torch.cov(flat.T.double()).reshape(flat.shape[1], -1))
        return PCA(mean, vectors.flip(1).T[:k].to(flat.dtype))
    with torch.random.fork_rng():
        set_seed(0)
        _, _, v = torch.svd_lowrank(flat - mean, q=min(k + 10, *flat.shape), niter=4)
    return PCA(mean, v.T[:k])


@accepts_arrays
def pca_mse(train: Tensor, test: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Mean MSE on the [0, 1] scale of `test` by PCA of each size, fitted to `train`."""
    fitted = pca(train, max(sizes))
    return {k: float(mse(fitted.reconstruct(test, k), test).mean()) for k in sizes}
