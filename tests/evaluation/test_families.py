"""Families that cannot be measured are named, and what each family asks of a model fits the data."""

from __future__ import annotations

import importlib
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import blobs, small
from torch import Tensor, nn

import limner
from limner.data import Dataset, Images, to_float
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, Evaluation, Family, evaluate
from limner.evaluation.codes import shapes_at
from limner.inversion import Search
from limner.metrics import Extractor, class_kl_floor, classifier, extractor
from limner.metrics.features import available_extractor
from limner.models.abilities import Samples
from limner.models.base import Model
from limner.models.latent import Latent, Normal
from limner.training import Run

measuring = importlib.import_module("limner.evaluation.evaluate")  # the package has a function of that name
FEW: dict[str, Any] = {"n": 150, "k": 2, "images": 20, "quick": True}
SHAPE = (1, 16, 16)


@pytest.fixture(scope="module")
def discs() -> Dataset:
    return Dataset(
        "discs", "discs", blobs(300, SHAPE), blobs(200, SHAPE, 1), ("a", "b", "c", "d"), (), "discs"
    )


@pytest.fixture(scope="module")
def folder(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(cache))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        patch.setattr(measuring, "OTHERS", ())
        patch.setattr(measuring.smoothness, "QUICK_PAIRS", 50)
        patch.setattr(measuring.inversions, "SEARCH", Search(16, 1, 3, polished=1, evaluations=1))
        yield tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def gan(discs: Dataset, folder: Path) -> Run:
    return train("gan", discs, folder)


@pytest.fixture
def toy(gan: Run, tmp_path: Path) -> Callable[[Model, Dataset], Run]:
    """Put a model of the test and data into a run."""

    def put(model: Model, data: Dataset) -> Run:
        run = Run(shutil.copytree(gan.path, tmp_path / "toy", dirs_exist_ok=True))
        run.model, run.loaded = model, data
        return run

    return put


def train(model: str, data: Dataset | str, folder: Path, **settings: Any) -> Run:
    settings = {**small(model), "images": 300, "batch": 50, "quiet": True, **settings}
    return limner.train(model, data, out=folder / f"{model}-{len(list(folder.iterdir()))}", **settings)


def families(result: Evaluation) -> set[str]:
    return {measure.family for measure in result.measures}


class InOrder(Model):
    """New images are those it has, in order; of requested classes, images of these, which it records."""

    labels = "optional"
    classes = 4

    def __init__(self, images: Images) -> None:
        super().__init__(SHAPE, Model.Options())
        self.images, self.weight = images, nn.Parameter(torch.zeros(1))
        self.requested: list[int] = []
        self.next = 0

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        assert self.images.labels is not None
        if y is None:
            rows, self.next = torch.arange(self.next, self.next + n), self.next + n
            return to_float(self.images.pixels[rows])
        self.requested += y.tolist()
        return to_float(self.images.pixels[[int((self.images.labels == label).nonzero()[0]) for label in y]])


