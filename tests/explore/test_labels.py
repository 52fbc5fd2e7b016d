"""Images of chosen classes: a column each, the same noise in every row, and the messages otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import blobs, small

import limner
from limner import explore
from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.explore.codes import decode_pixels
from limner.explore.samples import draw_samples
from limner.models.abilities import Decodes
from limner.training import Run, load
from limner.training.checkpoint import read_state
from limner.training.codes import draw_codes

TINY: dict[str, Any] = {"images": 600, "batch": 50, "quiet": True, **small("cgan")}
NAMES = ("upper left", "upper right", "lower left", "lower right")


def discs(labels: bool = True, classes: tuple[str, ...] | None = NAMES) -> Dataset:
    """Discs with their quadrant as label."""
    train, test = (blobs(n, (1, 16, 16), seed) for n, seed in ((200, 0), (40, 1)))
    if not labels:
        train, test, classes = Images(train.pixels), Images(test.pixels), None
    return Dataset("discs", "discs", train, test, classes, (), "0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return limner.train("cgan", discs(), out=tmp_path_factory.mktemp("cgan") / "run", **TINY)


def test_a_column_for_each_class_and_the_same_noise_in_a_row(run: Run) -> None:
    state = torch.get_rng_state()
    names = ["lower right", "upper left", "lower right"]
    picture = explore.sample(run, 5, seed=3, labels=names)
    assert torch.equal(torch.get_rng_state(), state)
    pixels = picture.data["pixels"]
    assert pixels.shape == (15, 1, 16, 16)
    assert picture.data["labels"].tolist() == [3, 0, 3] * 5
    assert picture.data["classes"] == names
    one, other, again = pixels.unflatten(0, (5, 3)).unbind(1)
    assert torch.equal(one, again), "the same noise and class are the same image"
    assert not torch.equal(one, other)
    assert torch.equal(one, draw_samples(run, 5, seed=3, y=3))
    mixed = draw_samples(run, 5, seed=3, y=torch.tensor([3, 0, 3, 0, 0]))
    assert torch.equal(mixed, torch.stack([one[0], other[1], one[2], other[3], other[4]]))
    z = draw_codes(run.model.latent, 5, seed=3)
    for column, label in ((one, 3), (other, 0)):
        assert isinstance(run.model, Decodes)
        assert torch.equal(column, decode_pixels(run.model, z, torch.full((5,), label)))
    rows = explore.sample(run, labels=["upper left"]).data["pixels"]
    assert len(rows) == 10
    assert len({bytes(np.asarray(row)) for row in rows}) == 10, "each row has its own noise"


def test_all_is_every_class_and_the_picture_names_them(run: Run) -> None:
    every = explore.sample(run, 2, labels="all")
    assert every.data["labels"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert every.data["classes"] == list(NAMES)
    plain = explore.sample(run, 2, labels=["upper left"])
    assert (np.asarray(every.image)[:20] < 128).any(), "a title and names stand above"
    left, right = (np.asarray(picture.image)[-80:, :70] for picture in (plain, every))
    assert np.array_equal(left, right), "the first column is the same"


def test_without_labels_classes_are_drawn(run: Run) -> None:
    picture = explore.sample(run)
    assert picture.data["pixels"].shape == (64, 1, 16, 16)
    assert picture.image.tobytes() == explore.sample(run, 64).image.tobytes()
    assert "labels" not in picture.data


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["upper lft"], "run knows no class 'upper lft': did you mean 'upper left'"),
        ("upper lft", "did you mean 'upper left'"),
        (["3"], "run knows no class '3': choose from: upper left, upper right"),
        ([], "name 1 to 100 classes for one picture, not 0"),
        (["upper left"] * 101, "name 1 to 100 classes for one picture, not 101"),
    ],
)
def test_a_mistake_has_its_message(run: Run, labels: list[str], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        explore.sample(run, labels=labels)


def test_a_model_that_was_trained_without_labels_has_no_classes(tmp_path: Path) -> None:
    plain = limner.train("gan", discs(), out=tmp_path / "plain", images=100, quiet=True)
    message = "plain is a GAN: it was trained without labels, so it has no classes to choose from"
    for look in (
        lambda: explore.sample(plain, labels=["upper left"]),
        lambda: draw_samples(plain, 3, y=1),
        lambda: explore.interpolate(plain, label="upper left"),
        lambda: explore.traverse(plain, label="upper left"),
        lambda: explore.manifold(plain, label="upper left"),
    ):
        with pytest.raises(LimnerError, match=message):
            look()


def test_the_classes_come_from_the_data_and_are_kept(run: Run) -> None:
    stored = load(run.path)
    assert stored.config.options["classes"] == 4
    assert stored.class_names == list(NAMES)
    assert stored.model.classes == 4
    assert explore.sample(stored, 1, labels="all").data["classes"] == list(NAMES), "the data are not needed"
    numbers = limner.train("cgan", discs(classes=None), out="numbers", **TINY)
    assert numbers.class_names == ["0", "1", "2", "3"]
    assert limner.train("cgan", discs(), out="given", classes=4, **TINY).model.classes == 4


def test_a_model_without_classes_keeps_none() -> None:
    settings = small("dcgan") | {"images": 100, "quiet": True}
    config = limner.train("dcgan", discs(), out="plain", **settings).config
    assert "classes" not in config.options
    assert config.data.classes is None


def test_data_that_do_not_fit_are_refused_before_a_run_begins() -> None:
    with pytest.raises(LimnerError, match=r"CGAN needs labels and discs has none: sub-folders of a folder"):
        limner.train("cgan", discs(labels=False), **TINY)
    with pytest.raises(LimnerError, match="discs has 4 classes, not 10: leave classes out"):
        limner.train("cgan", discs(), classes=10, **TINY)
    assert not Path("runs").exists()


def test_a_class_that_is_left_out_keeps_the_numbers_of_the_others() -> None:
    run = limner.train("cgan", discs(), out="left", leave_out="upper left", **TINY)
    assert run.model.classes == 4
    assert explore.sample(run, 1, labels=["lower right"]).data["labels"].tolist() == [3]


def test_a_resumed_run_is_as_one_that_never_stopped(digits: Dataset) -> None:
    for out, stops in (("straight", [1200]), ("stopped", [600, 1200])):
        for i, images in enumerate(stops):
            settings = TINY | {"images": images} if i == 0 else {"images": images, "quiet": True}
            limner.train("cgan", digits, out=out, resume=i > 0, **settings)
    one, other = (read_state(Path(out) / "state.pt")["model"] for out in ("straight", "stopped"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(LimnerError, match="was trained with classes 10, not 4"):
        limner.train("cgan", digits, out="stopped", resume=True, classes=4, quiet=True)


def test_sub_folders_are_classes_and_files_alone_are_refused(tmp_path: Path) -> None:
    images = blobs(60, (1, 16, 16))
    assert images.labels is not None
    for i, (pixels, label) in enumerate(zip(images.pixels, images.labels.tolist(), strict=True)):
        for folder in (tmp_path / "sorted" / f"{NAMES[label]}", tmp_path / "loose"):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(folder / f"{i}.png")
    run = limner.train("cgan", tmp_path / "sorted", out="run", **TINY)
    assert run.class_names == sorted(NAMES)
    with pytest.raises(LimnerError, match="CGAN needs labels and loose has none"):
        limner.train("cgan", tmp_path / "loose", **TINY)
