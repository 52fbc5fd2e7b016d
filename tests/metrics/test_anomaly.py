"""Strange from normal: closed forms, ties, direction."""

from __future__ import annotations

import pytest
import torch

from limner.errors import LimnerError
from limner.metrics.anomaly import auroc, average_precision


def test_perfect_useless_and_turned_round() -> None:
    low, high = torch.arange(10.0), torch.arange(20.0, 25.0)
    assert (auroc(low, high), average_precision(low, high)) == (1, 1)
    assert auroc(high, low) == 0
    equal = torch.zeros(10), torch.zeros(30)
    assert (auroc(*equal), average_precision(*equal)) == (0.5, 0.75)


def test_by_hand_with_a_tie() -> None:
    normal, strange = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 5.0])
    assert auroc(normal, strange) == pytest.approx((1 + 0.5 + 0 + 3) / 6)
    # from above: 5 strange (recall 1/2 at 1/1), 4 normal, both 2s (recall 1 at 2/4)
    assert average_precision(normal, strange) == pytest.approx(0.5 * 1 + 0.5 * 0.5)


def test_two_gaussians_have_their_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    normal, strange = torch.randn(2, 20_000, generator=generator).double() + torch.tensor([[0.0], [1.0]])
    expected = torch.distributions.Normal(0, 1).cdf(torch.tensor(0.5**0.5))
    assert auroc(normal, strange) == pytest.approx(float(expected), abs=0.01)
    assert auroc(normal.exp(), strange.exp()) == auroc(normal, strange), "only the order counts"


def test_average_precision_depends_on_the_mixture_and_auroc_does_not() -> None:
    normal, strange = torch.tensor([1.0, 3.0]), torch.tensor([2.0])
    assert auroc(normal.repeat(9), strange) == auroc(normal, strange) == 0.5
    assert average_precision(normal.repeat(9), strange) == pytest.approx(1 / 10)
    assert average_precision(normal, strange) == pytest.approx(1 / 2)


@pytest.mark.parametrize("scores", [[], [1.0, torch.nan], [torch.inf]])
def test_scores_that_say_nothing_are_refused(scores: list[float]) -> None:
    none, some = torch.tensor(scores), torch.ones(2)
    for pair in ((none, some), (some, none)):
        with pytest.raises(LimnerError, match="finite scores"):
            auroc(*pair)
        with pytest.raises(LimnerError, match="finite scores"):
            average_precision(*pair)
