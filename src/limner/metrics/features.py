"""Features to measure distances in: the 64 penultimate activations of a small classifier, pinned by hash.

For the digits, MNIST and Fashion-MNIST the weights are part of the package; for any other labelled set the
same network is trained once, by the same recipe, and kept in the cache; for a set without labels, or with
one only, it learns to tell how an image was turned (see classifier.py).  `python -m limner.metrics mnist`
makes the package's weights again.  A Frechet distance in them is `fd[mnist-cnn-v1]` or `fd[frey-rot-v1]`,
not an FID: FID means Inception.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from limner.data import Dataset, to_float
from limner.data.cache import root
from limner.errors import LimnerError
from limner.metrics.classifier import (
    TURNS,
    Classifier,
    StackedClassifier,
    classified,
    train_classifier,
    train_turns,
    turned,
)
from limner.training.checkpoint import write_atomically

VERSION = "cnn-v1"  # of the network and its recipe: change it when either changes
UNLABELLED = "rot-v1"  # of the same without labels
WEIGHTS = Path(__file__).parent / "weights"
# the data's fingerprint -> the name and the sha256 of weights that are part of the package
PINNED: dict[str, tuple[str, str]] = {
    "3bbae456eb896edc": (
        "digits-cnn-v1",
        "7ea593d590d0a779d89bfd4b92500acd999d7030c89f3f87d047c06dff15b345",
    ),
    "b0d0563705140c84": ("mnist-cnn-v1", "c6f7485802a47c62e3bf883d499b26107644b24c947d4f96feafa6b92815044d"),
    "2a3de69e3717a365": (
        "fashion-mnist-cnn-v1",
        "6bee24a2662c1f94038cba8b66efca803ab8d5ddf86e9439bca91cc487fabd75",
    ),
}


class Extracts(Protocol):
    """What a distance needs: features, and what to call the number."""

    @property
    def name(self) -> str:
        """What stands in the distance's name."""
        ...

    @property
    def sha256(self) -> str:
        """Of the weights."""
        ...

    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, d) float32, on the CPU, of pixels (N, C, H, W) uint8."""
        ...


@dataclass(frozen=True, eq=False)
class Extractor:
    """A trained classifier: its `name`, its `accuracy` on the test split, the `sha256` of its weights.

    Its `classes` are the data's labels if it is `labelled`, else four turns of the image.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    accuracy: float
    sha256: str
    network: Classifier | StackedClassifier
    labelled: bool = True

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, 64) float32, on the CPU, of pixels (N, C, H, W) uint8."""
        self._check(pixels)
        device = self.network.logits.weight.device
        parts = [self.network.features(to_float(part.to(device))).cpu() for part in pixels.split(1000)]
        return torch.cat(parts)

    def classify(self, pixels: Tensor) -> Tensor:
        """Class probabilities (N, classes), on the CPU, of pixels (N, C, H, W) uint8.

        Raises LimnerError where the classes are turns, not labels.
        """
        if not self.labelled:
            raise LimnerError(f"{self.name} learnt without labels, so it knows no classes of images")
        self._check(pixels)
        return classified(self.network, pixels)

    def _check(self, pixels: Tensor) -> None:
        if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != self.shape:
            found = f"{pixels.dtype} of {tuple(pixels.shape[1:])}"
            raise LimnerError(f"{self.name} wants uint8 images of {self.shape}, not {found}")


def extractor(dataset: Dataset) -> Extractor:
    """The extractor of a data set: the package's, the cache's, or trained now."""
    found = at_hand(dataset)
    if found is None:
        make(dataset, cached(dataset))
        found = at_hand(dataset)
    assert found is not None
    return found


def at_hand(dataset: Dataset) -> Extractor | None:
    """The extractor of a data set where it is part of the package or in the cache."""
    if dataset.fingerprint in PINNED:
        name, sha256 = PINNED[dataset.fingerprint]
        found = read(WEIGHTS / f"{name}.safetensors", name)
        if found.sha256 != sha256:
            raise LimnerError(
                f"the weights of {name} are not those of this version of limner: install it again"
            )
        return found
    if dataset.source == "stacked-mnist":
        return stacked(read(WEIGHTS / "mnist-cnn-v1.safetensors", "mnist-cnn-v1"))
    path = cached(dataset)
    return read(path, title(dataset)) if path.exists() else None


def title(dataset: Dataset) -> str:
    """What an extractor trained on this data set is called."""
    return f"{dataset.name}-{VERSION if has_classes(dataset) else UNLABELLED}"


def cached(dataset: Dataset) -> Path:
    """Where the extractor of a data set is kept that is not part of the package."""
    return root() / "extractors" / f"{title(dataset)}-{dataset.fingerprint}.safetensors"


def stacked(single: Extractor) -> Extractor:
    """MNIST's extractor on each channel of stacked digits; all three are right as often as one is, cubed."""
    shape, classes, accurate = (3, *single.shape[1:]), single.classes**3, single.accuracy**3
    assert isinstance(single.network, Classifier)
    network = StackedClassifier(single.network).eval()
    return Extractor(f"{single.name}-stacked", shape, classes, accurate, single.sha256, network)


def has_classes(dataset: Dataset) -> bool:
    """Whether the training images have labels, and not all the same."""
    labels = dataset.train.labels
    return labels is not None and len(labels.unique()) > 1


def make(dataset: Dataset, path: Path) -> None:
    """Train the extractor of a data set and write it to `path`, its test accuracy in the header."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    labelled = has_classes(dataset)
    network = (train_classifier if labelled else train_turns)(dataset, device=device)
    about = {"shape": " ".join(map(str, dataset.shape)), "classes": str(network.logits.out_features)}
    about["accuracy"] = str(accuracy(network, dataset))
    if not labelled:
        about["classes are"] = "turns"
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    write_atomically(path, lambda beside: save_file(weights, beside, metadata=about))


def accuracy(network: Classifier, dataset: Dataset) -> float:
    """Share of the test images that the network gives their label, or in each turn their turn."""
    pixels, labels = dataset.test.pixels, dataset.test.labels
    if has_classes(dataset):
        assert labels is not None
        return float((classified(network, pixels).argmax(1) == labels).float().mean())
    told = [classified(network, turned(pixels, turn)).argmax(1) == turn for turn in range(TURNS)]
    return float(torch.cat(told).float().mean())


def read(path: Path, name: str) -> Extractor:
    """The extractor in a file that `make` wrote; LimnerError where it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        channels, height, width = map(int, about["shape"].split())
        with torch.device("meta"):  # no weights are drawn
            network = Classifier((channels, height, width), int(about["classes"]))
        network.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise LimnerError(
            f"{path} is not the extractor {name} ({reason}): delete it, or install limner again"
        ) from None
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
    classes, accurate = int(about["classes"]), float(about["accuracy"])
    labelled = "classes are" not in about
    return Extractor(name, (channels, height, width), classes, accurate, digest(weights), network, labelled)


def digest(weights: dict[str, Tensor]) -> str:
    """The sha256 of the weights' names, shapes and numbers."""
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()
