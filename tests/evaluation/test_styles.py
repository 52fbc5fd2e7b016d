"""Measures of models with styles, of a model whose styles and noise do what the test says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small
from torch import Tensor, nn

import limner
from limner.data import Dataset, to_float
from limner.evaluation import evaluate
from limner.metrics import classifier
from limner.models.abilities import HasStyles, NoiseMode
from limner.models.base import Model
from limner.models.latent import Latent, Normal
from limner.training import Run

measuring = importlib.import_module("limner.evaluation.evaluate")  # the package has a function of that name
FEW: dict[str, Any] = {"n": 150, "k": 2, "images": 20, "quick": True, "families": ["styles"]}
SHAPE = (1, 16, 16)


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(cache))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        patch.setattr(measuring, "OTHERS", ())
        patch.setattr(measuring.smoothness, "QUICK_PAIRS", 50)
        train, test = blobs(300, SHAPE), blobs(200, SHAPE, 1)
        discs = Dataset("discs", "discs", train, test, ("a", "b", "c", "d"), (), "discs")
        folder = tmp_path_factory.mktemp("runs")
        yield limner.train("gan", discs, images=60, batch=20, quiet=True, out=folder / "run", **small("gan"))


class Styled(Model):
    """The first style chooses the place of a disc, the last its brightness, and noise the rest of that."""

    style_sizes = ((4, 4), (8, 8), (16, 16))

    def __init__(self, noise: float = 0.0, fine: int = 2) -> None:
        super().__init__(SHAPE, Model.Options())
        self.noise, self.fine, self.weight = noise, fine, nn.Parameter(torch.zeros(1))
        self.latents = {"z": Latent((4,), {"normal": Normal(4)})}
        self.truncations: list[float] = []
        images = blobs(100, SHAPE)
        assert images.labels is not None
        labels = images.labels.tolist()
        self.discs = to_float(images.pixels[[labels.index(label) for label in range(4)]])

    def style_weights(self) -> list[Tensor]:
        return [torch.eye(4)] * 3

    def draw_codes(self, n: int, y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.latent.draw(n, self.device), None

    def styles(self, z: Tensor, y: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        self.truncations.append(truncation)
        return truncation * z[:, None].expand(-1, 3, -1)

    def synthesise(self, w: Tensor, noise: NoiseMode = "fixed") -> Tensor:
        place = 2 * (w[:, self.fine - 2, 0] > 0) + (w[:, self.fine - 2, 1] > 0)
        light = torch.rand(len(w)) if noise == "random" else torch.zeros(len(w))
        return (self.discs[place.long()] + 1) * (1 - self.noise * light)[:, None, None, None] - 1

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesise(self.styles(z))

    def sample(self, n: int, y: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        return self.synthesise(self.styles(self.draw_codes(n)[0], None, truncation), "random")


def measure(run: Run, model: Styled) -> dict[str, Any]:
    assert isinstance(model, HasStyles)
    toy = Run(run.path)
    toy.loaded, toy.model = run.loaded, model
    return {measure.name.partition("[")[0]: measure for measure in evaluate(toy, **FEW).measures}


def test_the_class_is_that_of_the_styles_that_choose_it(run: Run) -> None:
    coarse, fine = measure(run, Styled()), measure(run, Styled(fine=4))
    assert coarse["class by coarse styles"].value > 0.95
    assert coarse["class by other styles"].value < 0.05
    assert fine["class by coarse styles"].value < 0.05
    assert fine["class by other styles"].value > 0.95
    assert 50 < coarse["class by coarse styles"].n < 150, "images of one class are no pair"


class Curved(Styled):
    """The class follows the product of two numbers of z, and one number of w; or is always the same."""

    same = False

    def styles(self, z: Tensor, y: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        product = z[:, 0] * z[:, 1]
        w = torch.stack(
            [product.abs() if self.same else product, torch.full_like(z[:, 0], -1), z[:, 2], z[:, 3]], 1
        )
        return truncation * w[:, None].expand(-1, 3, -1)


def test_a_class_is_read_from_w_where_w_is_straight(run: Run) -> None:
    straight, curved = measure(run, Styled()), measure(run, Curved())
    assert min(straight[f"class read from {name}"].value for name in "wz") > 0.7, "w is z"
    assert curved["class read from w"].value > 0.8
    assert curved["class read from z"].value < 0.75, "no line through z parts the classes"
    assert curved["class read from w"].n == 75
    constant = Curved()
    constant.same = True
    assert "class read from w" not in measure(run, constant), "all images are of one class"


def test_noise_has_the_share_of_variance_that_it_causes(run: Run) -> None:
    shares = [measure(run, Styled(noise))["variance by noise"] for noise in (0.0, 0.5, 1.0)]
    assert shares[0].value == 0
    assert shares[0].value < shares[1].value < shares[2].value < 1
    assert shares[1].error > 0


def test_truncation_and_paths_are_measured(run: Run) -> None:
    model = Styled(0.5)
    toy = Run(run.path)
    toy.loaded, toy.model = run.loaded, model
    result = evaluate(toy, **FEW | {"n": 200})
    names = [measure.name for measure in result.measures]
    distances = [name for name in names if name.startswith("fd[")]
    assert [name.partition("], ")[2] for name in distances] == ["truncation 0.7", "truncation 0.5"]
    assert {0.7, 0.5} <= set(model.truncations)
    for psi in (0.7, 0.5):
        for name in ("precision", "recall"):
            measured = result[f"{name}, truncation {psi}"]
            assert 0 <= measured.value <= 1
            assert measured.floor > 0.5
    assert result["path length in w[discs-cnn-v1]"].n == 50


def test_other_models_have_no_such_measures(run: Run) -> None:
    toy = Run(run.path)
    toy.loaded = run.loaded
    assert evaluate(toy, **FEW).measures == []
