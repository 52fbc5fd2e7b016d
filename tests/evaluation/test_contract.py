"""Evaluation by what a model declares: options of sampling, kinds of codes, labels, priors."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small
from torch import Tensor, nn

import limner
from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, Evaluation, compare, evaluate, mean_over_seeds, read_evaluation
from limner.inversion import Search
from limner.metrics import classifier
from limner.models.base import Model
from limner.models.latent import Latent, Normal, Uniform
from limner.training import Run

measuring = importlib.import_module("limner.evaluation.evaluate")  # the package has a function of that name
comparing = importlib.import_module("limner.evaluation.compare")
FEW: dict[str, Any] = {"n": 150, "k": 2, "images": 20, "quick": True}
EXTRACTOR = "discs-cnn-v1"


@pytest.fixture(scope="module")
def discs() -> Dataset:
    return Dataset("discs", "discs", blobs(300, (1, 16, 16)), blobs(200, (1, 16, 16), 1), None, (), "discs")


@pytest.fixture(scope="module")
def run(discs: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A small VAE of discs; everything is quick on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(cache))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        patch.setattr(measuring, "OTHERS", ())
        patch.setattr(measuring.images, "BOOTSTRAPS", 3)
        patch.setattr(measuring.smoothness, "PAIRS", 100)
        patch.setattr(measuring.inversions, "SEARCH", Search(16, 1, 3, polished=1, evaluations=1))
        folder = tmp_path_factory.mktemp("runs")
        yield limner.train(
            "vae", discs, images=1000, batch=50, out=folder / "vae", quiet=True, **small("vae")
        )


@pytest.fixture
def fresh(run: Run, tmp_path: Path) -> Run:
    """A copy without an evaluation."""
    again = Run(shutil.copytree(run.path, tmp_path / "vae", ignore=shutil.ignore_patterns("evaluation.*")))
    again.loaded = run.loaded
    return again


@pytest.fixture
def toy(fresh: Run) -> Callable[[Model], Run]:
    """Puts a model of the test's own into a run."""

    def put(model: Model) -> Run:
        fresh.model = model
        return fresh

    return put


class Toy(Model):
    """A linear decoder of 4 numbers, which records what `sample` and `decode` get."""

    def __init__(self, **declared: Any) -> None:
        super().__init__((1, 16, 16), Model.Options())
        self.weight = nn.Parameter(torch.randn(4, 256, generator=torch.Generator().manual_seed(0)) / 4)
        self.latents = {"z": Latent((4,), {"normal": Normal(4), "uniform": Uniform(4)}, **declared)}
        self.calls: list[dict[str, Any]] = []

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls.append({"decode": len(z), "y": y})
        return (z @ self.weight).tanh().unflatten(1, self.shape)

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T

    def sample(
        self, n: int, y: Tensor | None = None, *, prior: str | None = None, steps: int = 5, scale: float = 1.0
    ) -> Tensor:
        self.calls.append({"sample": n, "y": y, "prior": prior, "steps": steps, "scale": scale})
        return scale * self.decode(self.latent.draw(n, self.device, prior))


class Conditional(Toy):
    """The same for a model that needs a class of four."""

    labels = "required"
    classes = 4

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        assert y.shape == (len(z),)
        return super().decode(z, y)

    def sample(self, n: int, y: Tensor | None = None, *, steps: int = 5) -> Tensor:  # type: ignore[override]
        y = torch.arange(n) % 4 if y is None else y
        self.calls.append({"sample": n, "y": y, "steps": steps})
        return self.decode(self.latent.draw(n, self.device), y)


def names(evaluation: Evaluation) -> list[str]:
    return [measure.name for measure in evaluation.measures]


