"""The features that distances are measured in: 64 penultimate activations of a small classifier.

For the digits, MNIST and Fashion-MNIST the weights are part of the package, pinned by hash; `mnist-5k`, a
part of MNIST's training images, has MNIST's, which were trained on its test images too.  For any other
labelled set the same network is trained once, by the same recipe, and kept in the cache.  For a set without
labels, or with a single one, the network learns how an image was turned (see classifier.py).  Stacked digits
get the network of single digits, applied to each channel.
`python -m limner.metrics mnist` trains the package's weights again.  A Frechet distance in these features is
`fd[mnist-cnn-v1]` or `fd[frey-rot-v1]`, not an FID: FID means Inception.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from limner.data import Dataset, Images, progress, to_float
from limner.data.cache import root
from limner.errors import LimnerError
from limner.files import WriteError, write_atomically
from limner.metrics.arrays import accepts_arrays
from limner.metrics.classifier import (
    TURNS,
    Classifier,
    StackedClassifier,
    classify,
    train_classifier,
    train_turns,
    turn,
)

VERSION = "cnn-v1"  # of the network and its recipe: change it when either changes
UNLABELLED = "rot-v1"  # the same for data without labels
MNIST_SIZE = (28, 28)
WEIGHTS = Path(__file__).parent / "weights"
# fingerprint of the data -> name and sha256 of weights that are part of the package
MNIST = ("mnist-cnn-v1", "c6f7485802a47c62e3bf883d499b26107644b24c947d4f96feafa6b92815044d")
PINNED: dict[str, tuple[str, str]] = {
    "3bbae456eb896edc": (
        "digits-cnn-v1",
        "7ea593d590d0a779d89bfd4b92500acd999d7030c89f3f87d047c06dff15b345",
    ),
    "b0d0563705140c84": MNIST,
    "318a1f6ffa63eb13": MNIST,  # mnist-5k
    "2a3de69e3717a365": (
        "fashion-mnist-cnn-v1",
        "6bee24a2662c1f94038cba8b66efca803ab8d5ddf86e9439bca91cc487fabd75",
    ),
}


class Extracts(Protocol):
    """What a distance needs: features, and the name that stands beside the number."""

    @property
    def name(self) -> str:
        """The name of the features, as in `fd[NAME]`."""
        ...

    @property
    def sha256(self) -> str:
        """The sha256 of the weights."""
        ...

    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, d) float32, on the CPU, of pixels (N, C, H, W) uint8."""
        ...


@dataclass(frozen=True, eq=False)
class Extractor:
    """A trained classifier: its `name`, its `accuracy` on the test split, the `sha256` of its weights.

    Where it is `labelled` its classes are the data's labels, else four turns of the image.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    accuracy: float
    sha256: str
    network: Classifier | StackedClassifier
    labelled: bool = True

    @accepts_arrays
    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, 64) float32, on the CPU, of pixels (N, C, H, W) uint8."""
        self._check(pixels)
        network = self.network
        parts = [network.features(to_float(part.to(network.device))).cpu() for part in pixels.split(1000)]
        return torch.cat(parts)

    @accepts_arrays
    def classify(self, pixels: Tensor) -> Tensor:
        """Class probabilities (N, classes), on the CPU, of pixels (N, C, H, W) uint8.

        Raises LimnerError where the classes are turns, not labels.
        """
        if not self.labelled:
            raise LimnerError(f"{self.name} was trained without labels, so it cannot classify images")
        self._check(pixels)
        return classify(self.network, pixels)

    def _check(self, pixels: Tensor) -> None:
        """Raise LimnerError for pixels of another type or shape."""
        if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != self.shape:
            kind = f"{pixels.dtype} of {tuple(pixels.shape[1:])}"
            raise LimnerError(f"{self.name} needs uint8 images of {self.shape}, not {kind}")


def extractor(dataset: Dataset) -> Extractor:
    """The extractor of a data set: the package's, the cache's, or trained now."""
    available = available_extractor(dataset)
    if available is not None:
        return available
    progress.say(f"training a feature network on {dataset.name}: once, the cache keeps it", everywhere=True)
    train_extractor(first_channel(dataset) if is_stacked(dataset) else dataset, cache_path(dataset))
    return read_cached(dataset)


