"""The three sentences: of measures with known faults, and of samplers with known faults."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import limner
from limner.data import Dataset, to_float
from limner.evaluation import Evaluation, Measure, evaluate
from limner.evaluation.sentences import GOOD, GRADES, describe, grade
from limner.models.base import Model
from limner.training import Run

# a good sampler: name -> value, value of real images, standard error
REAL: dict[str, tuple[float, float | None, float | None]] = {
    "fd[x-cnn-v1]": (12.0, 9.6, None),
    "precision": (0.93, 0.94, 0.01),
    "recall": (0.90, 0.95, 0.01),
    "density": (0.95, 0.96, None),
    "coverage": (0.92, 0.96, 0.01),
    "sharpness": (2.0, 2.06, 0.01),
    "classes of 10": (10, 10, None),
    "nearer to train": (0.51, 0.5, 0.016),
}
FAULTS: dict[str, tuple[dict[str, float], str, list[str]]] = {
    # fault: the measures that differ, the grade, what the second sentence says
    "collapsed": ({"precision": 0.996, "recall": 0.003}, "poor", ["recall 0.003", "show little"]),
    "few classes": ({"classes of 10": 3}, "weak", ["classes", "show little"]),
    "memorising": ({"nearer to train": 0.97}, "copies of training images", ["memorised", "97%"]),
    "blurred": ({"sharpness": 0.9, "density": 0.6}, "weak", ["blurred", "sharpness"]),
    "noisy": ({"sharpness": 4.5}, "weak", ["noisy"]),
    "unlike": ({"precision": 0.1, "density": 0.05}, "poor", ["unlike real images", "density"]),
}  # fmt: skip


def evaluation(values: dict[str, tuple[float, float | None, float | None]], run: Any = "gan-1") -> Evaluation:
    measures = [
        Measure(name, value, 1000, error, floor, form=".3f") for name, (value, floor, error) in values.items()
    ]
    return Evaluation([], measures, [], {"run": run})


def with_fault(changes: dict[str, float]) -> Evaluation:
    return evaluation(REAL | {name: (value, *REAL[name][1:]) for name, value in changes.items()})


def test_a_good_sampler_is_good_and_the_lowest_measure_is_named() -> None:
    first, second, third = describe(evaluation(REAL))
    assert first == (
        "Samples are close to real images: they reach 99% of the likeness and 95% of the variety of real "
        "images, at a Fréchet distance of 12.000 (real images 9.600)."
    )
    assert second.startswith("No measure is far below real images; the lowest is recall, 0.900")
    assert third == "Look at limner sample gan-1 --n 100 and judge by eye."


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    changes, word, parts = FAULTS[fault]
    first, second, third = describe(with_fault(changes))
    assert first.startswith(f"Samples are {word}: ")
    assert all(part in second for part in parts)
    assert re.match(r"Look at limner sample gan-1 --n 100 \w+", third)
    assert [name for name in ("memorised", "blurred", "noisy") if name in second] == [
        name for name in ("memorised", "blurred", "noisy") if name in parts
    ]


def test_high_precision_beside_no_recall_does_not_read_as_good() -> None:
    text = " ".join(describe(with_fault({"precision": 0.996, "recall": 0.003})))
    assert "poor" in text
    assert "close to" not in text


def test_a_share_of_copies_within_its_error_is_no_copying() -> None:
    few = REAL | {"nearer to train": (0.7, 0.5, 0.1)}  # of 20 samples
    assert "memorised" not in describe(evaluation(few))[1]


@pytest.mark.parametrize(
    ("share", "word"), [(1.0, "close"), (GOOD, "close"), (0.79, "fair"), (0.3, "weak"), (0.0, "poor")]
)
def test_grades(share: float, word: str) -> None:
    assert grade(share).startswith(word)
    assert list(GRADES) == sorted(GRADES, reverse=True)


def test_reconstructions_edits_and_translations() -> None:
    good = {"mse": (0.01, None, None), "mse of PCA": (0.02, None, None)}
    assert describe(evaluation(good))[1] == "No measure of reconstructions is worse than that of PCA."
    bad = describe(evaluation(good | {"mse": (0.03, None, None)}))
    assert bad[1].startswith("Reconstructions are worse than those of PCA")
    assert bad[2].startswith("Look at limner reconstruct gan-1")
    blurry = REAL | good | {"mse": (0.03, None, None)}
    assert "worse than those of PCA" in describe(evaluation(blurry))[1], "of a model that also samples"

    edits = {
        "asked label": (0.9, 0.98, 0.01),
        "asked label, untouched": (0.1, None, None),
        "kept[x-rot-v1]": (0.95, None, 0.01),
    }
    assert describe(evaluation(REAL | edits))[0].startswith("Edits are close to real images: 90%")
    lost = edits | {"kept[x-rot-v1]": (0.52, None, 0.01)}
    assert describe(evaluation(lost))[0].startswith("Edits are poor")
    assert "lose the image" in describe(evaluation(lost))[1]
    nothing = edits | {"asked label": (0.1, 0.98, 0.01), "kept[x-rot-v1]": (1.0, None, 0.01)}
    assert describe(evaluation(nothing))[0].startswith("Edits are poor"), "doing nothing keeps every image"
    assert "miss the asked label" in describe(evaluation(nothing))[1]

    both = {
        "taken for the target, A -> B": (0.9, 0.98, 0.01),
        "taken for the target, B -> A": (0.2, 0.97, 0.01),
    }
    first, second, third = describe(evaluation(both))
    assert first.startswith("Translations are weak: 20% of B -> A")
    assert second == "B -> A is the weaker direction."
    assert third.startswith("Look at limner translate gan-1 IMAGES")


def test_nothing_measured_has_no_sentences_and_means_have_them() -> None:
    assert describe(evaluation({"auroc, other images": (0.9, None, None)})) == []
    assert len(describe(evaluation(REAL, run=["gan-1", "gan-2"]))) == 3


FEW: dict[str, Any] = {"n": 179, "quick": True, "families": ["samples", "modes", "memorisation"]}


@pytest.fixture
def small_digits(digits: Dataset) -> Dataset:
    """As many training as test images, so that copies of them are seen."""
    return replace(digits, train=digits.train.subset(torch.arange(len(digits.test))))


class Copies(Model):
    """New images are some of those it has."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__((1, 28, 28), Model.Options())
        self.pixels, self.weight = pixels, nn.Parameter(torch.zeros(()))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return to_float(self.pixels[torch.randint(len(self.pixels), (n,))])


def toy(model: Model, data: Dataset) -> Run:
    """A run with this model and these data."""
    run = Run("run")
    run.model, run.loaded = model, data
    return run


def test_real_samplers_with_faults(digits: Dataset, small_digits: Dataset) -> None:
    limner.train("gan", digits, hidden=(8,), images=100, out="run", quiet=True)
    train, unseen = digits.train.pixels, digits.train.pixels[len(digits.test) :]
    copied = describe(evaluate(toy(Copies(small_digits.train.pixels), small_digits), **FEW))
    assert "memorised" in copied[1]
    collapsed = describe(evaluate(toy(Copies(train[:1]), digits), **FEW))
    assert collapsed[0].startswith("Samples are poor")
    assert "show little" in collapsed[1]
    soft = torch.nn.functional.avg_pool2d(unseen.float(), 5, 1, 2).byte()
    assert "blurred" in describe(evaluate(toy(Copies(soft), small_digits), **FEW))[1]
    good = describe(evaluate(toy(Copies(unseen), small_digits), **FEW))
    assert good[0].startswith("Samples are close to real images"), good
