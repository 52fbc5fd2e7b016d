"""Evaluation of edits: models whose edits are known to do nothing, or to be perfect and of other images."""

from __future__ import annotations

import pytest
import torch
from small import small
from torch import Tensor

import limner
from limner import evaluate
from limner.data import Dataset, Images, to_float
from limner.data.ages import CLASSES, GENDER_PREFIX, PREFIX
from limner.evaluation.edits import hits, slope
from limner.metrics import classifier, extractor
from limner.models.caae import CAAE
from limner.training import Run


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return limner.train("caae", digits, images=64, quiet=True, out=out, on_trouble="ignore", **small("caae"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier of turns is trained for an epoch."""
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
    labels = range(10)
    right = {label: torch.full((6,), label) for label in labels}
    assert slope(dict.fromkeys(labels, torch.tensor([3])), right).value == pytest.approx(0)
    assert slope(right, right).value == pytest.approx(1)
    assert slope(right, {label: torch.tensor([label, 4]) for label in labels}).floor == pytest.approx(0.5)
    assert slope({label: torch.tensor([9 - label]) for label in labels}, right).value == pytest.approx(-1)


def test_ages_count_within_one_group(run: Run, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.evaluation.edits.has_ages", lambda dataset: True)
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


def test_the_gender_counts_alone_and_ages_count_without_it() -> None:
    def faces(prefix: str) -> Dataset:
        none = Images(torch.zeros(0, 3, 16, 16, dtype=torch.uint8))
        return Dataset("faces", "faces", none, none, CLASSES[prefix], (), "0")

    counted = hits(faces(GENDER_PREFIX))
    asked = torch.tensor(3)  # 16-20 male
    predicted = torch.tensor([3, 13, 4, 14, 5, 15, 2, 12, 19])
    assert counted["asked label"](predicted, asked).nonzero().flatten().tolist() == [0]
    assert predicted[counted["asked age within one group"](predicted, asked)].tolist() == [
        3,
        13,
        4,
        14,
        2,
        12,
    ]
    assert predicted[counted["asked gender"](predicted, asked)].tolist() == [3, 4, 5, 2]
    assert "asked gender" not in hits(faces(PREFIX))
    right = {label: torch.tensor([label]) for label in range(20)}
    assert slope(right, right).value == pytest.approx(1), "0-5 female is as young as 0-5 male"


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
