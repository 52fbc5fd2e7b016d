"""Whether each number of a code stands for one known factor of the images, and each factor for one number.

MIG: Chen et al. 2018, arXiv 1802.04942.  SAP: Kumar et al. 2018, arXiv 1711.00848.  DCI: Eastwood &
Williams 2018, openreview By-7dz-AZ.  FactorVAE score: Kim & Mnih 2018, arXiv 1802.05983.

    mig         mean over factors of (I_1 - I_2) / H(factor): the two codes that tell most of it, in nats
    sap         mean over factors of the accuracies' difference of the two codes that predict it best
    dci         1 - entropy of each code's (disentanglement) or each factor's (completeness) importances,
                weighted by the sums of importances; informativeness is the accuracy of the predictions
    factor_vae  accuracy of naming the factor held fixed by the code that varies least, by majority vote

Estimators, those of disentanglement_lib (Locatello et al. 2019, arXiv 1811.12359): 20 equal bins from a
code's least to its greatest value; linear SVMs of one code, C = 0.01, classes balanced; boosted trees.
Where something is fitted, two thirds of the codes fit and one third judges.
Others differ: Chen et al. sample I from q(z|x), whose numbers are not comparable; Eastwood & Williams use
lasso or random forests and 1 - accuracy.  DCI is a number of its trees: of the same codes D was 0.70 from
100 rounds of boosting, 0.62 to 0.77 from fewer, 0.34 to 0.73 from forests; so the 100 rounds stay, nearly all
of the time that `disentanglement` takes.  disentanglement_lib draws its rows anew, we divide those given.
SAP and the 0.05 of FactorVAE's score depend on the codes' scale: they were made for codes whose prior is
N(0, I).

The floors are above 0: by chance MIG is about 0.01 at n = 500, and FactorVAE's score 1 / factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC
from torch import Tensor

from limner.errors import LimnerError

COLLAPSED = 0.05  # standard deviation below which a code says nothing (disentanglement_lib)
VARIANCE_ROWS = 10_000  # drawn to estimate the codes' variances over all factors

Represent = Callable[[Tensor], Tensor]  # factors (n, f), int64 -> codes (n, d)


class DCI(NamedTuple):
    """Disentanglement and completeness are from 0 to 1; informativeness is an accuracy, so above 0."""

    disentanglement: float
    completeness: float
    informativeness: float


class FactorVAE(NamedTuple):
    """The accuracy, and the number of codes that vary at all."""

    score: float
    active: int


class Disentanglement(NamedTuple):
    """All of them; each is 1 at best but SAP, which is below 1 by the accuracy of guessing."""

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    factor_vae: float
    active: int


def disentanglement(
    codes: Tensor, factors: Tensor, represent: Represent, sizes: Sequence[int], seed: int = 0
) -> Disentanglement:
    """Every measure of codes (n, d) of images whose factors are (n, f); the rest as in `factor_vae_score`."""
    return Disentanglement(
        mig(codes, factors),
        sap(codes, factors, seed),
        *dci(codes, factors, seed),
        *factor_vae_score(represent, sizes, seed=seed),
    )


# Chen et al. 2018, eq. 6
def mig(codes: Tensor, factors: Tensor, bins: int = 20) -> float:
    """The mutual information gap of codes (n, d), d from 2, and factors (n, f), integers."""
    z, v = _checked(codes, factors)
    binned = [np.digitize(code, np.histogram_bin_edges(code, bins)[:-1]) for code in z.T]
    gaps = []
    for factor in v.T:
        second, best = sorted(mutual_info_score(factor, code) for code in binned)[-2:]
        gaps.append((best - second) / mutual_info_score(factor, factor))  # I(v; v) = H(v)
    return float(np.mean(gaps))


# Kumar et al. 2018, section 3
def sap(codes: Tensor, factors: Tensor, seed: int = 0) -> float:
    """The separated attribute predictability of codes (n, d), d from 2, and factors (n, f), integers.

    `seed` divides the rows into those that fit the classifiers and those that judge them.
    """
    z, v = _checked(codes, factors)
    train, test = _divided(v, seed)
    gaps = []
    for factor in v.T:
        accuracies = []
        for code in z.T[:, :, None]:  # (n, 1)
            classifier = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=seed)
            accuracies.append(classifier.fit(code[train], factor[train]).score(code[test], factor[test]))
        second, best = sorted(accuracies)[-2:]
        gaps.append(best - second)
    return float(np.mean(gaps))


# Eastwood & Williams 2018, section 2
def dci(codes: Tensor, factors: Tensor, seed: int = 0, rounds: int = 100) -> DCI:
    """Disentanglement, completeness and informativeness of codes (n, d), d from 2, and factors (n, f).

    `seed` divides the rows, as for `sap`, and is that of the trees.  Fewer `rounds` of boosting are quicker
    and give other numbers.
    """
    z, v = _checked(codes, factors)
    train, test = _divided(v, seed)
    columns, accuracies = [], []
    for factor in v.T:
        trees = GradientBoostingClassifier(n_estimators=rounds, random_state=seed)
        trees.fit(z[train], factor[train])
        columns.append(trees.feature_importances_)
        accuracies.append(trees.score(z[test], factor[test]))
    importances = np.stack(columns, 1)  # (d, f)
    return DCI(_purity(importances), _purity(importances.T), float(np.mean(accuracies)))


def _purity(importances: np.ndarray) -> float:
    """1 - entropy of each row's shares in units of log(columns), rows weighted by their sums."""
    if importances.shape[1] == 1:  # one factor only: every code stands for it alone
        return 1.0
    sums = importances.sum(1)
    if not sums.any():  # no tree found anything to split by
        return 0.0
    shares = importances[sums > 0] / sums[sums > 0, None]
    entropies = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1) / np.log(shares.shape[1])
    return float(np.average(1 - entropies, weights=sums[sums > 0]))