def test_options_of_sampling_reach_every_sample(toy: Callable[[Model], Run]) -> None:
    model = Toy()
    result = evaluate(toy(model), **FEW | {"quick": False}, sampling={"steps": 2, "prior": "uniform"})
    samples = [call for call in model.calls if "sample" in call]
    assert {call["steps"] for call in samples} == {2}
    assert {call["scale"] for call in samples} == {1.0}
    priors = [call["prior"] for call in samples]
    assert priors.count("uniform") == 1, "all families share the samples"
    assert priors.count("normal") == 1, "the other prior"
    assert f"fd[{EXTRACTOR}], normal" in names(result)
    assert f"fd[{EXTRACTOR}], uniform" not in names(result)
    assert result[f"path length[{EXTRACTOR}]"].note.startswith("lerp"), "codes from the uniform prior"
    assert result.provenance["sampling"] == {"steps": 2, "prior": "uniform"}
    assert "sampling steps 2" in result.header[1]
    assert "sampling prior uniform" in result.header[1]
    plain = evaluate(toy(Toy()), **FEW)
    assert plain[f"kid[{EXTRACTOR}]"].value != result[f"kid[{EXTRACTOR}]"].value
    assert plain[f"path length[{EXTRACTOR}]"].note.startswith("slerp")
    assert "sampling" not in plain.header[1]


def test_options_reach_requested_labels(toy: Callable[[Model], Run]) -> None:
    model = Conditional()
    result = evaluate(toy(model), **FEW, sampling={"steps": 3}, families=["conditional"])
    assert names(result)[0] == "gan-test"
    samples = [call for call in model.calls if "sample" in call]
    assert {call["steps"] for call in samples} == {3}
    assert sum(call["sample"] for call in samples) == 150


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"step": 2}, "has no option 'step': did you mean 'steps'"),
        ({"guidance": 1.0}, "has no option 'guidance': choose from: prior, steps, scale"),
        ({"prior": "uniforme"}, "no prior called 'uniforme': did you mean 'uniform'"),
    ],
)
def test_an_option_that_the_model_ignores_is_refused(
    sampling: dict[str, Any], message: str, toy: Callable[[Model], Run]
) -> None:
    model = Toy()
    with pytest.raises(LimnerError, match=message):
        evaluate(toy(model), **FEW, sampling=sampling)
    assert model.calls == [], "before any work"


def test_default_values_are_no_options(toy: Callable[[Model], Run]) -> None:
    result = evaluate(
        toy(Toy()), **FEW, families=["samples"], sampling={"steps": 5, "prior": "normal", "scale": None}
    )
    assert result.provenance["sampling"] == {}


def test_other_sampling_is_not_compared_with_the_default(
    fresh: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "FAMILIES", {"samples": FAMILIES["samples"]})
    monkeypatch.setattr(comparing, "compare_images", lambda runs, seed: {})
    other = Run(shutil.copytree(fresh.path, tmp_path / "other"))
    other.loaded = fresh.loaded
    gmm = evaluate(fresh, **FEW, sampling={"prior": "gmm"})
    stored = read_evaluation(fresh)
    assert stored is not None
    assert stored["sampling"] == {"prior": "gmm"}
    plain = evaluate(other, **FEW)
    assert mean_over_seeds([gmm, plain]) is None
    comparison = compare([fresh, other], **FEW)
    (recall,) = [measure for measure in comparison.measures if measure.name == "recall"]
    assert recall.differences[0] is not None
    assert recall.differences[0][0] == 0, "both with the default prior"
    (note,) = comparison.notes
    assert note.startswith("quick evaluations: ")
    stored = read_evaluation(fresh)
    assert stored is not None
    assert stored["sampling"] == {}
    assert json.loads((other.path / "evaluation.json").read_text())["sampling"] == {}


def test_other_priors_are_measured_and_those_of_a_gan_are_none(fresh: Run) -> None:
    result = evaluate(fresh, **FEW | {"quick": False}, families=["samples"])
    expected = [f"fd[{EXTRACTOR}], {prior}" for prior in ("gaussian", "full", "gmm")]
    assert [name for name in names(result) if "], " in name] == expected
    assert result[expected[2]].note == "codes drawn from 'gmm', fitted to the training codes"
    quick = evaluate(fresh, **FEW, families=["samples"])
    assert not [name for name in names(quick) if "], " in name]


