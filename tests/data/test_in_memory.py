"""Arrays, tensors and torch Datasets as data: from training to a run that is opened again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import blobs
from torch.utils.data import TensorDataset

import limner
from limner.cli import run as cli
from limner.data import load
from limner.data.cache import root
from limner.errors import LimnerError
from limner.training import Run

SMALL = {"images": 60, "batch": 20, "quiet": True, "hidden": (8,)}
X, Y = blobs(60, (3, 16, 16)).pixels.numpy(), np.arange(60) % 12


class Photos(torch.utils.data.Dataset):
    """Pillow images with the names of their classes."""

    def __init__(self, sides: tuple[int, ...] = (16,)) -> None:
        self.sides = sides

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> tuple[Image.Image, str]:
        side = self.sides[i % len(self.sides)]
        image = Image.fromarray(X[i].transpose(1, 2, 0)).resize((side, side), Image.Resampling.NEAREST)
        return image.convert("RGBA"), f"class {Y[i]:02d}"


def test_every_kind_of_array_gives_the_same_images() -> None:
    sources = [X, X.transpose(0, 2, 3, 1), torch.from_numpy(X), (X / 255).astype("float32"), (X, None)]
    assert len({load(source).fingerprint for source in sources}) == 1
    labelled = [(X, Y), (torch.from_numpy(X), torch.from_numpy(Y)), (X, Y.tolist()), (X, Y.astype("f4"))]
    labelled.append(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)))
    sets = [load(source) for source in labelled]
    assert len({dataset.fingerprint for dataset in sets}) == 1
    assert sets[0].classes == tuple(map(str, range(12))), "in the order of numbers, not of words"
    assert load(Photos()).classes == tuple(f"class {i:02d}" for i in range(12))
    assert torch.equal(load(Photos()).train.pixels, sets[0].train.pixels)


@pytest.mark.parametrize("data", [X, (X, Y), Photos()], ids=["array", "pair", "Dataset"])
def test_a_run_of_arrays_is_opened_again(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name = limner.train("vae", data=data, **SMALL).name
    assert name == "vae-arrays-0001"
    run = limner.load(name)
    assert run.data.fingerprint == load(data).fingerprint
    assert cli(["map", name, "--method", "pca", "--quiet"]) == 0
    assert limner.train("vae", data=data, resume=True, images=80, quiet=True).images_seen == 80
    shutil.rmtree(root() / "arrays")
    capsys.readouterr()
    assert cli(["map", name]) == 2
    error = capsys.readouterr().err
    assert "limner.load_data(x) with the same arrays puts it back" in error
    assert error.count("\n") == 1
    limner.load_data(data)
    assert Run(run.path).data.fingerprint == run.data.fingerprint


def test_labels_and_domains_are_told_apart() -> None:
    assert limner.train("cgan", data=(X, Y), **SMALL).class_names == list(map(str, range(12)))
    with pytest.raises(LimnerError, match=r"CGAN needs labels and arrays has none: give \(images, labels\)"):
        limner.train("cgan", data=X)
    assert limner.data.load_domains((X[:30], 255 - X)).name == "arrays-arrays"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X[0, 0], r"has shape \(16, 16\): expected \(N, H, W\)"),
        (X.reshape(60, -1), r"\(60, 768\): expected \(N, H, W\)"),
        (X * 2.5, "has values from"),
        ([X], "data cannot be a list: give a name, a path, an array"),
        (7, "data cannot be a int: give a name"),
        ((X, Y[:5]), r"labels of shape \(5,\) for 60 images"),
        (np.array([None, {}]), "objects, not numbers"),
        (Photos((16, 20)), r"image 1 of Photos has shape \(20, 20, 3\) and image 0 has \(16, 16, 3\)"),
        (TensorDataset(torch.zeros(0, 1, 16, 16)), "TensorDataset is empty"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_a_wrong_array_is_one_short_line(data: Any, message: str) -> None:
    with pytest.raises(LimnerError, match=message) as error:
        limner.train("vae", data=data, **SMALL)
    assert len(str(error.value)) < 200
    assert not Path("runs").exists()