# Kim & Mnih 2018, section 4
def factor_vae_score(
    represent: Represent, sizes: Sequence[int], votes: int = 800, batch: int = 64, seed: int = 0
) -> FactorVAE:
    """FactorVAE's score with `votes` to fit the classifier and as many to judge it.

    `represent` gives codes (n, d) for factors (n, f), column j from 0 to sizes[j] - 1.  It is called once,
    with each of the combinations drawn once.  One factor is held fixed in the `batch` rows of a vote.  A code
    whose standard deviation is below 0.05 has no vote; where all are such, the score is 0.  Others differ:
    disentanglement_lib has 10,000 and 5,000 votes, and reports all d codes as active.
    """
    if not sizes or min(sizes) < 2 or votes < 1 or batch < 2:
        raise LimnerError(
            f"factors of {tuple(sizes)} values, {votes} votes, batches of {batch}: "
            "give every factor at least 2 values, at least 1 vote and batches of at least 2"
        )
    random = np.random.default_rng(seed)
    vote, fixed = np.arange(2 * votes), random.integers(len(sizes), size=2 * votes)
    drawn = random.integers(sizes, size=(2 * votes, batch, len(sizes)))
    drawn[vote, :, fixed] = drawn[vote, 0, fixed][:, None]
    anywhere = random.integers(sizes, size=(VARIANCE_ROWS, len(sizes)))
    codes = _represented(represent, np.concatenate([anywhere, drawn.reshape(-1, len(sizes))]), sizes)
    variances = codes[:VARIANCE_ROWS].var(0, ddof=1)
    active = np.sqrt(variances) >= COLLAPSED
    if not active.any():
        return FactorVAE(0.0, 0)
    within = codes[VARIANCE_ROWS:].reshape(2 * votes, batch, -1).var(1, ddof=1)  # (2 votes, d)
    least = (within[:, active] / variances[active]).argmin(1)
    table = np.zeros((len(sizes), int(active.sum())), np.int64)
    np.add.at(table, (fixed[:votes], least[:votes]), 1)
    named = table.argmax(0)[least[votes:]]  # the factor that each code mostly stood for
    return FactorVAE(float((named == fixed[votes:]).mean()), int(active.sum()))


def _represented(represent: Represent, rows: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The codes of factors (n, f), each combination represented once: float64 (n, d)."""
    numbers = np.ravel_multi_index(tuple(rows.T), tuple(sizes))
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    codes = represent(torch.from_numpy(rows[first]))
    if codes.ndim != 2 or len(codes) != len(first) or not bool(codes.isfinite().all()):
        raise LimnerError(f"represent gave {tuple(codes.shape)} for {len(first)} factors: give finite (n, d)")
    return codes.double().cpu().numpy()[place]


def _checked(codes: Tensor, factors: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """As numpy arrays; raises LimnerError for what no measure can be had of."""
    shapes = f"codes {tuple(codes.shape)} and factors {tuple(factors.shape)}"
    if (
        codes.ndim != 2
        or factors.ndim != 2
        or len(codes) != len(factors)
        or codes.shape[1] < 2
        or factors.shape[1] < 1
    ):
        raise LimnerError(f"{shapes}: give (n, d) and (n, f), at least 2 numbers to the code")
    if factors.is_floating_point() or not bool(codes.isfinite().all()):
        raise LimnerError(f"{shapes}: give integers as factors, finite numbers as codes")
    v = factors.cpu().numpy()
    _varied(v, "the images")
    return codes.double().cpu().numpy(), v


def _divided(factors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that fit, two thirds of them, and those that judge."""
    order = np.random.default_rng(seed).permutation(len(factors))
    train, test = order[: 2 * len(order) // 3], order[2 * len(order) // 3 :]
    _varied(factors[train], "two thirds of the images")
    return train, test


def _varied(factors: np.ndarray, where: str) -> None:
    for j, column in enumerate(factors.T):
        if len(np.unique(column)) < 2:
            raise LimnerError(f"factor {j} does not vary in {where}: leave it out, or give more images")
