"""Images of the classes asked for: a column each, the same noise in every row, and what is said otherwise."""

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
from limner.explore.samples import drawn
from limner.training import Run, load
from limner.training.checkpoint import read_state

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
    asked = ["lower right", "upper left", "lower right"]
    found = explore.sample(run, 5, seed=3, labels=asked)
    assert torch.equal(torch.get_rng_state(), state)
    pixels = found.data["pixels"]
    assert pixels.shape == (15, 1, 16, 16)
    assert found.data["labels"].tolist() == [3, 0, 3] * 5
    assert found.data["classes"] == asked
    one, other, again = pixels.unflatten(0, (5, 3)).unbind(1)
    assert torch.equal(one, again), "the same noise and class are the same image"
    assert not torch.equal(one, other)
    assert torch.equal(one, drawn(run, 5, seed=3, label=3))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        z = run.model.z(5)
        for column, label in ((one, 3), (other, 0)):
            made = run.model.generate(z, torch.full((5,), label))
            assert torch.equal(column, limner.data.to_uint8(made))
    rows = explore.sample(run, labels=["upper left"]).data["pixels"]
    assert len(rows) == 10
    assert len({bytes(np.asarray(row)) for row in rows}) == 10, "each row has its own noise"


def test_all_is_every_class_and_the_picture_names_them(run: Run) -> None:
    every = explore.sample(run, 2, labels="all")
    assert every.data["labels"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert every.data["classes"] == list(NAMES)
    plain = explore.sample(run, 2, labels=["upper left"])
    head = np.asarray(every.image)[:20]
    assert (head < 128).any(), "names stand above"
    left, right = np.asarray(plain.image), np.asarray(every.image)[:, : plain.image.width - 10]
    assert np.array_equal(left[:, : right.shape[1]], right), "the first column is the same"


def test_without_labels_classes_are_drawn(run: Run) -> None:
    found = explore.sample(run)
    assert found.data["pixels"].shape == (64, 1, 16, 16)
    assert found.image.tobytes() == explore.sample(run, 64).image.tobytes()
    assert "labels" not in found.data


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
def test_mistakes_are_told(run: Run, labels: list[str], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        explore.sample(run, labels=labels)


def test_a_model_that_was_told_no_labels_says_so(tmp_path: Path) -> None:
    plain = limner.train("gan", discs(), out=tmp_path / "plain", images=100, quiet=True)
    with pytest.raises(LimnerError, match="plain is a GAN: it was not told labels, so none can be asked for"):
        explore.sample(plain, labels=["upper left"])


def test_the_classes_come_from_the_data_and_are_kept(run: Run) -> None:
    stored = load(run.path)
    assert stored.config["options"]["classes"] == 4
    assert stored.config["data"]["classes"] == list(NAMES)
    assert stored.model.classes == 4
    assert explore.sample(stored, 1, labels="all").data["classes"] == list(NAMES), "the data are not needed"
    numbers = limner.train("cgan", discs(classes=None), out="numbers", **TINY)
    assert numbers.config["data"]["classes"] == ["0", "1", "2", "3"]
    assert limner.train("cgan", discs(), out="given", classes=4, **TINY).model.classes == 4


def test_a_model_without_classes_keeps_none() -> None:
    settings = small("dcgan") | {"images": 100, "quiet": True}
    config = limner.train("dcgan", discs(), out="plain", **settings).config
    assert "classes" not in config["options"]
    assert "classes" not in config["data"]


def test_data_that_do_not_fit_are_refused_before_a_run_begins() -> None:
    with pytest.raises(LimnerError, match=r"cgan needs labels and discs has none: sub-folders of a folder"):
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
    assert run.config["data"]["classes"] == sorted(NAMES)
    with pytest.raises(LimnerError, match="cgan needs labels and loose has none"):
        limner.train("cgan", tmp_path / "loose", **TINY)
