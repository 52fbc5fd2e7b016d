"""Labels kept, labels ignored, and classes that lack variety."""

from __future__ import annotations

import pytest
import torch
from small import blobs

from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.metrics import classifier
from limner.metrics.conditional import gan_test, gan_train, per_class_frechet
from limner.metrics.frechet import frechet

SHAPE = (1, 16, 16)
DISCS = Dataset("discs", "discs", blobs(300, SHAPE), blobs(100, SHAPE, 1), None, (), "f1")


def test_gan_test_is_the_share_of_labels_kept() -> None:
    probabilities = torch.eye(3)[[0, 1, 2, 2]]
    assert gan_test(probabilities, torch.tensor([0, 1, 2, 0])) == 3 / 4
    with pytest.raises(LimnerError, match="its label"):
        gan_test(probabilities, torch.tensor([0, 1]))


def test_gan_train_learns_from_samples_and_is_tested_on_real_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 3_000)
    samples = blobs(300, SHAPE, seed=2)
    assert samples.labels is not None
    state = torch.get_rng_state()
    good = gan_train(samples, DISCS)
    assert good > 0.85
    assert torch.equal(torch.get_rng_state(), state)
    turned = Images(samples.pixels, (samples.labels + 1) % 4)
    assert gan_train(turned, DISCS) < 0.15
    half = samples.labels < 2  # two of four classes only
    assert gan_train(Images(samples.pixels[half], samples.labels[half]), DISCS) < 0.7


def test_gan_train_refuses_what_does_not_fit() -> None:
    with pytest.raises(LimnerError, match="labelled"):
        gan_train(Images(DISCS.train.pixels), DISCS)
    with pytest.raises(LimnerError, match="uint8 images of"):
        gan_train(blobs(10, (3, 16, 16)), DISCS)


def test_each_class_has_its_own_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    features, real = torch.randn(2, 90, 4, generator=generator)
    labels = torch.arange(90) % 3
    features[labels == 1] += 5
    real_labels = labels.clone()
    real_labels[labels == 2] = torch.tensor([2] * 7 + [7] * 23)  # 7 of class 2: fewer than 2 d = 8
    found = per_class_frechet(features, labels, real, real_labels)
    assert set(found) == {0, 1}  # 7 is never generated
    assert found[0] == pytest.approx(frechet(features[labels == 0], real[labels == 0]))
    assert found[1] > 20 * found[0]
