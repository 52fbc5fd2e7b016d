"""Each model's file says where it differs from the lecture, and the loss is the correct formula."""

from __future__ import annotations

import inspect
import sys

import pytest
import torch

from limner.losses import kl_normal
from limner.models import MODELS, model_class


@pytest.mark.parametrize("name", MODELS)
def test_the_file_says_where_it_differs_from_the_lecture(name: str) -> None:
    text = inspect.getdoc(sys.modules[model_class(name).__module__]) or ""
    assert "Differs from the lecture in: " in text
    assert "Differs from the paper in" in text


def test_the_kl_term_is_not_the_one_that_the_lecture_prints() -> None:
    mu, sigma = torch.tensor([[0.3, -1.2]]), torch.tensor([[0.5, 2.0]])
    correct = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, sigma), torch.distributions.Normal(0.0, 1.0)
    )
    printed = sigma**2 + mu**2 - sigma.log() - 1
    torch.testing.assert_close(kl_normal(mu, 2 * sigma.log()), correct)
    assert not torch.allclose(correct, printed)
