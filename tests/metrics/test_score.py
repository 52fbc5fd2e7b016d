"""The classifier's score: closed forms from 1 to K."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.score import classifier_score, classifier_score_error


def test_from_one_to_the_number_of_classes() -> None:
    assert classifier_score(torch.full((50, 10), 0.1)) == pytest.approx(1, abs=1e-9)
    assert classifier_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10, rel=1e-12)
    assert classifier_score(torch.eye(10)[[3] * 20]) == pytest.approx(1, rel=1e-12)  # sure, of one class
    assert classifier_score(torch.eye(10)[:4].repeat(5, 1)) == pytest.approx(4, rel=1e-12)


def test_uneven_classes_have_the_exponential_of_their_entropy() -> None:
    p = torch.eye(2)[[0, 0, 0, 1]]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert classifier_score(p) == pytest.approx(math.exp(entropy), rel=1e-12)


def test_doubt_lowers_it() -> None:
    p = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64)
    divergence = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert classifier_score(p) == pytest.approx(math.exp(divergence), rel=1e-12)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(0, 3), torch.randn(4, 3), torch.tensor([[-0.5, 1.5]]), torch.full((3,), 1 / 3)]
)
def test_what_is_no_probability_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(LimnerError, match="rows of probabilities"):
        classifier_score(wrong)


def test_the_error_is_the_deviation_of_scores_of_other_samples() -> None:
    def draw(seed: int) -> Tensor:
        return (3 * torch.randn(400, 5, generator=torch.Generator().manual_seed(seed))).softmax(1)

    scores = torch.tensor([classifier_score(draw(seed)) for seed in range(300)])
    assert classifier_score_error(draw(0)) == pytest.approx(float(scores.std()), rel=0.2)
    assert classifier_score_error(torch.eye(5).repeat(20, 1)) == pytest.approx(0, abs=1e-12)
