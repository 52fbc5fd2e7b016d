"""Measures of codes: how well they predict labels, how many variables vary, how near they are to the prior.

Probes: k nearest neighbours (Fix & Hodges 1951; Cover & Hart 1967) and logistic regression.  The k = 5
training codes nearest to a test code vote for its label, by Euclidean distance; of a tie the smallest label
wins.  The linear probe standardises columns by the training codes, with L2 penalty C = 0.1 and at most 100
steps of L-BFGS, which converge on codes and nearly converge on raw pixels.  Others differ: some leave one
out of a single split (`limner map` does, because it shows one split), some weight votes by distance.
Compare codes with raw pixels for the same number of images.

Active units (Burda et al. 2016, arXiv 1509.00519, section 5): Var_x E[z|x] > 0.01.  Effective dimensions,
the participation ratio of the covariance's eigenvalues: (sum l)^2 / sum l^2.

Codes of all images together against the prior, a variable at a time: the distance of Kolmogorov and Smirnov,
the largest difference of the two distribution functions, here at some quantiles of the prior.  All variables
together, which are independent in the prior: the mean correlation of two of them; and MMD^2 (Gretton et al.
2012; for autoencoders Tolstikhin et al. 2018, arXiv 1711.01558), k the mean of Gaussian kernels
exp(-|x - y|^2 / 2s), s = d/4, d/2, d, 2d, 4d.
Estimator: E k(z, y) and E k(y, y') are exact for y ~ N(0, I), only z is a sample (the U-statistic, no code
with itself), so the estimate is unbiased and may be below 0.  Others differ: WAE draws y too and sums
inverse multiquadratic kernels, so its numbers do not compare with these.
"""

from __future__ import annotations

import itertools
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays

PENALTY = 0.1  # scikit-learn's C: the weight of the data against the L2 penalty
STEPS = 100
SCALES = (4.0, 2.0, 1.0, 0.5, 0.25)  # s / d of the kernels: each is half the one before
ROWS = 2048  # rows of the kernel matrix in a block


@accepts_arrays
def knn_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, k: int = 5) -> float:
    """Share of test codes (m, d) whose label the majority of the k nearest training codes (n, d) has."""
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(k, algorithm="brute").fit(train.flatten(1).numpy(), train_labels.numpy())
    return float(voters.score(test.flatten(1).numpy(), test_labels.numpy()))