# Families that fail


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LimnerError("no such luck"), "modes: no such luck"),
        (RuntimeError("size 48 does not fit\nmore of it"), "modes: size 48 does not fit"),
        (torch.linalg.LinAlgError("it did not converge"), "modes: it did not converge"),
        (ValueError("Input contains NaN."), "modes: Input contains NaN."),
        (np.linalg.LinAlgError("SVD did not converge"), "modes: SVD did not converge"),
        (ValueError(), "modes: ValueError"),
    ],
    ids=repr,
)
def test_a_family_that_cannot_be_measured_is_left_out_by_name(
    error: Exception, line: str, gan: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(record: object) -> list:
        raise error

    monkeypatch.setitem(FAMILIES, "modes", Family((Samples,), refuse))
    result = evaluate(gan, **FEW)
    assert line in result.left_out
    assert families(result) == {"samples", "memorisation", "smoothness", "inversion"}


@pytest.mark.parametrize(
    "error",
    [TypeError, AttributeError, KeyError, IndexError, AssertionError, NotImplementedError, RecursionError],
)
def test_errors_of_the_program_are_not_hidden(
    error: type[Exception], gan: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: object) -> list:
        raise error("a mistake")

    monkeypatch.setitem(FAMILIES, "modes", Family((Samples,), fail))
    with pytest.raises(error, match="a mistake"):
        evaluate(gan, **FEW)


def test_weights_that_are_not_finite_end_no_evaluation(discs: Dataset, folder: Path) -> None:
    run = train("vae", discs, folder)
    with torch.no_grad():
        for weight in run.model.parameters():
            weight.fill_(math.nan)
    result = evaluate(run, **FEW, families=["codes", "samples", "likelihood"])
    assert any(line.startswith("codes: ") and "NaN" in line for line in result.left_out)


def test_other_images_that_cannot_be_loaded_are_named(
    discs: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("autoencoder", discs, folder)
    monkeypatch.setattr(measuring, "OTHERS", ("digits",))

    def refuse(*args: object, **kwargs: object) -> Dataset:
        raise LimnerError("the files are damaged")

    monkeypatch.setattr(measuring.datasets, "load", refuse)
    result = evaluate(run, **FEW, families=["codes", "anomalies"])
    assert "auroc, other images: the files are damaged" in result.left_out
    assert families(result) == {"codes"}
    with pytest.raises(LimnerError, match="damaged"):
        evaluate(run, **FEW, families=["codes"], against="digits")


# Data of another size


def test_shapes_of_another_size_have_their_factors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Numbers:
        mig = sap = disentanglement = completeness = informativeness = factor_vae = 0.5

    drawn: list[tuple[Tensor, Tensor]] = []

    def record_call(z: Tensor, factors: Tensor, represent: Any, sizes: object, seed: int) -> Any:
        drawn.append((represent(factors), z))
        return Numbers

    monkeypatch.setattr(measuring.codes, "disentanglement", record_call)
    monkeypatch.setattr(measuring, "choose_extractor", lambda *_: extractor(limner.data.load("digits")))
    run = train("autoencoder", "shapes", folder, size=20, channels=3)
    assert run.shape == (3, 20, 20)
    result = evaluate(run, **FEW, families=["codes", "factors"])
    assert families(result) == {"codes", "factors"}
    torch.testing.assert_close(drawn[0][0], drawn[0][1], rtol=1e-4, atol=1e-5)
    factors = limner.data.shapes.factors_of("test")[:20]
    assert torch.equal(shapes_at(factors, (3, 20, 20)), run.original.test.pixels[:20])


def stacked_digits(digits: Dataset, side: int) -> Dataset:
    """Three digits as the channels of one image, under the name of the stacked MNIST."""

    def stack(images: Images, n: int, seed: int) -> Images:
        rows = torch.randint(len(images), (n, 3), generator=torch.Generator().manual_seed(seed))
        pixels = torch.nn.functional.interpolate(images.pixels, size=(side, side))
        assert images.labels is not None
        return Images(pixels[rows, 0], images.labels[rows] @ torch.tensor([100, 10, 1]))

    train, test = stack(digits.train, 1500, 0), stack(digits.test, 300, 1)
    return Dataset("stacked-mnist", "stacked-mnist", train, test, None, (), f"stacked-{side}")


def test_stacked_digits_of_another_size_are_measured(
    digits: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 15_000)
    data = stacked_digits(digits, 20)
    assert available_extractor(data) is None, "that of 28x28 does not fit"
    run = train("gan", data, folder)
    result = evaluate(run, **FEW | {"n": 300})
    assert families(result) == {"samples", "modes", "memorisation", "smoothness", "inversion"}
    assert "classes of 1000" in {measure.name for measure in result.measures}
    trained = available_extractor(data)
    assert isinstance(trained, Extractor)
    assert (trained.name, trained.shape, trained.classes) == (
        "stacked-mnist-cnn-v1-stacked",
        (3, 20, 20),
        1000,
    )
    correct = (trained.classify(data.test.pixels).argmax(1) == data.test.labels).double().mean()
    assert float(correct) == pytest.approx(trained.accuracy, abs=0.08)
    assert float(correct) > 0.7
    pinned = available_extractor(stacked_digits(digits, 28))
    assert pinned is not None
    assert pinned.name == "mnist-cnn-v1-stacked"


# Classes


def test_labels_are_requested_as_often_as_the_data_have_them(
    toy: Callable[[Model, Dataset], Run], discs: Dataset
) -> None:
    assert discs.test.labels is not None
    rare = (discs.test.labels != 2) | (torch.arange(len(discs.test)) % 10 == 0)
    data = replace(discs, test=discs.test.subset(rare.nonzero()[:, 0]))
    model = InOrder(discs.train)
    result = evaluate(toy(model, data), **FEW | {"n": 1000}, families=["conditional"])
    assert data.test.labels is not None
    assert sorted(model.requested) == sorted(data.test.labels.tolist()), "all that is measured"
    assert model.requested != sorted(model.requested), "in no order"
    assert result["gan-test"].n == len(data.test)


def test_classes_have_distances_with_floors_and_small_ones_are_named(
    toy: Callable[[Model, Dataset], Run], discs: Dataset
) -> None:
    test = blobs(800, SHAPE, 1)
    assert test.labels is not None
    rare = (test.labels != 2) | (torch.arange(len(test)) % 10 == 0)
    data = replace(discs, train=blobs(800, SHAPE), test=test.subset(rare.nonzero()[:, 0]), fingerprint="more")
    result = evaluate(toy(InOrder(discs.train), data), **FEW | {"n": 1000}, families=["conditional"])
    for label, name in ((0, "a"), (1, "b"), (3, "d")):
        measure = result[f"fd, class {name}"]
        assert measure.n == int((test.labels == label).sum())
        assert measure.floor is not None
        assert 0 < measure.floor < measure.value / 3, "one and the same image of the class"
    assert "fd, class c" not in {measure.name for measure in result.measures}
    assert "fd of classes c: fewer than 128 test images or samples" in result.left_out


def test_a_class_left_out_of_training_is_not_requested(
    discs: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring.smoothness, "PAIRS", 20)
    monkeypatch.setattr(measuring.images, "BOOTSTRAPS", 2)
    run = train("cgan", discs, folder, leave_out="d")
    labels: list[Tensor] = []
    run.model.G.register_forward_pre_hook(lambda layer, inputs: labels.append(inputs[1]))
    result = evaluate(run, **FEW | {"quick": False})
    drawn = torch.cat(labels)
    assert set(drawn.tolist()) == {0, 1, 2}
    assert discs.test.labels is not None
    assert "gan-train" in {measure.name for measure in result.measures}


def classify_exactly(self: Extractor, pixels: Tensor) -> Tensor:
    """The quadrant of the disc, with nearly full certainty, less for bright images."""
    light = pixels.float().mean(1)
    rows, columns = torch.arange(16.0) - 7.5, torch.arange(16.0) - 7.5
    y = (light.sum(2) @ rows > 0) * 2 + (light.sum(1) @ columns > 0)
    certain = 0.99 - light.mean((1, 2)) / 1000
    return (
        torch.nn.functional.one_hot(y, 4) * (certain - (1 - certain) / 3)[:, None]
        + (1 - certain[:, None]) / 3
    )


def test_classes_of_samples_and_of_real_images_are_counted_by_one_rule(
    toy: Callable[[Model, Dataset], Run], discs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extractor, "classify", classify_exactly)
    labels = classify_exactly(None, discs.test.pixels).argmax(1)  # type: ignore[arg-type]
    two = (labels == 2).nonzero()[:, 0][:2]  # below a tenth of an even share
    rows = torch.cat([two, (labels != 2).nonzero()[:, 0]])
    data = replace(discs, test=discs.test.subset(rows))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    result = evaluate(
        toy(InOrder(data.test.subset(order)), data), **FEW | {"n": len(rows)}, families=["modes"]
    )
    classes, score = result["classes of 4"], result["score[discs-cnn-v1]"]
    assert classes.value == classes.floor == 3, "the very images"
    assert score.value == pytest.approx(score.floor, rel=1e-6)
    assert score.error is not None
    assert score.error > 0
    assert result["kl of classes"].value == pytest.approx(0, abs=1e-9)


def test_the_floor_of_the_divergence_counts_both_sides(
    toy: Callable[[Model, Dataset], Run], discs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler of the data's distribution: independent images and independent test images."""
    run = toy(InOrder(blobs(300, SHAPE, 2)), discs)
    result = evaluate(run, **FEW | {"quick": False}, families=["modes"])["kl of classes"]
    assert result.floor == pytest.approx(class_kl_floor(4, 150, 200))
    assert result.floor == pytest.approx(3 / 2 * (1 / 150 + 1 / 200))
    assert result.error is not None
    assert result.error > 0
    values = []
    for seed in range(12):
        run = toy(InOrder(blobs(150, SHAPE, 100 + seed)), replace(discs, test=blobs(150, SHAPE, 200 + seed)))
        one = evaluate(run, **FEW | {"n": 150}, families=["modes"])["kl of classes"]
        values.append(one.value / one.floor)
    assert 0.6 < np.mean(values) < 1.5, "a perfect sampler has the floor"


# Decoders with random parts, densities


def test_the_path_length_of_a_generator_with_dropout_is_that_of_one_mask(
    discs: Dataset, folder: Path
) -> None:
    run = train("gan", discs, folder, generator_dropout=0.3, images=2000)
    noisy = evaluate(run, **FEW, families=["smoothness"]).measures[0]
    for layer in run.model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    plain = evaluate(run, **FEW, families=["smoothness"]).measures[0]
    assert plain.value / 5 < noisy.value < 5 * plain.value
    assert noisy.value != plain.value


class Grey(Model):
    """Every pixel is N(m, sigma^2) on the [0, 1] scale, m a grey level: a density."""

    protocol, grey_levels = "a density", 256

    def __init__(self, sigma: float) -> None:
        super().__init__(SHAPE, Model.Options())
        self.sigma, self.weight = sigma, nn.Parameter(torch.zeros(1))

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        normal = torch.distributions.Normal(torch.tensor(100 / 255).double(), self.sigma)
        return normal.log_prob((x.double() + 1) / 2).flatten(1).sum(1)


def test_bits_of_a_density_are_those_of_dequantised_images(
    toy: Callable[[Model, Dataset], Run], discs: Dataset
) -> None:
    pixels = torch.full((200, *SHAPE), 100, dtype=torch.uint8)
    pixels[:, :, ::2] = 101  # 1 bit for each pixel says all
    data = replace(discs, test=Images(pixels, discs.test.labels))
    for sigma in (0.1, 0.5, 1.0):
        run = toy(Grey(sigma / 255), data)
        result = evaluate(run, **FEW, families=["likelihood"])
        bits, level = result["bits per dim"], torch.distributions.Normal(100.0, sigma)
        mass = [level.cdf(torch.tensor(v + 0.5)) - level.cdf(torch.tensor(v - 0.5)) for v in (100, 101)]
        exact = -sum(float(share.double().clamp_min(1e-300).log2()) for share in mass) / 2
        assert bits.value > exact - 0.02, "a bound"
        assert bits.error is not None
        assert "dequantised" in bits.note
        assert "k 2" in bits.note
        nats = result["log p(x) (k 2)"].value
        assert nats == pytest.approx(
            float(Grey(sigma / 255).log_likelihood(to_float(pixels[:1]), 1)), rel=1e-6
        )


def test_paths_of_a_conditional_model_have_labels_that_were_trained_on(
    toy: Callable[[Model, Dataset], Run], discs: Dataset
) -> None:
    class Conditional(Model):
        labels, classes = "required", 4

        def __init__(self) -> None:
            super().__init__(SHAPE, Model.Options())
            self.weight = nn.Parameter(torch.ones(1))
            self.latents = {"z": Latent((256,), {"normal": Normal(256)})}
            self.seen: set[int] = set()

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            assert y is not None
            self.seen |= set(y.tolist())
            return z.tanh().unflatten(1, SHAPE)

        def sample(self, n: int, y: Tensor | None = None) -> Tensor:
            return self.decode(self.latent.draw(n, self.device), y)

    run = toy(Conditional(), discs)
    run.viewed = discs.without("a")
    evaluate(run, **FEW, families=["smoothness"])
    assert run.model.seen == {1, 2, 3}
