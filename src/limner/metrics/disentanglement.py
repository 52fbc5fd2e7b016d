"""Whether each code variable encodes one known factor of the images, and each factor one variable.

MIG: Chen et al. 2018, arXiv 1802.04942.  SAP: Kumar et al. 2018, arXiv 1711.00848.  DCI: Eastwood &
Williams 2018, openreview By-7dz-AZ.  FactorVAE score: Kim & Mnih 2018, arXiv 1802.05983.

    mig         mean over factors of (I_1 - I_2) / H(factor): mutual information, in nats, of the two
                variables that have most of it
    sap         mean over factors of the difference in accuracy of the two variables that predict it best
    dci         1 - entropy of each variable's (disentanglement) or each factor's (completeness) importances,
                weighted by the sums of importances; informativeness is the accuracy of the predictions
    factor_vae  accuracy of a majority vote that predicts the fixed factor from the variable that varies least

Estimators, those of disentanglement_lib (Locatello et al. 2019, arXiv 1811.12359): 20 equal bins from a
variable's smallest to its largest value; linear SVMs of one variable, C = 0.01, balanced classes; boosted
trees.  Classifiers are fitted on two thirds of the codes and measured on one third.
Others differ: Chen et al. estimate I by samples of q(z|x), and those numbers do not compare with these;
Eastwood & Williams use lasso or random forests and 1 - accuracy.  DCI depends on its trees: of the same
codes D was 0.70 from 100 rounds of boosting, 0.62 to 0.77 from fewer, 0.34 to 0.73 from forests.  So the 100
rounds stay, although they take nearly all of the time of `disentanglement`.  disentanglement_lib draws new
rows; here the rows of the arguments are split.  SAP and the 0.05 of FactorVAE's score depend on the scale
of the codes: they suit codes whose prior is N(0, I).

The floors are above 0: for random codes MIG is about 0.01 at n = 500, and FactorVAE's score 1 / factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays, to_tensor

COLLAPSED = 0.05  # a variable with a smaller standard deviation has no vote (disentanglement_lib)
VARIANCE_ROWS = 10_000  # rows drawn to estimate the variances over all factors

Represent = Callable[[Tensor], Tensor]  # factors (n, f), int64 -> codes (n, d)


class DCI(NamedTuple):
    """Disentanglement and completeness are from 0 to 1; informativeness is an accuracy."""

    disentanglement: float
    completeness: float
    informativeness: float


class FactorVAE(NamedTuple):
    """The accuracy, and the number of variables that vary."""

    score: float
    active: int


class Disentanglement(NamedTuple):
    """All measures; each is at most 1, SAP at most 1 minus the accuracy of guessing."""

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    factor_vae: float
    active: int


@accepts_arrays
def disentanglement(
    codes: Tensor, factors: Tensor, represent: Represent, sizes: Sequence[int], seed: int = 0
) -> Disentanglement:
    """All measures of codes (n, d) and factors (n, f) of images; the rest as in `factor_vae_score`."""
    return Disentanglement(
        mig(codes, factors),
        sap(codes, factors, seed),
        *dci(codes, factors, seed),
        *factor_vae_score(represent, sizes, seed=seed),
    )


# Chen et al. 2018, eq. 6
@accepts_arrays
def mig(codes: Tensor, factors: Tensor, bins: int = 20) -> float:
    """The mutual information gap of codes (n, d), d from 2, and factors (n, f), integers."""
    from sklearn.metrics import mutual_info_score

    z, v = _arrays(codes, factors)
    binned = [np.digitize(code, np.histogram_bin_edges(code, bins)[:-1]) for code in z.T]
    gaps = []
    for factor in v.T:
        second, best = sorted(mutual_info_score(factor, code) for code in binned)[-2:]
        gaps.append((best - second) / mutual_info_score(factor, factor))  # I(v; v) = H(v)
    return float(np.mean(gaps))


# Kumar et al. 2018, section 3
@accepts_arrays
def sap(codes: Tensor, factors: Tensor, seed: int = 0) -> float:
    """The separated attribute predictability of codes (n, d), d from 2, and factors (n, f), integers.

    `seed` splits the rows into those that fit the classifiers and those that measure them.
    """
    from sklearn.svm import LinearSVC

    z, v = _arrays(codes, factors)
    train, test = _split(v, seed)
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
@accepts_arrays
def dci(codes: Tensor, factors: Tensor, seed: int = 0, rounds: int = 100) -> DCI:
    """Disentanglement, completeness and informativeness of codes (n, d), d from 2, and factors (n, f).

    `seed` splits the rows, as for `sap`, and seeds the trees.  Fewer `rounds` of boosting take less time
    and give other numbers.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    z, v = _arrays(codes, factors)
    train, test = _split(v, seed)
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
    if importances.shape[1] == 1:  # one factor only
        return 1.0
    sums = importances.sum(1)
    if not sums.any():  # no tree has a split
        return 0.0
    shares = importances[sums > 0] / sums[sums > 0, None]
    entropies = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1) / np.log(shares.shape[1])
    return float(np.average(1 - entropies, weights=sums[sums > 0]))


