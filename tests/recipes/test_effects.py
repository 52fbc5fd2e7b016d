"""Effects of switches against scipy, Holm's correction by hand, and what is said of the verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from limner.evaluation import Measure
from limner.recipes.effects import (
    NOISE,
    Effect,
    effect,
    effects,
    holm,
    primary_measure,
    remarks,
    verdict,
)


def test_an_effect_is_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3, 5, 12):
        base = rng.normal(10, 3, k)
        ours = base + rng.normal(0.4, 1, k)
        row, expected = effect("s", "m", "lower", ours, base), stats.ttest_rel(ours, base)
        low, high = expected.confidence_interval(0.95)
        assert row.p == pytest.approx(expected.pvalue, rel=1e-9)
        assert row.interval == pytest.approx((low, high), rel=1e-9)
        assert row.mean == pytest.approx((ours - base).mean())
        assert row.deviation == pytest.approx(np.std(ours - base, ddof=1))
        assert row.base == pytest.approx(base.mean())


def test_differences_without_spread() -> None:
    same = effect("s", "m", "lower", [1, 2], [1, 2])
    assert (same.interval, same.p, verdict(same, same.p)) == (None, 1, NOISE)
    assert same.deviation == 0
    one = effect("s", "m", "lower", [2], [1])
    assert (one.mean, one.deviation, one.interval, one.p, one.verdict) == (1, None, None, None, NOISE)
    assert "one seed has no spread" in " ".join(remarks([one]))


@pytest.mark.parametrize("scale", [1, 0.1, 1e9])
def test_equal_differences_have_the_p_of_a_sign_test(scale: float) -> None:
    for k in range(2, 9):
        base = scale * np.arange(1.0, k + 1)
        row = effect("s", "classes of 10", "higher", base + scale, base)  # one class more, for each seed
        expected = stats.binomtest(k, k).pvalue
        assert row.p == pytest.approx(expected), k
        assert (row.deviation, row.interval) == (0, None)
        assert verdict(row, row.p) == ("better" if k >= 6 else NOISE)
        assert "needs 6 seeds or more" in " ".join(remarks([row]))
        opposite = effect("s", "classes of 10", "higher", base - scale, base)
        assert verdict(opposite, opposite.p) == ("worse" if k >= 6 else NOISE)
    assert not any("6 seeds" in line for line in remarks([effect("s", "m", "lower", [1, 2], [1, 2])]))


def test_integers_without_an_effect_are_called_one_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3, 5):
        pairs = rng.integers(8, 11, (2000, 2, k))  # 8, 9 or 10 classes: equal differences are common
        rows = [effect("s", "classes of 10", "higher", *pair) for pair in pairs]
        wrong = np.mean([verdict(row, row.p) != NOISE for row in rows])
        assert wrong < 0.07, (k, wrong)


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, none below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("better", "mean", "said"),
    [("lower", -1, "better"), ("lower", 1, "worse"), ("higher", 1, "better"), ("higher", -1, "worse")],
)
def test_a_verdict_knows_which_way_is_good(better: str, mean: float, said: str) -> None:
    row = Effect("s", "m", better, 0, (mean, mean), mean)
    assert verdict(row, 0.049) == said
    assert verdict(row, 0.051) == verdict(row, None) == NOISE


def grown(shift: float) -> dict[int, dict[str, Measure]]:
    """Measures of three seeds, fd shifted by `shift` and a little that is not the same for each."""
    shifts = [shift + 0.25 * (seed - 1) * bool(shift) for seed in range(3)]
    return {
        seed: {
            "recall": Measure("recall", seed / 10, 100, better="higher"),
            "fd[x]": Measure("fd[x]", 10 * seed + shifts[seed], 100, better="lower"),
        }
        for seed in range(3)
    }


def test_the_primary_measure_comes_first_and_its_verdicts_are_corrected() -> None:
    alone = effects({"base": grown(0), "a=1": grown(-1)})
    assert [(row.measure, row.switch) for row in alone] == [("fd[x]", "a=1"), ("recall", "a=1")]
    assert alone[0].differences == pytest.approx((-1.25, -1, -0.75))
    assert alone[0].p == pytest.approx(stats.ttest_1samp([-1.25, -1, -0.75], 0).pvalue)
    assert [row.verdict for row in alone] == ["better", NOISE]
    among = effects({"base": grown(0), "a=1": grown(-1), "b=1": grown(0), "c=1": grown(0)})
    assert among[0].p == alone[0].p
    assert (among[0].p or 0) * 3 > 0.05
    assert [row.verdict for row in among] == [NOISE] * 6
    text = " ".join(remarks(among))
    assert "verdicts on fd[x] are Holm-corrected over its 3 rows" in text
    assert "chance alone would give 0.15 of them" in text
    assert "chance alone would give 0.15 of these 3 rows a 'better'" in text


def test_seeds_are_paired_and_those_without_a_partner_left_out() -> None:
    base, ours = grown(0), grown(2)
    del base[0], ours[2]["recall"]
    rows = {row.measure: row for row in effects({"base": base, "a=1": ours, "b=1": {}})}
    assert len(rows) == 2, "b has no run"
    assert rows["fd[x]"].differences == pytest.approx((2, 2.25))
    assert rows["fd[x]"].base == pytest.approx(15)
    assert rows["recall"].differences == (0,)
    assert "nothing to compare yet" in remarks(effects({"base": base, "b=1": {}}))[0]


def test_the_primary_measure() -> None:
    assert primary_measure(["mse", "fd[x], reconstructed", "fd[x]", "recall"]) == "fd[x]"
    assert primary_measure(["fd[x], reconstructed", "mse"]) == "mse"
    assert primary_measure(["recall", "precision"]) == "recall"
    assert primary_measure([]) == ""
