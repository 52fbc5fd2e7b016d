"""Small images of every shape, small models, and the folder of real images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from limner.data import Dataset, Domains, Images, load
from limner.data.dataset import fingerprint
from limner.data.examples import Examples
from limner.models import MODELS, model_class

REAL = Path(os.environ.get("LIMNER_DATA") or Path(__file__).parents[2] / "shared" / "data").resolve()
# of domains: those that translate
IMAGE_MODELS = [name for name in MODELS if model_class(name).trains_on == "images"]
DOMAIN_MODELS = [name for name in MODELS if model_class(name).trains_on == "domains"]
NEGATIVES = "negatives"  # the name of domain B where A is a whole data set


def small(model: str) -> dict[str, Any]:
    """Options that make the model of that name small and quick."""
    return dict(model_class(model).tiny)


def words(settings: dict[str, Any]) -> list[str]:
    """These options as words of a command line."""
    line: list[str] = []
    for name, value in settings.items():
        line += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
    return line


def blobs(n: int, shape: tuple[int, int, int], seed: int = 0) -> Images:
    """n images (C, H, W) of a bright disc at random places, with its quadrant as label."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    centre = rng.uniform(0.25, 0.75, (n, 2)) * (height, width)
    disc = np.hypot(y - centre[:, :1, None], x - centre[:, 1:, None]) < min(height, width) / 5
    colour = rng.uniform(0.5, 1, (n, channels, 1, 1))
    pixels = torch.from_numpy((255 * disc[:, None] * colour).astype(np.uint8))
    label = (centre[:, 0] > height / 2) * 2 + (centre[:, 1] > width / 2)
    return Images(pixels, torch.from_numpy(label.astype(np.int64)), None)


# -- data of the kind that a model trains on: images, or two domains --------------------------------------
def negatives(images: Images) -> Images:
    """The same images with light and dark exchanged, without labels."""
    return Images(255 - images.pixels, None, images.names)


def small_examples(model: str, shape: tuple[int, int, int], n: int, seed: int = 0) -> Examples:
    """n blobs; for a model of domains, negatives of n other blobs are domain B."""
    second = negatives(blobs(n, shape, seed + 100)) if model in DOMAIN_MODELS else None
    return Examples(blobs(n, shape, seed), second)


def small_data(model: str, dataset: Dataset) -> Dataset | Domains:
    """The data set; for a model of domains, with its negatives as domain B."""
    if model not in DOMAIN_MODELS:
        return dataset
    train, test = negatives(dataset.train), negatives(dataset.test)
    second = replace(
        dataset, name=NEGATIVES, train=train, test=test, classes=None, fingerprint=fingerprint(train, test)
    )
    return Domains(data_name(model, dataset.name), dataset, second)


def small_source(model: str, folder: Path, n: int = 300) -> str | tuple[str, str]:
    """'digits'; for a model of domains, with a file of n negatives, which it writes, as domain B."""
    if model not in DOMAIN_MODELS:
        return "digits"
    path = folder / f"{NEGATIVES}.npz"
    np.savez(path, images=255 - load("digits").train.pixels[:n].numpy())
    return "digits", str(path)


def data_words(model: str, folder: Path) -> list[str]:
    """The same as the words of a command line."""
    source = small_source(model, folder)
    return ["--data", source] if isinstance(source, str) else ["--data", f"A={source[0]}", f"B={source[1]}"]


def data_name(model: str, name: str = "digits") -> str:
    """What the data of these functions are called, in the name of a run."""
    return f"{name}-{NEGATIVES}" if model in DOMAIN_MODELS else name
