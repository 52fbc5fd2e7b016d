"""Stacked MNIST: 1,000 modes of three digits, and the extractor that classifies them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import REAL

from limner.data import Dataset, load
from limner.metrics import class_counts, class_kl, class_kl_floor, classes_present, extractor, stacked_counts


@pytest.fixture(scope="module")
def stacked() -> Dataset:
    if not REAL.is_dir():
        pytest.skip(f"needs the real data sets in {REAL} (set LIMNER_DATA)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_DATA", str(REAL))
        return load("stacked-mnist")


def test_a_stack_is_three_digits_and_its_label_their_number(stacked: Dataset, real: Path) -> None:
    digits = load("mnist")
    assert stacked.shape == (3, 28, 28)
    assert (len(stacked.train), len(stacked.test)) == (60_000, 26_000)
    assert stacked.classes[407] == "407"
    known = {
        row.tobytes(): int(y) for row, y in zip(digits.test.pixels.numpy(), digits.test.labels, strict=True)
    }
    for image, label in zip(stacked.test.pixels[:50], stacked.test.labels[:50].tolist(), strict=True):
        digit_labels = [known[channel[None].numpy().tobytes()] for channel in image]
        assert digit_labels == [label // 100, label // 10 % 10, label % 10]


def test_the_extractor_classifies_the_triple_and_sees_each_channel(stacked: Dataset) -> None:
    classifier = extractor(stacked)
    assert classifier.name == "mnist-cnn-v1-stacked"
    assert classifier.classes == 1000
    some = stacked.test.pixels[:500]
    probabilities = classifier.classify(some)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(500))
    right = (probabilities.argmax(1) == stacked.test.labels[:500]).float().mean()
    assert abs(float(right) - classifier.accuracy) < 0.03
    features, swapped = classifier.features(some), classifier.features(some[:, [2, 1, 0]])
    torch.testing.assert_close(features, torch.cat(swapped.split(64, 1)[::-1], 1))


def test_real_stacks_cover_the_modes_down_to_the_floor_and_one_digit_does_not(stacked: Dataset) -> None:
    counts = torch.bincount(stacked.test.labels, minlength=1000)
    digits = torch.bincount(stacked.test.labels // 100, minlength=10)
    assert classes_present(counts) == 1000
    floor = class_kl_floor(1000, 26_000)
    assert floor == pytest.approx(0.0192, abs=1e-4)
    assert class_kl(counts, stacked_counts(digits)) == pytest.approx(floor, rel=0.15)
    grey = stacked.test.pixels[:300, :1].expand(-1, 3, -1, -1).contiguous()  # the same digit three times
    assert classes_present(class_counts(extractor(stacked).classify(grey))) <= 20
