"""Directions in a latent space: those that change images most, and one from a group of codes to another.

Styles (SeFa: Shen & Zhou 2021, arXiv 2007.06600): a layer multiplies a style with A, so that a step n changes
its output by A n.  The directions are the eigenvectors of A^T A, A the stacked matrices of all layers, each
row of length 1.  Others differ: the authors' code does not sort the eigenvectors.
Codes (Haerkoenen et al. 2020, arXiv 2004.02546): the principal axes of codes.
Effect: the eigenvectors of E_z J^T J, J the derivative of the image by the code, by forward differences: the
directions along which a small step changes the image most on average.
Groups: the difference of the groups' means, or the normal of a logistic regression's plane between them
(Shen et al. 2020, arXiv 2005.09635, who take a support vector machine).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays

STEP = 0.1  # of a forward difference, in the units of the code


def style_directions(weights: Sequence[Tensor]) -> Tensor:
    """Unit directions (dim, dim), a row each, of matrices (outputs, dim) of layers: the largest first."""
    rows = torch.cat([weight.detach().cpu().double() for weight in weights])
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1).T


@accepts_arrays
def principal_directions(codes: Tensor, k: int) -> Tensor:
    """Unit directions (k, d) of the most variance of codes (N, d), the largest first; at most min(N, d)."""
    codes = codes.double()
    return torch.linalg.svd(codes - codes.mean(0), full_matrices=False).Vh[:k]


def effect_directions(decode: Callable[[Tensor], Tensor], codes: Tensor) -> Tensor:
    """Unit directions (d, d) that change images most at codes (N, d), on average, the largest first.

    decode: codes (b, d) -> images (b, ...).
    """
    d = codes.shape[1]
    total = torch.zeros(d, d, dtype=torch.float64)
    for z in codes:
        points = torch.cat([z[None], z + STEP * torch.eye(d, dtype=z.dtype)])
        images = decode(points).flatten(1).double().cpu()
        change = (images[1:] - images[0]) / STEP  # (d, pixels), the derivative's transpose
        total += change @ change.T / len(codes)
    return torch.linalg.eigh(total).eigenvectors.flip(1).T


@accepts_arrays
def centroid_direction(a: Tensor, b: Tensor) -> Tensor:
    """The unit direction (d,) from the mean of codes a (N, d) to that of codes b (M, d)."""
    difference = b.double().mean(0) - a.double().mean(0)
    return difference / check_length(difference)


@accepts_arrays
def probe_direction(a: Tensor, b: Tensor) -> Tensor:
    """The unit normal (d,) of the plane of a logistic regression, from codes a (N, d) to codes b (M, d).

    The regression sees standardised codes, with scikit-learn's penalty.
    """
    from sklearn.linear_model import LogisticRegression

    codes = torch.cat([a, b]).double()
    std = codes.std(0).clamp_min(1e-12)
    labels = [0] * len(a) + [1] * len(b)
    fit = LogisticRegression(max_iter=1000).fit(((codes - codes.mean(0)) / std).numpy(), labels)
    normal = torch.from_numpy(fit.coef_[0]) / std  # of the plane in the codes' own units
    return normal / check_length(normal)


def check_length(direction: Tensor) -> Tensor:
    """The length of a direction; LimnerError where it is 0."""
    length = direction.norm()
    if not 0 < float(length) < float("inf"):
        raise LimnerError("the codes of both groups do not differ, so there is no direction between them")
    return length
