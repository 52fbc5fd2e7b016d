"""Every model is measured by its abilities, and samplers with known faults get bad numbers."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import IMAGE_MODELS, blobs, small
from torch import Tensor, nn

import limner
from limner.data import Dataset, Images, to_float
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, Evaluation, Family, evaluate, mean_over_seeds, read_evaluation
from limner.explore.codes import choose_indices
from limner.inversion import Search
from limner.metrics import classifier, importance_bound
from limner.models.abilities import Samples, abilities
from limner.models.base import Model
from limner.models.latent import Latent
from limner.training import Run, codes

measuring = importlib.import_module("limner.evaluation.evaluate")  # the package has a function of that name
FEW: dict[str, Any] = {"n": 150, "k": 60, "images": 20, "quick": True}


@pytest.fixture(scope="module")
def folder(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this file's runs are, and one cache for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(cache))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        patch.setattr(measuring.codes, "PROBED", (400, 100))
        patch.setattr(measuring.inversions, "SEARCH", Search(16, 1, 3, polished=1, evaluations=1))
        yield tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Images of another kind only for the VAE of `evaluations`."""
    monkeypatch.setattr(measuring, "OTHERS", ())


@pytest.fixture(scope="module")
def runs(digits: Dataset, folder: Path) -> dict[str, Run]:
    """Every model, briefly trained, small where its own numbers are not looked at."""
    settings: dict[str, Any] = {"images": 200, "batch": 50, "quiet": True}
    options = {name: {} if name == "vae" else small(name) for name in IMAGE_MODELS}
    return {
        name: limner.train(name, digits, out=folder / name, **settings, **own)
        for name, own in options.items()
    }


@pytest.fixture(scope="module")
def evaluations(runs: dict[str, Run]) -> dict[str, Evaluation]:
    """What was measured of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "OTHERS", ("digits", "shapes"))
        result = {"vae": evaluate(runs["vae"], **FEW)}
        patch.setattr(measuring, "OTHERS", ())  # they take long to draw
        return result | {name: evaluate(run, **FEW) for name, run in runs.items() if name != "vae"}


class Toy(Model):
    """A model with images of its own, `pixels`."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__(tuple(pixels.shape[1:]), Model.Options())
        self.pixels, self.weight = pixels, nn.Parameter(torch.zeros(1))