@accepts_arrays
def knn_accuracy_leave_one_out(features: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of images whose label the majority of the k nearest other images has, the smallest of a tie.

    features (n, d), n from 2, labels (n,) from 0; Euclidean distances in float64.
    """
    x, indices = features.double(), []
    for rows in torch.arange(len(x)).split(500):
        distance = torch.cdist(x[rows], x, compute_mode="donot_use_mm_for_euclid_dist")
        distance[torch.arange(len(rows)), rows] = torch.inf  # no image votes for itself
        indices.append(distance.topk(min(k, len(x) - 1), largest=False).indices)
    votes = F.one_hot(labels.long()[torch.cat(indices)]).sum(1)  # (n, classes)
    return float((votes.argmax(1) == labels).double().mean())


@accepts_arrays
def linear_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Share of test codes (m, d) whose label a logistic regression on training codes (n, d) predicts."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(train_labels.unique()) < 2:
        raise LimnerError("a linear probe needs labels of two classes or more")
    train, test = train.flatten(1).double(), test.flatten(1).double()
    mean, deviation = train.mean(0), train.std(0)
    deviation[deviation == 0] = 1  # a constant column
    probe = LogisticRegression(C=PENALTY, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit of steps is part of the measure
        probe.fit(((train - mean) / deviation).numpy(), train_labels.numpy())
    return float(probe.score(((test - mean) / deviation).numpy(), test_labels.numpy()))


@accepts_arrays
def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """The number of columns of the posterior's means (n, d), n from 2, with a variance above `threshold`."""
    return int((_codes(mu).var(0) > threshold).sum())


@accepts_arrays
def effective_dimensions(z: Tensor) -> float:
    """The number of directions that codes z (n, d), n from 2, vary along: 1 to d; 0 where all are equal."""
    z = _codes(z)
    centred = z - z.mean(0)
    total = centred.square().sum()  # sum l = tr S
    gram = centred.T @ centred if z.shape[1] <= len(z) else centred @ centred.T  # the same eigenvalues
    return float(total.square() / gram.square().sum()) if total > 0 else 0.0  # sum l^2 = |S|^2


@accepts_arrays
def distance_to_quantiles(z: Tensor, quantiles: Tensor, shares: Tensor) -> float:
    """The Kolmogorov-Smirnov distance of each variable of codes z (n, d) to a density, mean over variables.

    quantiles (k, d): the values below which the density has each of the shares (k,); both are compared there.
    Between 0 and 1; a sample of the density has about 0.87 / sqrt(n).
    """
    z = _codes(z)
    below = torch.stack([(z <= quantile).double().mean(0) for quantile in quantiles.double().cpu()])
    return float((below - shares.double()[:, None]).abs().amax(0).mean())


@accepts_arrays
def mean_correlation(z: Tensor) -> float:
    """The mean absolute correlation of two variables of codes z (n, d); 0 of one, and of constants."""
    z = _codes(z)
    size = z.shape[1]
    if size < 2:
        return 0.0
    absolute = torch.corrcoef(z.T).nan_to_num(0.0).abs()
    return float((absolute.sum() - absolute.diagonal().sum()) / (size * (size - 1)))


class MMD(NamedTuple):
    """`value`, on average 0 for codes from the prior, and `floor`, its standard deviation for such codes."""

    value: float
    floor: float


@accepts_arrays
def mmd_to_normal(z: Tensor) -> MMD:
    """MMD^2 between codes z (n, d), n from 2, and N(0, I), and its deviation for n codes from N(0, I).

    Between 0 and 1, up to noise.  The cost is quadratic in n.
    """
    z = _codes(z)
    n, d = z.shape
    within = torch.zeros((), dtype=torch.float64)
    for rows in z.split(ROWS):
        kernel = (torch.cdist(rows, z).square() / (-2 * SCALES[0] * d)).exp()
        for _ in SCALES:
            within += kernel.sum()
            kernel.square_()  # the kernel of half the scale
    within = (within / len(SCALES) - n) / (n * (n - 1))
    squares = z.square().sum(1)
    across = sum(_with_normal(s * d, d) * (squares / (-2 * (s * d + 1))).exp().mean() for s in SCALES)
    prior = sum(_within_normal(s * d, d) for s in SCALES)
    return MMD(float(within + (prior - 2 * across) / len(SCALES)), _deviation(n, d))


def _with_normal(s: float, d: int) -> float:
    """c in E_y k(x, y) = c exp(-|x|^2 / 2(s + 1)), y ~ N(0, I)."""
    return (s / (s + 1)) ** (d / 2)


def _within_normal(s: float, d: int) -> float:
    """E k(y, y') for y, y' ~ N(0, I)."""
    return (s / (s + 2)) ** (d / 2)


def _deviation(n: int, d: int) -> float:
    """The standard deviation of the estimate for codes from N(0, I).

    The first-order part of the variance is 0 there.  With m(x) = E_y k(x, y) and p = E k(y, y') the variance
    is 2 / n(n - 1) (E k^2 - 2 E m^2 + p^2), a Gaussian integral for each pair of scales.
    """
    variance = 0.0
    for s, t in itertools.product([scale * d for scale in SCALES], repeat=2):
        squared = _within_normal(1 / (1 / s + 1 / t), d)  # E k_s k_t
        means = _with_normal(s, d) * _with_normal(t, d) * (1 + 1 / (s + 1) + 1 / (t + 1)) ** (-d / 2)
        variance += squared - 2 * means + _within_normal(s, d) * _within_normal(t, d)
    return float((2 / (n * (n - 1)) * variance / len(SCALES) ** 2) ** 0.5)


def _codes(z: Tensor) -> Tensor:
    """Codes in float64, at least two of them."""
    if z.ndim != 2 or len(z) < 2:
        raise LimnerError(f"codes must have the shape (n, d), n from 2, not {tuple(z.shape)}")
    return z.double().cpu()
