"""Disentanglement: codes whose answer is known, from factors themselves to noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.disentanglement import (
    COLLAPSED,
    DCI,
    FactorVAE,
    dci,
    disentanglement,
    factor_vae_score,
    mig,
    sap,
)

SIZES = (2, 3, 4)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def every(times: int = 1) -> Tensor:
    """All combinations of factors of SIZES, `times` over: (24 times, 3)."""
    return torch.cartesian_prod(*(torch.arange(size) for size in SIZES)).repeat(times, 1)


def turned(codes: Tensor, seed: int = 0) -> Tensor:
    """Standardised codes in a random rotation."""
    rotation = torch.linalg.qr(random(codes.shape[1], codes.shape[1], seed=seed).double()).Q
    return (codes - codes.mean(0)) / codes.std(0) @ rotation


def test_mig_of_the_factors_is_one_and_of_twins_nothing() -> None:
    factors = every()
    assert mig(factors.double(), factors) == pytest.approx(1, abs=1e-12)
    assert mig(factors.double().repeat(1, 2), factors) == pytest.approx(0, abs=1e-12)
    assert mig(torch.cat([factors, torch.zeros(24, 1)], 1), factors[:, :1]) == pytest.approx(1, abs=1e-12)


def test_mig_by_hand() -> None:
    factor = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])[:, None]  # H = log 4
    half = (factor >= 2).double()  # I = log 2
    third = (factor == 0).double()  # I = H of (1/4, 3/4)
    few = math.log(4) - 0.75 * math.log(3)
    codes = torch.cat([half, third, torch.zeros(8, 1)], 1)
    assert mig(codes, factor) == pytest.approx((math.log(2) - few) / math.log(4), abs=1e-12)
    assert mig(codes[:, [0, 2]], factor) == pytest.approx(0.5, abs=1e-12)


def test_mig_bins_as_numpys_histogram_does() -> None:
    factor = torch.tensor([[0], [1], [0], [1]])
    codes = torch.tensor([[0.0, 0.0], [0.4, 0.0], [0.6, 0.0], [1.0, 0.0]])
    assert mig(codes, factor, bins=2) == pytest.approx(0, abs=1e-12)  # 0 and .4, .6 and 1
    assert mig(codes, factor, bins=20) == pytest.approx(1, abs=1e-12)  # each on its own
    edge = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert mig(edge, factor, bins=2) == pytest.approx(1, abs=1e-12)  # an edge belongs to the bin above it


def test_mig_of_noise_and_its_floor() -> None:
    factors = every(500)
    assert mig(random(12000, 6), factors) < 0.002
    assert 0.0005 < mig(random(480, 6), every(20)) < 0.03  # above 0 by chance, the more the fewer


def test_mig_of_a_rotation_is_between() -> None:
    factors = every(100)
    found = [mig(turned(factors.double(), seed), factors) for seed in range(5)]
    assert 0.05 < np.mean(found) < 0.5
    square = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    z = square.double()
    both = torch.stack(
        [z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]], 1
    )  # by 45 degrees: each depends equally on both
    assert mig(both, square) == pytest.approx(0, abs=1e-12)


def test_order_sign_and_scale_of_codes_do_not_matter_to_mig() -> None:
    factors = every(20)
    codes = turned(torch.cat([factors.double(), random(480, 2).double()], 1))
    assert mig(3 * codes[:, [4, 0, 2, 1, 3]] + 7, factors) == pytest.approx(mig(codes, factors), abs=1e-9)


def test_sap_of_two_values_is_what_guessing_lacks() -> None:
    factors = torch.randint(2, (3000, 3), generator=torch.Generator().manual_seed(0))
    assert sap(factors.double(), factors) == pytest.approx(0.5, abs=0.04)  # 1 - 1/2
    assert sap(factors.double().repeat(1, 2), factors) == pytest.approx(0, abs=1e-12)
    assert sap(random(3000, 4), factors) < 0.05
    noisy = torch.where(torch.rand(3000, 3, generator=torch.Generator().manual_seed(1)) < 0.2, 1.0, 0.0)
    flipped = (factors - noisy).abs()
    assert sap(flipped, factors) == pytest.approx(0.8 - 0.5, abs=0.04)


def test_sap_is_the_librarys_on_the_same_rows() -> None:
    from sklearn.svm import LinearSVC

    factors, codes = every(20), turned(every(20).double())
    order = np.random.default_rng(3).permutation(480)
    train, test = order[:320], order[320:]
    scores = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            svm = LinearSVC(C=0.01, class_weight="balanced", random_state=0, max_iter=100_000)
            x, y = codes[:, i : i + 1].numpy(), factors[:, j].numpy()
            scores[i, j] = (svm.fit(x[train], y[train]).predict(x[test]) == y[test]).mean()
    scores.sort(axis=0)
    assert sap(codes, factors, seed=3) == pytest.approx((scores[-1] - scores[-2]).mean(), abs=1e-12)


def test_dci_of_the_factors_is_one() -> None:
    factors = every(20)
    found = dci(torch.cat([factors.double(), random(480, 2).double()], 1), factors, rounds=10)
    assert found == pytest.approx((1, 1, 1), abs=1e-3)


def test_dci_tells_purity_of_codes_from_that_of_factors() -> None:
    grid = torch.cartesian_prod(torch.arange(4), torch.arange(2)).repeat(60, 1)
    spread = torch.stack([grid[:, 0] // 2, grid[:, 0] % 2, grid[:, 1]], 1).double()  # one factor in two codes
    found = dci(spread, grid, rounds=10)
    assert found.disentanglement == pytest.approx(1, abs=1e-3)
    first = 1 - math.log(2) / math.log(3)  # its importances are half and half
    assert found.completeness == pytest.approx((first + 1) / 2, abs=0.03)
    mixed = torch.stack([2 * grid[:, 0] + grid[:, 1], torch.zeros(480)], 1)  # both factors in one code
    found = dci(mixed, grid, rounds=10)
    assert found[:2] == pytest.approx((0, 1), abs=1e-3)
    assert found.informativeness > 0.9


def test_dci_in_another_order_of_codes_is_the_same() -> None:
    factors = every(20)
    codes = turned(torch.cat([factors.double(), random(480, 1).double()], 1))
    one, other = dci(codes, factors, rounds=20), dci(codes[:, [2, 0, 3, 1]], factors, rounds=20)
    assert other == pytest.approx(one, abs=0.01)  # trees break ties by order
    assert one.disentanglement < 0.7


def test_dci_of_noise() -> None:
    found = dci(random(480, 4), every(20), rounds=10)
    assert found.disentanglement < 0.1
    assert found.completeness < 0.1
    assert found.informativeness == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3, abs=0.08)


def test_dci_of_codes_that_say_nothing_and_of_one_factor() -> None:
    factors = every(5)
    constant = dci(torch.zeros(120, 3), factors, rounds=3)
    assert (constant.disentanglement, constant.completeness) == (0, 0)
    assert dci(factors.double(), factors[:, :1], rounds=3) == pytest.approx(DCI(1, 1, 1), abs=1e-3)


def test_factor_vae_score_of_the_factors_is_one() -> None:
    assert factor_vae_score(lambda v: 10 * v.float(), SIZES) == FactorVAE(1.0, 3)
    permuted = factor_vae_score(lambda v: -v[:, [2, 0, 1]].float(), SIZES)
    assert permuted == FactorVAE(1.0, 3)


def test_factor_vae_score_of_noise_is_that_of_guessing() -> None:
    table = random(24, 5)
    sizes = torch.tensor(SIZES)

    def noise(factors: Tensor) -> Tensor:
        return table[(factors * torch.tensor([12, 4, 1])).sum(1)]

    assert int(sizes.prod()) == len(table)
    many = random(10**4, 5, seed=1)
    found = factor_vae_score(lambda v: many[v[:, 0] * 100 + v[:, 1]], (100, 100))
    assert found.score == pytest.approx(1 / 2, abs=0.06)
    assert found.active == 5
    assert factor_vae_score(noise, SIZES).active == 5


def test_factor_vae_score_when_one_factor_is_missing() -> None:
    found = factor_vae_score(lambda v: v[:, :2].float(), (4, 4, 4))
    assert found.score == pytest.approx(2 / 3, abs=0.05)  # votes on the third go to one of the two


def test_collapsed_codes_have_no_vote() -> None:
    def some(factors: Tensor) -> Tensor:
        faint = factors[:, :1] * torch.tensor([1.8, 2.2]) * COLLAPSED  # half of it is the deviation
        return torch.cat([factors[:, 1:], faint], 1)

    assert factor_vae_score(some, SIZES) == FactorVAE(1.0, 3)
    assert factor_vae_score(lambda v: torch.zeros(len(v), 4), SIZES) == FactorVAE(0.0, 0)


def test_represent_is_called_once_for_each_combination() -> None:
    calls: list[Tensor] = []

    def represent(factors: Tensor) -> Tensor:
        calls.append(factors)
        return factors.float()

    factor_vae_score(represent, SIZES, votes=5)
    assert len(calls) == 1
    assert torch.equal(calls[0], every())
    assert calls[0].dtype == torch.int64


def test_seeds_repeat_and_differ_and_leave_the_global_one() -> None:
    factors = every(20)
    codes = turned(factors.double())

    def represent(v: Tensor) -> Tensor:
        return v.double() @ torch.tensor([[1.0, 0.6, 0.1], [0.4, 1.0, 0.3], [0.2, 0.5, 1.0]]).double()

    torch.manual_seed(0)
    np.random.seed(0)
    before, there = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert sap(codes, factors) == sap(codes, factors) != sap(codes, factors, seed=1)
    assert dci(codes, factors, rounds=3) == dci(codes, factors, rounds=3) != dci(codes, factors, 1, rounds=3)
    one, again, other = (factor_vae_score(represent, SIZES, 100, 4, seed) for seed in (0, 0, 1))
    assert one == again != other
    assert torch.equal(before, torch.get_rng_state())
    assert (there == np.random.get_state()[1]).all()


def test_all_together() -> None:
    factors = every(10)
    found = disentanglement(factors.double(), factors, lambda v: v.float(), SIZES)
    assert found.mig == pytest.approx(1)
    assert found.sap == sap(factors.double(), factors)
    assert (found.disentanglement, found.completeness, found.informativeness) == pytest.approx(
        (1, 1, 1), abs=1e-3
    )
    assert (found.factor_vae, found.active) == (1, 3)


@pytest.mark.parametrize("measure", [mig, sap, dci])
@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (torch.zeros(24, 1), every(), "d from 2"),
        (torch.zeros(23, 3), every(), r"codes \(23, 3\) and factors \(24, 3\)"),
        (torch.zeros(24, 3), every()[:, 0], r"must be \(n, d\) and \(n, f\)"),
        (torch.zeros(24, 3), every()[:, :0], r"must be \(n, d\) and \(n, f\)"),
        (torch.zeros(24, 3), every().float(), "factors must be integers"),
        (torch.full((24, 3), torch.nan), every(), "finite"),
        (torch.zeros(24, 3), every() * torch.tensor([1, 0, 1]), "factor 1 does not vary in the images"),
        (torch.zeros(0, 3), every()[:0], "factor 0 does not vary"),
    ],
)
def test_what_cannot_be_measured_is_refused(measure, codes: Tensor, factors: Tensor, message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        measure(codes, factors)


def test_too_few_of_a_value_to_divide() -> None:
    lone = torch.zeros(30, 1, dtype=torch.int64)
    row = int(np.random.default_rng(0).permutation(30)[-1])  # one of those that measure
    lone[row] = 1
    for measure in (sap, dci):
        with pytest.raises(LimnerError, match="two thirds of the images"):
            measure(random(30, 2), lone)


@pytest.mark.parametrize(
    ("represent", "sizes", "more", "message"),
    [
        (lambda v: v.float(), (), {}, "at least 2"),
        (lambda v: v.float(), (3, 1), {}, r"\(3, 1\) values"),
        (lambda v: v.float(), SIZES, {"votes": 0}, "at least 1 vote"),
        (lambda v: v.float(), SIZES, {"batch": 1}, "batches of at least 2"),
        (lambda v: v[:3].float(), SIZES, {}, r"returned \(3, 3\) for 24 factors"),
        (lambda v: v.float() / 0, SIZES, {}, "finite"),
        (lambda v: v[:, 0].float(), SIZES, {}, r"\(24,\)"),
    ],
)
def test_what_cannot_be_voted_on_is_refused(represent, sizes, more, message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        factor_vae_score(represent, sizes, **more)