class Copies(Toy):
    """New images are those it has."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return to_float(self.pixels[torch.randint(len(self.pixels), (n,))])


class OfClass(Copies):
    """Images of the requested class, or of the next one."""

    classes = 10
    labels = "optional"

    def __init__(self, train: Images, off: int) -> None:
        super().__init__(train.pixels)
        assert train.labels is not None
        self.of = [(train.labels == (label + off) % 10).nonzero()[:, 0] for label in range(10)]

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        if y is None:
            return super().sample(n)
        return to_float(self.pixels[[int(self.of[label][torch.randint(50, ())]) for label in y]])


class Likely(Toy):
    """Every pixel is N(0, 1): log p(x) is exact, and there is no code."""

    protocol = "exact density"
    grey_levels = 1

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        return (-x.square() / 2 - math.log(2 * math.pi) / 2).flatten(1).sum(1)


class Exact(Toy):
    """Encodes and decodes without any change."""

    latents = {"x": Latent((784,), {})}

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z.unflatten(1, (1, 28, 28))


@pytest.fixture
def toy(runs: dict[str, Run], tmp_path: Path) -> Callable[[Model, Dataset], Run]:
    """Put a model of the test and data into a run."""

    def put(model: Model, data: Dataset) -> Run:
        run = Run(
            shutil.copytree(runs["gan"].path, tmp_path / "toy", ignore=shutil.ignore_patterns("state.pt"))
        )
        run.model, run.loaded = model, data
        return run

    return put


def names(result: Evaluation, family: str) -> list[str]:
    return [m.name for m in result.measures if m.family == family]


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_a_model_is_measured_by_what_it_can_do(
    model: str, runs: dict[str, Run], evaluations: dict[str, Evaluation]
) -> None:
    suitable = {name for name, family in FAMILIES.items() if family.suits(runs[model].model)}
    result = evaluations[model]
    without = {"factors"} if model == "vae" else {"factors", "anomalies"}  # of digits no factors are known
    assert {m.family for m in result.measures} == suitable - without
    left_out = [line for line in result.left_out if not line.startswith("fd of classes")]  # few images
    assert left_out == [] or "anomalies" in suitable
    assert {m.n for m in result.measures if m.family in ("reconstruction", "samples", "modes")} == {150}
    titles = [(m.family, m.name) for m in result.measures]
    assert len({name for _, name in titles}) == len(titles), "a name means one measure"
    for one in result.measures:
        numbers = [v for v in (one.value, one.error, one.floor) if v is not None]
        assert all(map(math.isfinite, numbers)), one
        assert one.error is None or one.error >= 0
        assert one.better in ("", "lower", "higher")
    for name in ("fd[digits-cnn-v1]", "kid[digits-cnn-v1]", "recall"):
        assert result[name].floor is not None, "no distance without its floor"


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_what_is_written_holds_everything(
    model: str, runs: dict[str, Run], evaluations: dict[str, Evaluation]
) -> None:
    run, result = runs[model], evaluations[model]

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is not JSON")

    record = json.loads((run.path / "evaluation.json").read_text(), parse_constant=refuse)
    kept = [
        {k: getattr(m, k) for k in ("family", "name", "value", "error", "floor", "n")}
        for m in result.measures
    ]
    assert [{k: one[k] for k in kept[0]} for one in record["measures"]] == kept, "raw, not rounded"
    assert (record["run"], record["model"], record["data"]["name"]) == (model, model, "digits")
    sizes = {"n": 150, "k": 60, "images": 20, "seed": 0, "quick": True}
    assert {name: record[name] for name in sizes} == sizes
    assert (record["images_seen"], record["training_seed"], record["split"]) == (200, 0, "test")
    extracted = record["extractor"]
    assert extracted["name"] == "digits-cnn-v1"
    assert len(extracted["sha256"]) == 64
    assert extracted["accuracy"] > 0.95
    assert set(record["versions"]) >= {"limner", "torch", "numpy"}
    assert record["averaged"] == list(run.model.ema)
    assert record["sampling"] == {}
    assert {"batch", "clip", "warmup", "leave_out"} <= set(record["training"])
    assert not {"seed", "images", "epochs"} & set(record["training"])
    assert read_evaluation(run) == record
    values = {f"{m.family}: {m.name}": m for m in result.measures}
    with np.load(run.path / "evaluation.npz") as each:
        singles = {name for name, m in values.items() if m.per_image is not None}
        assert set(each.files) == singles
        assert ("reconstruction: mse" in singles) == ("encode" in abilities(run.model))
        for name in each.files:
            assert len(each[name]) == values[name].n
            assert each[name].mean() == pytest.approx(values[name].value, rel=1e-12)


def test_some_families_alone_are_measured_and_not_kept(
    runs: dict[str, Run], evaluations: dict[str, Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "load_other", None)  # only anomalies need them
    before = (runs["vae"].path / "evaluation.json").read_text()
    result = evaluate(runs["vae"], **FEW, families=["modes", "samples"])
    assert list(dict.fromkeys(m.family for m in result.measures)) == ["samples", "modes"]
    assert result["recall"].value == evaluations["vae"]["recall"].value
    assert (runs["vae"].path / "evaluation.json").read_text() == before


def test_the_table_names_each_family_once(evaluations: dict[str, Evaluation]) -> None:
    result = evaluations["vae"]
    lines = result.table().splitlines()
    assert len(lines) == 1 + len(result.measures)
    firsts = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    assert firsts == list(dict.fromkeys(m.family for m in result.measures))
    assert all(word in result.header[1] for word in ("n 150", "seed 0", "quick", "digits-cnn-v1", "sha256"))
    assert "auroc, other images" in names(result, "anomalies")
    assert result.provenance["against"] == "shapes"
    assert any("--leave-out" in line for line in result.left_out)
    with pytest.raises(KeyError):
        result["no such measure"]


def test_the_same_seed_gives_the_same_numbers_another_gives_others(
    runs: dict[str, Run], evaluations: dict[str, Evaluation]
) -> None:
    state = torch.get_rng_state()
    again, other = evaluate(runs["gan"], **FEW), evaluate(runs["gan"], **FEW, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert again.measures == evaluations["gan"].measures
    assert other["fd[digits-cnn-v1]"].value != again["fd[digits-cnn-v1]"].value
    assert other["fd[digits-cnn-v1]"].value == pytest.approx(again["fd[digits-cnn-v1]"].value, rel=0.5)


def test_nothing_depends_on_the_size_of_a_batch(
    runs: dict[str, Run], evaluations: dict[str, Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "BATCH", 16)
    for one in evaluate(runs["vae"], **FEW).measures:
        assert one.value == pytest.approx(evaluations["vae"][one.name].value, rel=1e-5, abs=1e-9), one.name


def test_a_perfect_sampler_is_as_good_as_real_images(toy: Callable, digits: Dataset) -> None:
    result = evaluate(toy(Copies(digits.train.pixels), digits), n=179, quick=True)
    assert {m.family for m in result.measures} == {"samples", "modes", "memorisation"}
    fd, kid = result["fd[digits-cnn-v1]"], result["kid[digits-cnn-v1]"]
    assert fd.floor is not None
    assert kid.floor is not None
    assert fd.floor / 2 < fd.value < 2 * fd.floor
    assert abs(kid.value - kid.floor) < 4 * kid.error
    for name in ("precision", "recall", "density", "coverage"):
        assert result[name].value == pytest.approx(result[name].floor, abs=0.12), name
    assert result["classes of 10"].value == 10
    assert result["score[digits-cnn-v1]"].value == pytest.approx(
        result["score[digits-cnn-v1]"].floor, rel=0.05
    )
    # twice the value over the floor's terms is chi-squared with 9 degrees of freedom: .1 % exceed 3.1 times 9
    assert result["kl of classes"].value < 3.1 * result["kl of classes"].floor
    assert result["kl of classes"].floor == pytest.approx(9 / 2 * (1 / 179 + 1 / 179))


def test_a_sampler_that_copies_its_training_images_has_bad_numbers(toy: Callable, digits: Dataset) -> None:
    known = Images(digits.train.pixels[:179], digits.train.labels[:179])
    few = replace(digits, train=known)
    copied = evaluate(toy(Copies(known.pixels), few), n=179, quick=True)
    assert copied["nearer to train"].value > 0.99
    assert copied["nearest train / test"].value < 0.01
    assert copied["authentic"].value == 0
    assert copied["authentic"].floor > 0.3


def test_a_sampler_of_other_images_has_good_numbers(toy: Callable, digits: Dataset) -> None:
    known = Images(digits.train.pixels[:179], digits.train.labels[:179])
    other = evaluate(toy(Copies(digits.train.pixels[179:]), replace(digits, train=known)), n=179, quick=True)
    assert other["nearer to train"].value == pytest.approx(0.5, abs=0.15)
    assert other["nearest train / test"].value == pytest.approx(1, abs=0.2)
    assert other["authentic"].value == pytest.approx(other["authentic"].floor, abs=0.15)


def test_a_constant_sampler_has_bad_numbers(toy: Callable, digits: Dataset) -> None:
    result = evaluate(toy(Copies(digits.train.pixels[:1]), digits), n=179, quick=True)
    assert result["recall"].value == 0
    assert result["coverage"].value < 0.1
    assert result["classes of 10"].value == 1
    assert result["score[digits-cnn-v1]"].value == pytest.approx(1, abs=1e-3)
    assert result["kl of classes"].value > 1.5
    assert result["fd[digits-cnn-v1]"].value > 20 * result["fd[digits-cnn-v1]"].floor


def test_labels_kept_and_labels_ignored(
    toy: Callable, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring.images, "BOOTSTRAPS", 5)
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 5000)
    kept = evaluate(toy(OfClass(digits.train, 0), digits), n=250)
    shutil.rmtree(tmp_path / "toy")
    shifted = evaluate(toy(OfClass(digits.train, 1), digits), n=250, quick=True)
    assert "conditional" in {m.family for m in shifted.measures}
    test = kept["gan-test"]
    assert test.value == pytest.approx(test.floor, abs=0.03)
    assert shifted["gan-test"].value < 0.1
    assert kept["gan-train"].value == pytest.approx(kept["gan-train"].floor, abs=0.15)
    assert kept["gan-train"].value > 0.6
    assert "gan-train" not in names(shifted, "conditional"), "quick leaves it out"
    assert kept["fd[digits-cnn-v1]"].error > 0
    assert shifted["fd[digits-cnn-v1]"].error is None


def test_the_likelihood_is_the_bound(runs: dict[str, Run], evaluations: dict[str, Evaluation]) -> None:
    run, result = runs["vae"], evaluations["vae"]
    x = to_float(run.data.test.pixels[choose_indices(179, 150, 0)])
    nats = importance_bound(run.model, x, (1,), 0)[1]
    elbo = result["elbo (k 1)"]
    assert elbo.value == pytest.approx(float(nats.mean()), rel=1e-12)
    assert elbo.error == pytest.approx(float(nats.std() / 150**0.5), rel=1e-9)
    of_some = float(nats[:20].mean())
    curve = [of_some, result["log p(x) (k 50)"].value, result["log p(x) (k 60)"].value]
    assert curve == sorted(curve)
    assert curve[2] > curve[0] + 0.1
    smooth = math.log2(255) - curve[-1] / (784 * math.log(2))
    assert result["bits per dim"].value == pytest.approx(smooth, abs=1e-3), (
        "sigma is large: noise costs little"
    )
    assert run.model.protocol in elbo.note
    rec, kl = (float(word) for word in elbo.note.split(" = ")[1].split(";")[0].split(" - KL "))
    assert rec - kl == pytest.approx(elbo.value, abs=0.11)
    assert result["active units"].value <= run.model.latent.dim
    assert result["mmd of codes to N(0, I)"].floor > 0


def test_a_bernoulli_has_its_own_bits_and_protocol(digits: Dataset, tmp_path: Path) -> None:
    options = {"likelihood": "bernoulli", "binarisation": "static", "latent_dim": 2}
    run = limner.train("vae", digits, images=500, out=tmp_path / "b", quiet=True, **options)
    result = evaluate(run, **FEW | {"n": 40, "k": 1})
    nats = result["log p(x) (k 1)"].value
    assert result["bits per dim"].value == pytest.approx(-nats / (784 * math.log(2)))
    assert "black or white, drawn once" in result["elbo (k 1)"].note
    assert result.provenance["protocol"] in result["elbo (k 1)"].note
    pixels = run.data.test.pixels[choose_indices(179, 40, 0)]
    assert torch.equal(pixels, run.model.view(digits.test.pixels)[choose_indices(179, 40, 0)])
    assert set(pixels.unique().tolist()) == {0, 255}
    y = run.model.decode(run.model.encode(to_float(pixels)))
    assert result["mse"].value == pytest.approx(float((y - to_float(pixels)).square().mean() / 4), rel=1e-4)


def test_an_exact_likelihood_without_a_code(toy: Callable, digits: Dataset) -> None:
    result = evaluate(toy(Likely(digits.train.pixels), digits), **FEW)
    assert {m.family for m in result.measures} == {"likelihood"}
    exact = [result[f"log p(x) (k {k})"].value for k in (50, 60)]
    assert exact[0] == exact[1]
    x = to_float(digits.test.pixels[choose_indices(179, 150, 0)]).double()
    nats = -(x.square().sum((1, 2, 3)) + 784 * math.log(2 * math.pi)) / 2
    assert result["elbo (k 1)"].value == pytest.approx(float(nats.mean()), rel=1e-5)
    assert "exact density" in result["elbo (k 1)"].note


def test_what_is_not_finite_is_null_in_the_file(toy: Callable, digits: Dataset) -> None:
    result = evaluate(toy(Exact(digits.train.pixels), digits), **FEW)
    assert result["mse"].value == 0
    assert result["psnr"].value == math.inf
    assert result["fd[digits-cnn-v1], reconstructed"].value == pytest.approx(0, abs=1e-6)
    assert "inf" in result.table()
    record = json.loads((Path("toy") / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert [m["value"] for m in record["measures"] if m["name"] == "psnr"] == [None]


def test_runs_that_differ_in_the_seed_only_have_a_mean(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "FAMILIES", {"samples": FAMILIES["samples"]})

    def measured(name: str, **settings: Any) -> Evaluation:
        run = limner.train("gan", digits, images=256, out=tmp_path / name, quiet=True, **settings)
        return evaluate(run, **FEW | {"n": 40})

    three = [measured(str(seed), seed=seed) for seed in range(3)]
    mean = mean_over_seeds(three)
    assert mean is not None
    values = [one["recall"].value for one in three] + [one["density"].value for one in three]
    assert mean["recall"].value == pytest.approx(np.mean(values[:3]), rel=1e-12)
    assert mean["density"].error == pytest.approx(np.std(values[3:], ddof=1), rel=1e-12)
    assert mean["density"].floor == pytest.approx(three[0]["density"].floor)
    assert [m.name for m in mean.measures] == [m.name for m in three[0].measures]
    assert mean.provenance["training_seed"] == [0, 1, 2]
    assert "training seeds 0, 1, 2" in mean.header[0]
    assert "standard deviation between the runs" in mean.header[-1]
    assert mean_over_seeds(three[:1]) is None
    assert mean_over_seeds([three[0], three[0]]) is None, "the same run twice is no spread"
    others: list[dict[str, Any]] = [{"latent_dim": 8}, {"batch": 64}, {"clip": 1.0}, {"leave_out": "3"}]
    for i, changed in enumerate(others):
        assert mean_over_seeds([three[0], measured(f"other-{i}", seed=5, **changed)]) is None, changed
    longer = replace(three[1], provenance={**three[1].provenance, "images_seen": 1})
    assert mean_over_seeds([three[0], longer]) is None


def test_unlabelled_and_small_data(folder: Path) -> None:
    train, test = blobs(120, (1, 16, 16)), blobs(60, (1, 16, 16), 1)
    plain = Dataset("discs", "discs", Images(train.pixels), Images(test.pixels), None, (), "plain")
    run = limner.train("vae", plain, images=500, batch=50, out=folder / "plain", quiet=True)
    result = evaluate(run, **FEW)
    assert result.provenance["n"] == 60
    assert result.provenance["extractor"]["name"] == "discs-rot-v1"
    assert result.provenance["extractor"]["labelled"] is False
    assert "turns" in result.header[1]
    assert "modes" not in {m.family for m in result.measures}
    assert names(result, "codes") == ["effective dimensions", "dead dimensions"]
    left_out = "\n".join(result.left_out)
    for line in (
        "classes of samples: discs-rot-v1 knows no classes",
        "labels predicted from codes: discs has no labels",
    ):
        assert line in left_out
    assert "--leave-out" not in left_out
    assert not any(m.name.startswith("fd") for m in result.measures)
    assert "fd[discs-rot-v1]: 60 images are too few for 64 features, 128 are needed" in left_out
    assert "fd[discs-rot-v1], reconstructed: 60 images" in left_out
    assert result["kid[discs-rot-v1]"].floor is not None
    run.loaded = replace(plain, test=Images(test.pixels[:19]))
    with pytest.raises(LimnerError, match="19 test images: too few"):
        evaluate(run, **FEW)


def test_a_family_that_fails_is_listed_and_the_others_are_measured(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(record: object) -> list:
        raise LimnerError("no such luck")

    monkeypatch.setitem(FAMILIES, "modes", Family((Samples,), refuse))
    result = evaluate(runs["gan"], **FEW)
    assert "modes: no such luck" in result.left_out
    assert {m.family for m in result.measures} == {"samples", "memorisation", "smoothness", "inversion"}


def test_factors_of_the_shapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = limner.train("autoencoder", "shapes", images=500, latent_dim=4, out=folder / "shapes", quiet=True)
    calls: list[tuple[Tensor, Tensor]] = []
    disentanglement = measuring.codes.disentanglement

    class Numbers:
        mig = sap = disentanglement = completeness = informativeness = factor_vae = 0.5

    def record_call(
        z: Tensor, factors: Tensor, represent: Callable[[Tensor], Tensor], sizes: list, seed: int
    ) -> Any:
        calls.append((represent(factors), z))
        assert sizes == [3, 4, 8, 8, 8]
        return Numbers

    assert callable(disentanglement)
    monkeypatch.setattr(measuring.codes, "disentanglement", record_call)
    monkeypatch.setattr(measuring, "FAMILIES", {"factors": FAMILIES["factors"]})
    monkeypatch.setattr(
        measuring, "choose_extractor", lambda *_: measuring.extractor(limner.data.load("digits"))
    )
    result = evaluate(run, **FEW)
    assert [m.name for m in result.measures][:2] == ["mig", "sap"]
    drawn, of_images = calls[0]
    assert torch.allclose(drawn, of_images, atol=1e-5), "factors drawn again are the images they are of"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "vgg"}, "no features called 'vgg': 'inception'"),
        ({"weights": "w.pth"}, "weights belong to --features inception"),
        ({"features": "inception"}, "--weights FILE is missing"),
        ({"features": "inception", "weights": "w.pth"}, "there is no file w.pth"),
        ({"n": 19}, "n must be at least 20, not 19"),
        ({"images": 0}, "images must be at least 20, not 0"),
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, not -1"),
        ({"against": "mnits"}, "did you mean 'mnist'"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(settings: dict[str, Any], message: str, runs: dict[str, Run]) -> None:
    before = (runs["gan"].path / "evaluation.json").read_bytes() if read_evaluation(runs["gan"]) else b""
    with pytest.raises(LimnerError, match=message.replace("(", r"\(")) as error:
        evaluate(runs["gan"], **settings)
    assert len(str(error.value).splitlines()) == 1
    after = runs["gan"].path / "evaluation.json"
    assert (after.read_bytes() if after.exists() else b"") == before


def test_a_run_that_is_not_writable_is_measured(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(shutil.copytree(runs["gan"].path, tmp_path / "read-only"))
    (run.path / "evaluation.json").unlink(missing_ok=True)
    assert read_evaluation(run) is None
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert evaluate(run, **FEW | {"n": 20})["recall"].n == 20
    assert read_evaluation(run) is None