# Kim & Mnih 2018, section 4
def factor_vae_score(
    represent: Represent, sizes: Sequence[int], votes: int = 800, batch: int = 64, seed: int = 0
) -> FactorVAE:
    """FactorVAE's score with `votes` to fit the classifier and as many to measure it.

    `represent` returns codes (n, d) of factors (n, f), column j from 0 to sizes[j] - 1.  It is called once,
    with each combination that was drawn.  One factor is fixed in the `batch` rows of a vote.  A variable
    whose standard deviation is below 0.05 has no vote; where no variable has one, the score is 0.  Others
    differ: disentanglement_lib has 10,000 and 5,000 votes, and reports all d variables as active.
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
    codes = _codes(represent, np.concatenate([anywhere, drawn.reshape(-1, len(sizes))]), sizes)
    variances = codes[:VARIANCE_ROWS].var(0, ddof=1)
    active = np.sqrt(variances) >= COLLAPSED
    if not active.any():
        return FactorVAE(0.0, 0)
    within = codes[VARIANCE_ROWS:].reshape(2 * votes, batch, -1).var(1, ddof=1)  # (2 votes, d)
    least = (within[:, active] / variances[active]).argmin(1)
    table = np.zeros((len(sizes), int(active.sum())), np.int64)
    np.add.at(table, (fixed[:votes], least[:votes]), 1)
    predicted = table.argmax(0)[least[votes:]]  # the factor that a variable mostly voted for
    return FactorVAE(float((predicted == fixed[votes:]).mean()), int(active.sum()))


def _codes(represent: Represent, rows: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The codes of factors (n, f), each combination encoded once: float64 (n, d)."""
    numbers = np.ravel_multi_index(tuple(rows.T), tuple(sizes))
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    codes = to_tensor(represent(torch.from_numpy(rows[first])))
    if codes.ndim != 2 or len(codes) != len(first) or not bool(codes.isfinite().all()):
        raise LimnerError(
            f"represent returned {tuple(codes.shape)} for {len(first)} factors, but must return finite (n, d)"
        )
    return codes.double().cpu().numpy()[place]


def _arrays(codes: Tensor, factors: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Codes and factors as numpy arrays; LimnerError for those that have no measure."""
    shapes = f"codes {tuple(codes.shape)} and factors {tuple(factors.shape)}"
    if (
        codes.ndim != 2
        or factors.ndim != 2
        or len(codes) != len(factors)
        or codes.shape[1] < 2
        or factors.shape[1] < 1
    ):
        raise LimnerError(f"{shapes}: the shapes must be (n, d) and (n, f), d from 2")
    if factors.is_floating_point() or not bool(codes.isfinite().all()):
        raise LimnerError(f"{shapes}: factors must be integers, codes finite numbers")
    v = factors.cpu().numpy()
    _check_varies(v, "the images")
    return codes.double().cpu().numpy(), v


def _split(factors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that fit, two thirds of them, and those that measure."""
    order = np.random.default_rng(seed).permutation(len(factors))
    train, test = order[: 2 * len(order) // 3], order[2 * len(order) // 3 :]
    _check_varies(factors[train], "two thirds of the images")
    return train, test


def _check_varies(factors: np.ndarray, where: str) -> None:
    """Raise LimnerError for a factor with one value only."""
    for j, column in enumerate(factors.T):
        if len(np.unique(column)) < 2:
            raise LimnerError(f"factor {j} does not vary in {where}: leave it out, or use more images")