def available_extractor(dataset: Dataset) -> Extractor | None:
    """The extractor of a data set, without training: the package's or the cache's, else None."""
    if dataset.fingerprint in PINNED:
        name, sha256 = PINNED[dataset.fingerprint]
        packaged = read(WEIGHTS / f"{name}.safetensors", name)
        if packaged.sha256 != sha256:
            raise LimnerError(
                f"the weights of {name} do not belong to this version of limner: install it again"
            )
        return packaged
    if is_stacked(dataset) and dataset.shape[1:] == MNIST_SIZE:
        return stacked(read(WEIGHTS / "mnist-cnn-v1.safetensors", "mnist-cnn-v1"))
    return read_cached(dataset) if cache_path(dataset).exists() else None


def read_cached(dataset: Dataset) -> Extractor:
    """The extractor of a data set from the cache."""
    single = read(cache_path(dataset), extractor_name(dataset))
    return stacked(single) if is_stacked(dataset) else single


def extractor_name(dataset: Dataset) -> str:
    """The name of an extractor trained on this data set."""
    return f"{dataset.name}-{VERSION if has_classes(dataset) else UNLABELLED}"


def cache_path(dataset: Dataset) -> Path:
    """The file in the cache of an extractor that is not part of the package."""
    return root() / "extractors" / f"{extractor_name(dataset)}-{dataset.fingerprint}.safetensors"


def is_stacked(dataset: Dataset) -> bool:
    """Whether the images are three digits, one in each channel."""
    return dataset.source == "stacked-mnist" and dataset.shape[0] == 3


def first_channel(dataset: Dataset) -> Dataset:
    """The digits in the first channel of stacked ones, with their own labels."""

    def first(images: Images) -> Images:
        assert images.labels is not None
        return Images(images.pixels[:, :1].contiguous(), images.labels // 100)

    return replace(dataset, train=first(dataset.train), test=first(dataset.test), classes=None)


def stacked(single: Extractor) -> Extractor:
    """An extractor of digits applied to each channel of stacked ones; its accuracy is that of one, cubed."""
    shape, classes, accuracy = (3, *single.shape[1:]), single.classes**3, single.accuracy**3
    assert isinstance(single.network, Classifier)
    network = StackedClassifier(single.network).eval()
    return Extractor(f"{single.name}-stacked", shape, classes, accuracy, single.sha256, network)


def has_classes(dataset: Dataset) -> bool:
    """Whether the training images have labels of at least two classes."""
    labels = dataset.train.labels
    return labels is not None and len(labels.unique()) > 1


def train_extractor(dataset: Dataset, path: Path) -> None:
    """Train the extractor of a data set and write it to `path`, its test accuracy in the header."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    labelled = has_classes(dataset)
    network = (train_classifier if labelled else train_turns)(dataset, device=device)
    metadata = {"shape": " ".join(map(str, dataset.shape)), "classes": str(network.logits.out_features)}
    metadata["accuracy"] = str(accuracy(network, dataset))
    if not labelled:
        metadata["classes are"] = "turns"
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}

    def write(beside: Path) -> None:
        try:
            save_file(weights, beside, metadata=metadata)
        except SafetensorError as error:
            raise WriteError(str(error)) from None

    write_atomically(path, write)


def accuracy(network: Classifier, dataset: Dataset) -> float:
    """Share of the test images whose label the network predicts, or of their turns whose number it does."""
    pixels, labels = dataset.test.pixels, dataset.test.labels
    if has_classes(dataset):
        assert labels is not None
        return float((classify(network, pixels).argmax(1) == labels).float().mean())
    correct = [classify(network, turn(pixels, number)).argmax(1) == number for number in range(TURNS)]
    return float(torch.cat(correct).float().mean())


def read(path: Path, name: str) -> Extractor:
    """The extractor in a file of `train_extractor`; LimnerError where it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        channels, height, width = map(int, metadata["shape"].split())
        with torch.device("meta"):  # draws no weights
            network = Classifier((channels, height, width), int(metadata["classes"]))
        network.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise LimnerError(
            f"{path} is not the extractor {name} ({reason}): delete it, or install limner again"
        ) from None
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
    return Extractor(
        name=name,
        shape=(channels, height, width),
        classes=int(metadata["classes"]),
        accuracy=float(metadata["accuracy"]),
        sha256=digest(weights),
        network=network,
        labelled="classes are" not in metadata,
    )


def digest(weights: dict[str, Tensor]) -> str:
    """The sha256 of the weights' names, shapes, types and values."""
    sha256 = hashlib.sha256()
    for name, value in sorted(weights.items()):
        sha256.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        sha256.update(value.numpy().tobytes())
    return sha256.hexdigest()