def test_discrete_codes_have_no_path_and_no_pca(toy: Callable[[Model], Run]) -> None:
    result = evaluate(toy(Toy(kind="discrete", positions=2, levels=256)), **FEW)
    assert "mse" in names(result)
    assert not {"mse of PCA", "5 nearest: PCA", f"path length[{EXTRACTOR}]"} & set(names(result))
    assert "5 nearest: codes" in names(result)
    assert [line for line in result.left_out if "discrete" in line] == [
        "PCA of the same size: the code is discrete, 16 bits",
        "path length: the codes are discrete, so there are none between two of them",
        "inversion: the codes are discrete, and the search follows a gradient",
    ]
    plain = evaluate(toy(Toy()), **FEW)
    assert {"mse of PCA", "5 nearest: PCA", f"path length[{EXTRACTOR}]"} <= set(names(plain))


def test_codes_larger_than_images_have_no_pca(toy: Callable[[Model], Run]) -> None:
    class Wide(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.latents = {"x": Latent((257,), {})}

        def encode(self, x: Tensor) -> Tensor:
            return torch.nn.functional.pad(x.flatten(1), (0, 1))

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return z[:, :-1].unflatten(1, self.shape)

    result = evaluate(toy(Wide()), **FEW, families=["reconstruction", "codes"])
    assert result["mse"].value == 0
    assert not [name for name in names(result) if "PCA" in name]
    line = "PCA of the same size: the code has 257 numbers, PCA here at most 256 components"
    assert result.left_out == [line]


def test_a_decoder_that_needs_labels_gets_those_of_the_data(
    toy: Callable[[Model], Run], discs: Dataset
) -> None:
    model = Conditional()
    result = evaluate(toy(model), **FEW, families=["reconstruction", "smoothness"])
    assert [measure.family for measure in result.measures][:: len(result.measures) - 1] == [
        "reconstruction",
        "smoothness",
    ]
    reconstructed, near, far = model.calls
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:150]
    assert discs.test.labels is not None
    assert torch.equal(reconstructed["y"], discs.test.labels[order])
    assert near["decode"] == far["decode"] == 200
    assert torch.equal(near["y"], far["y"])
    assert len(near["y"].unique()) == 4
    again = Conditional()
    assert evaluate(toy(again), **FEW, families=["smoothness"]).measures == [result.measures[-1]]


def test_missing_labels_are_reported(toy: Callable[[Model], Run], discs: Dataset) -> None:
    fresh = toy(Conditional())
    plain = Dataset(
        "plain", "plain", Images(discs.train.pixels), Images(discs.test.pixels), None, (), "plain-discs"
    )
    fresh.loaded = plain
    result = evaluate(fresh, **FEW, families=["reconstruction", "smoothness"])
    reason = "a Conditional decodes with labels, and the data have none"
    assert result.left_out == [f"reconstruction: {reason}", f"smoothness: {reason}"]


def test_half_of_a_protocol_is_reported(toy: Callable[[Model], Run]) -> None:
    class Half(Toy):
        def log_likelihood(self, x: Tensor, k: int) -> Tensor:
            raise AssertionError("it has no protocol, so this is not called")

    result = evaluate(toy(Half()), **FEW, families=["likelihood", "codes"])
    assert {measure.family for measure in result.measures} == {"codes"}
    member = "limner.models.abilities.HasLikelihood"
    assert result.left_out == [f"log_likelihood: Half defines it, but not all members of {member}"]


def test_only_a_normal_prior_is_compared_with_one(toy: Callable[[Model], Run]) -> None:
    class Posterior(Toy):
        def sample_posterior(self, x: Tensor) -> Tensor:
            mu = self.encode(x)
            return mu + torch.randn_like(mu)

    model = Posterior()
    result = evaluate(toy(model), **FEW, families=["prior"])
    assert names(result) == ["mmd of codes to N(0, I)"]
    model.latents = {"z": Latent((4,), {"uniform": Uniform(4)})}
    assert names(evaluate(toy(model), **FEW, families=["prior"])) == []
