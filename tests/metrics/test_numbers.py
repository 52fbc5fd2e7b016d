"""Classes, reconstructions and codes: what is known by hand or by another road."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import (
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    knn_accuracy,
    mse,
    pca,
    pca_mse,
    psnr,
    reconstruction,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_classes_are_counted_with_those_that_are_absent() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]])
    counts = class_counts(probabilities)
    assert counts.tolist() == [2, 0, 1]
    assert (classes_present(counts), classes_present(counts, least=2)) == (2, 1)


def test_the_divergence_has_its_direction() -> None:
    generated, reference = torch.tensor([4, 0]), torch.tensor([1, 1])
    assert class_kl(generated, reference) == pytest.approx(math.log(2))
    with pytest.raises(LimnerError, match="infinite"):
        class_kl(reference, generated)
    assert class_kl(reference, 5 * reference) == 0


def test_a_perfect_sampler_has_the_floor() -> None:
    reference = torch.tensor([100, 200, 300, 400])
    draws = torch.multinomial(reference / 1000, 500 * 400, True, generator=torch.Generator().manual_seed(0))
    values = [class_kl(torch.bincount(draw, minlength=4), reference) for draw in draws.split(500)]
    assert sum(values) / 400 == pytest.approx(class_kl_floor(4, 500), rel=0.15)


def test_errors_are_on_the_unit_scale_and_per_image() -> None:
    x = torch.full((2, 1, 2, 2), -1.0)
    y = x.clone()
    y[0] = 1
    y[1, 0, 0, 0] = 0  # one pixel of four by a half: 1/16
    assert mse(x, y).tolist() == [1, 1 / 16]
    assert psnr(x, y).tolist() == pytest.approx([0, 10 * math.log10(16)])
    with pytest.raises(LimnerError, match="do not compare"):
        mse(x, y[:1])


def test_pca_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    mixing = random(12, 12, seed=1)
    train, test = (random(n, 12, seed=n) @ mixing for n in (200, 50))
    theirs = SklearnPCA(3).fit(train.numpy())
    expected = torch.from_numpy(theirs.inverse_transform(theirs.transform(test.numpy()))).view(50, 1, 3, 4)
    train, test = train.view(200, 1, 3, 4), test.view(50, 1, 3, 4)
    assert torch.allclose(pca(train, 3).reconstruct(test, 3), expected, atol=1e-3)
    found = pca_mse(train, test, [3, 12])
    assert found[3] == pytest.approx(float(mse(expected, test).mean()), rel=1e-4)
    assert found[12] == pytest.approx(0, abs=1e-9)
    monkeypatch.setattr(reconstruction, "WIDEST", 5)  # the road for wide images
    assert pca_mse(train, test, [3])[3] == pytest.approx(found[3], rel=1e-2)
    with pytest.raises(LimnerError, match="principal axes"):
        pca(train, 13)


def test_neighbours_vote() -> None:
    train = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    test, wanted = torch.tensor([[0.5], [11.5], [5.0], [9.0]]), torch.tensor([0, 1, 0, 0])
    assert knn_accuracy(train, labels, test, wanted, k=3) == 3 / 4
