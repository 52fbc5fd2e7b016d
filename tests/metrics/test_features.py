"""The extractor: the package's weights, the cache, and what it refuses."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from small import blobs

from limner.data import Dataset, Images, load
from limner.data.cache import root
from limner.errors import LimnerError
from limner.metrics import classifier, extractor, features, frechet
from limner.metrics.classifier import Classifier, all_turns, augment, turn


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Discs in four places, and a recipe cut short."""
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 6_000)
    return Dataset("discs", "discs", blobs(300, (3, 20, 16)), blobs(100, (3, 20, 16), 1), None, (), "f1")


@pytest.fixture
def unlabelled(small: Dataset) -> Dataset:
    """Upright arrows: lighter towards the top, narrower towards the left."""
    light = torch.linspace(1, 0.2, 20)[:, None] * torch.linspace(0.2, 1, 16)
    train, test = (
        Images((images.pixels.float() * 0.2 + 200 * light).byte()) for images in (small.train, small.test)
    )
    return Dataset("arrows", "arrows", train, test, None, (), "f2")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_packages_weights_are_pinned_and_good(name: str, real: Path) -> None:
    data = load(name)
    found = extractor(data)
    assert found.name == f"{name}-cnn-v1"
    assert found.accuracy > {"mnist": 0.99, "fashion-mnist": 0.9}[name]
    some = slice(0, 2000)
    correct = found.classify(data.test.pixels[some]).argmax(1) == data.test.labels[some]
    assert correct.float().mean() == pytest.approx(found.accuracy, abs=0.02)
    assert not (root() / "extractors").exists()


@pytest.mark.parametrize(("name", "sha256"), features.PINNED.values())
def test_each_pinned_file_is_there_small_and_whole(name: str, sha256: str) -> None:
    path = features.WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size < 500_000
    assert features.read(path, name).sha256 == sha256


def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Dataset) -> None:
    name, _ = features.PINNED["b0d0563705140c84"]
    shutil.copy(features.WEIGHTS / f"{name}.safetensors", tmp_path)
    monkeypatch.setattr(features, "WEIGHTS", tmp_path)
    monkeypatch.setattr(features, "PINNED", {small.fingerprint: (name, "0" * 64)})
    with pytest.raises(LimnerError, match="install"):
        extractor(small)


def test_another_set_is_trained_once_and_kept(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    first = extractor(small)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.name == "discs-cnn-v1"
    assert first.accuracy > 0.9
    monkeypatch.setattr(features, "train_classifier", None)  # would fail
    second = extractor(small)
    assert second.sha256 == first.sha256
    z = second.features(small.test.pixels)
    assert z.shape == (100, 64)
    assert torch.equal(z, first.features(small.test.pixels))
    assert torch.allclose(z[:7], first.features(small.test.pixels[:7]), atol=1e-5)
    assert torch.allclose(second.classify(small.test.pixels).sum(1), torch.ones(100))


def test_the_recipe_gives_the_same_weights_twice(small: Dataset) -> None:
    once = classifier.train_classifier(small).state_dict()
    with torch.no_grad():  # of the caller, who only wants features
        again = classifier.train_classifier(small).state_dict()
    assert features.digest(once) == features.digest(again)


def test_distance_grows_with_noise_and_dropped_classes(small: Dataset) -> None:
    found, generator = extractor(small), torch.Generator().manual_seed(0)
    test = small.test.pixels
    reference = found.features(small.train.pixels)
    noise = torch.randint(0, 120, test.shape, generator=generator).to(torch.uint8)
    floor = frechet(found.features(test), reference)
    assert floor < frechet(found.features(test // 2 + noise), reference)
    assert small.test.labels is not None
    assert floor < frechet(found.features(test[small.test.labels < 2]), reference)


def test_what_it_refuses(small: Dataset, tmp_path: Path) -> None:
    found = extractor(small)
    with pytest.raises(LimnerError, match="needs uint8 images of"):
        found.features(torch.zeros(2, 3, 20, 16))
    with pytest.raises(LimnerError, match="needs uint8 images of"):
        found.classify(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(LimnerError, match="delete it"):
        features.read(tmp_path / "x.safetensors", "x")


def test_weights_that_cannot_be_written_leave_nothing(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("no space left on device")

    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    monkeypatch.setattr(features, "save_file", fail)
    with pytest.raises(LimnerError, match=r"cannot write .*: no space left on device"):
        features.train_extractor(small, tmp_path / "folder" / "x.safetensors")
    assert list((tmp_path / "folder").iterdir()) == []


def test_without_labels_it_learns_turns(unlabelled: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    found = extractor(unlabelled)
    assert torch.equal(torch.get_rng_state(), before)
    assert (found.name, found.labelled, found.classes) == ("arrows-rot-v1", False, 4)
    assert found.accuracy > 0.9
    assert found.features(unlabelled.test.pixels).shape == (100, 64)
    with pytest.raises(LimnerError, match="trained without labels"):
        found.classify(unlabelled.test.pixels)
    monkeypatch.setattr(features, "train_turns", None)  # would fail
    again = extractor(unlabelled)
    assert (again.sha256, again.labelled) == (found.sha256, False)


def test_turns_that_look_alike_are_predicted_by_chance(unlabelled: Dataset) -> None:
    same = Images(torch.full((60, 1, 16, 16), 90, dtype=torch.uint8))
    found = extractor(dataclasses.replace(unlabelled, train=same, test=same))
    assert found.accuracy == pytest.approx(0.25)


def test_one_label_is_no_label(small: Dataset) -> None:
    assert features.has_classes(small)
    assert extractor(small).labelled
    one = dataclasses.replace(small, train=Images(small.train.pixels, torch.full((300,), 3)))
    assert not features.has_classes(one)
    assert not features.has_classes(dataclasses.replace(small, train=Images(small.train.pixels)))


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 28, 20)])
def test_turns_are_four_views_of_one_shape(shape: tuple[int, int, int]) -> None:
    x = torch.rand(5, *shape)
    together, numbers = all_turns(x)
    assert numbers.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    views = [turn(x, number) for number in range(4)]
    assert torch.equal(together, torch.cat(views))
    assert torch.equal(views[0], x)
    square = shape[1] == shape[2]
    half = 2 if square else 3  # by 180 degrees
    assert torch.equal(views[half], x.flip(2, 3))
    assert torch.equal(views[1], x.transpose(2, 3).flip(2) if square else x.flip(3))
    assert torch.equal(views[3 if square else 2], x.transpose(2, 3).flip(3) if square else x.flip(2))


@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (3, 16, 16), (1, 28, 20), (3, 64, 128), (1, 16, 128), (3, 128, 128), (1, 17, 33)],
)
def test_the_network_fits_any_shape(shape: tuple[int, int, int]) -> None:
    network = Classifier(shape, 7)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)
    assert sum(p.numel() for p in network.parameters()) < 600_000


def test_images_are_moved_whole() -> None:
    x = torch.full((50, 1, 20, 20), -1.0)
    x[:, :, 8:12, 8:12] = 1
    moved = augment(x)
    bright = moved > moved.mean((1, 2, 3), keepdim=True)
    assert (bright.sum((1, 2, 3)) == 16).all()
    rows = bright.any(3).float().argmax(2).flatten()
    assert set(rows.tolist()) == {6, 7, 8, 9, 10}
    contrast = moved.amax((1, 2, 3)) - moved.amin((1, 2, 3))
    assert contrast.min() > 1.49
    assert contrast.max() < 2.51
    assert contrast.std() > 0.1
