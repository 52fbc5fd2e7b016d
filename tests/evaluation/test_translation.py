"""Evaluation of translation: translators whose numbers are known, in both directions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import small
from torch import Tensor, nn

import limner
from limner import evaluate
from limner.cli import run as cli
from limner.data import Dataset, Domains, load_domains
from limner.data.dataset import fingerprint
from limner.evaluation import Evaluation, compare
from limner.metrics import classifier
from limner.models.base import Model
from limner.training import Run


def negative(dataset: Dataset) -> Dataset:
    """The data set with dark and light exchanged, and without labels."""
    train, test = (
        replace(images, pixels=255 - images.pixels, labels=None, names=None)
        for images in (dataset.train, dataset.test)
    )
    return replace(
        dataset, name="negatives", train=train, test=test, classes=None, fingerprint=fingerprint(train, test)
    )


def save(images: dict[str, Tensor], path: Path) -> Path:
    """Write a training and a test split into an .npz."""
    np.savez(path, **{name: pixels.numpy() for name, pixels in images.items()})
    return path


@pytest.fixture(scope="module")
def domains(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Domains:
    """Digits, one half as they are and the other half as negatives."""
    folder, half = tmp_path_factory.mktemp("data"), len(digits.train) // 2
    pixels, test = digits.train.pixels, digits.test.pixels
    a = save({"x_train": pixels[:half], "x_test": test}, folder / "a.npz")
    b = save({"x_train": 255 - pixels[half:], "x_test": 255 - test}, folder / "b.npz")
    return load_domains((a, b))


@pytest.fixture(scope="module")
def run(domains: Domains, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A CycleGAN that saw a few pairs."""
    out = tmp_path_factory.mktemp("runs") / "pair"
    settings = {"images": 40, "batch": 8, "quiet": True, "on_trouble": "ignore"}
    return limner.train("cyclegan", domains, out=out, **settings, **small("cyclegan"))


@pytest.fixture(autouse=True, scope="module")
def _quick_extractor(cache: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(cache))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        yield


class Translator(Model):
    """Translates by a given function of the image and the domain."""

    def __init__(self, factor: float) -> None:
        super().__init__((1, 28, 28), Model.Options())
        self.factor, self.weight = factor, nn.Parameter(torch.zeros(1))

    def translate(self, x: Tensor, to: str) -> Tensor:
        return self.factor * x

    def translator(self, to: str) -> str:
        return to


class Hiding(Translator):
    """To B: a flat image with a faint copy; to A: the copy, enlarged."""

    def translate(self, x: Tensor, to: str) -> Tensor:
        return 0.5 + 0.01 * x if to == "B" else ((x - 0.5) / 0.01).clamp(-1, 1)


def measure(run: Run, model: Model, tmp_path: Path) -> Evaluation:
    """The measures of translation of a model, on the run's data."""
    toy = Run(run.path)
    toy.model, toy.loaded = model, run.loaded
    return evaluate(toy, n=100, families=["translation"])


def test_the_true_translation_is_as_near_as_real_images(run: Run, tmp_path: Path) -> None:
    result = measure(run, Translator(-1.0), tmp_path)
    name = next(m.name for m in result.measures).partition(",")[0]
    for direction in ("A -> B", "B -> A"):
        kid = result[f"{name}, {direction}"]
        assert kid.floor is not None
        assert kid.error is not None
        assert abs(kid.value - kid.floor) < 5 * kid.error
        assert result[f"{name}, untranslated, {direction}"].value > 20 * abs(kid.value)
        assert result[f"taken for the target, {direction}"].value > 0.95
        assert result[f"luminance correlation, {direction}"].value == pytest.approx(-1, abs=1e-3)
        assert result[f"cycle psnr, {direction}"].value > 60
        assert result[f"fd{name.removeprefix('kid')}, {direction}"].n == 100


def test_doing_nothing_is_measured_as_doing_nothing(run: Run, tmp_path: Path) -> None:
    result = measure(run, Translator(1.0), tmp_path)
    name = next(m.name for m in result.measures).partition(",")[0]
    for direction in ("A -> B", "B -> A"):
        same, untranslated = result[f"{name}, {direction}"], result[f"{name}, untranslated, {direction}"]
        assert same.value == pytest.approx(untranslated.value, rel=1e-6)
        assert result[f"change, {direction}"].value == 0
        assert result[f"luminance correlation, {direction}"].value == pytest.approx(1, abs=1e-3)
        assert result[f"taken for the target, {direction}"].value < 0.05
        assert result[f"taken for the target, {direction}"].floor > 0.95


def test_recolouring_is_the_translation_of_negatives_only_by_values(run: Run, tmp_path: Path) -> None:
    """Matched histograms make digits as bright as negatives, and keep the strokes lighter than the ground."""
    result = measure(run, Translator(1.0), tmp_path)
    name = next(m.name for m in result.measures).partition(",")[0]
    nothing = result[f"{name}, untranslated, A -> B"].value
    assert 0 < result[f"{name}, recoloured, A -> B"].value < nothing


def test_hidden_information_is_lost_in_8_bits_and_in_noise(run: Run, tmp_path: Path) -> None:
    result = measure(run, Hiding(1.0), tmp_path)
    plain, stored, noise = (
        result[f"cycle psnr{name}, A -> B"].value for name in ("", ", stored in 8 bits", ", noise of 2%")
    )
    assert plain > 60
    assert stored < plain - 15
    assert noise < stored - 5


def test_it_is_measured_stored_and_compared(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["evaluate", str(run.path), "--n", "40"]) == 0
    text = capsys.readouterr().out
    assert "translation  kid[" in text
    assert "untranslated, B -> A" in text
    assert "not measured: fd[" in text, "40 images are too few for 64 features"
    stored = json.loads((run.path / "evaluation.json").read_text())
    assert stored["n"] == 40
    comparison = compare([run, run], n=40)
    assert comparison.pictures["pictures"].width > 300
    assert any(row.name.startswith("cycle psnr") for row in comparison.measures)


def test_a_grey_and_a_coloured_domain_are_measured(digits: Dataset, tmp_path: Path) -> None:
    def coloured(dataset: Dataset) -> Dataset:
        train, test = (
            replace(images, pixels=torch.cat([images.pixels, *[255 - images.pixels] * 2], 1))
            for images in (dataset.train, dataset.test)
        )
        return replace(dataset, train=train, test=test, fingerprint=fingerprint(train, test))

    few = replace(digits, train=digits.train.subset(torch.arange(200)))
    pair = Domains("grey-colour", few, coloured(negative(few)))
    trained = limner.train(
        "cyclegan", pair, out=tmp_path / "run", images=16, batch=8, quiet=True, **small("cyclegan")
    )
    result = evaluate(trained, n=30, families=["translation"])
    assert {m.name[-6:] for m in result.measures} == {"A -> B", "B -> A"}
