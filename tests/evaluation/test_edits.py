"""Evaluation of edits: models whose edits are known to do nothing, or to be perfect and of other images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import small
from torch import Tensor

import limner
from limner import evaluate
from limner.data import Dataset, to_float
from limner.evaluation.edits import slope
from limner.metrics import classifier, extractor
from limner.models.caae import CAAE
from limner.training import Run


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return limner.train("caae", digits, images=64, quiet=True, out=out, on_trouble="ignore", **small("caae"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _quick(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache, and a classifier of turns that is trained for an epoch."""
    monkeypatch.setenv("LIMNER_CACHE", str(cache))
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    monkeypatch.setattr(classifier, "EPOCHS", 1)


def measure(run: Run) -> dict[str, limner.evaluation.Measure]:
    """The measures of edits by name."""
    evaluation = evaluate(run, n=150, quick=True, families=["edits"])
    assert evaluation.left_out == []
    return {measure.name.partition("[")[0]: measure for measure in evaluation.measures}


def test_a_model_that_does_nothing_gets_what_doing_nothing_gets(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CAAE, "edit", lambda model, x, y: x)
    values = measure(run)
    assert values["asked label"].value == pytest.approx(0.1), "each image has one of ten labels"
    assert values["asked label, untouched"].value == pytest.approx(values["asked label"].value)
    assert values["kept"].value > 0.98, "but where the other image is the image itself"
    assert values["kept"].error is not None
    assert values["change by edits"].value == 0
    assert values["asked label"].floor is not None
    assert values["asked label"].floor > 0.95, "real digits"
    assert "would get 0.100" in values["asked label"].note
    assert "slope of ages" not in values, "digits are no ages"


def test_images_of_the_asked_label_that_are_not_the_same_image_are_found_out(
    run: Run, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = digits.train.labels
    assert labels is not None

    def another(model: CAAE, x: Tensor, y: Tensor) -> Tensor:
        of_label = (labels == int(y[0])).nonzero()[:, 0]
        chosen = of_label[torch.randint(len(of_label), (len(x),))]
        return to_float(digits.train.pixels[chosen])

    monkeypatch.setattr(CAAE, "edit", another)
    values = measure(run)
    assert values["asked label"].value > 0.95
    assert values["kept"].value == pytest.approx(0.5, abs=0.05)
    assert values["change by edits"].value > 0.05


def test_the_slope_of_ages_has_a_closed_form() -> None:
    def answer(factor: float) -> dict[int, Tensor]:
        return {label: torch.full((6,), round(3 + factor * label)) for label in range(10)}

    assert slope(answer(0), answer(1)).value == pytest.approx(0)
    assert slope(answer(1), answer(2)).value == pytest.approx(1)
    assert slope(answer(1), answer(2)).floor == pytest.approx(2)
    assert slope(answer(-1), answer(1)).value == pytest.approx(-1)


def test_ages_count_within_one_group(run: Run, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.evaluation.edits.GROUPS", digits.classes)
    network = extractor(digits)

    def next_label(model: CAAE, x: Tensor, y: Tensor) -> Tensor:
        label = min(int(y[0]) + 1, 9)
        row = (network.classify(digits.test.pixels).argmax(1) == label).nonzero()[0]
        return to_float(digits.test.pixels[row]).expand(len(x), -1, -1, -1)

    monkeypatch.setattr(CAAE, "edit", next_label)
    values = measure(run)
    assert values["asked label"].value == pytest.approx(0.1), "only the last is right"
    assert values["asked age within one group"].value == pytest.approx(1)
    assert "would get 0.300" in values["asked age within one group"].note
    assert values["slope of ages"].value == pytest.approx(0.945, abs=0.02)


def test_codes_are_compared_with_the_prior(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def uniform(model: CAAE, x: Tensor) -> Tensor:
        return model.latent.draw(len(x), x.device)

    def doubled(model: CAAE, x: Tensor) -> Tensor:
        return uniform(model, x)[:, :1].expand(-1, model.latent.dim) / 2

    results = []
    for encode in (uniform, doubled):
        monkeypatch.setattr(CAAE, "encode", encode)
        evaluation = evaluate(run, n=300, quick=True, families=["uniformity"])
        results.append({measure.name: measure for measure in evaluation.measures})
    right, wrong = results
    for name in ("codes from the prior", "correlation of codes"):
        floor = right[name].floor
        assert floor is not None
        assert right[name].value == pytest.approx(floor, rel=0.3), "codes of the prior itself"
        assert wrong[name].value > 3 * floor
    assert wrong["codes from the prior"].value == pytest.approx(0.25, abs=0.06), "half as wide: at -1/2"
    assert wrong["correlation of codes"].value == pytest.approx(1)
