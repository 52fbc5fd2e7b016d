"""The classifier whose features distances are measured in, and the recipe that trains it.

A plain convolutional classifier: 3x3 convolutions of 16 and 32 channels with pooling, 64 ReLU features, a
linear layer to the classes; 105,866 parameters for 1x28x28 and ten classes.  It is trained on the training
split only.  Training shifts images by up to 2 pixels and changes their contrast, so that the features depend
less on such changes.  Where the data have no labels, the same network and recipe learn to predict how an
image was turned (Gidaris et al. 2018, arXiv 1803.07728): four classes, 0, 90, 180 and 270 degrees; where
height and width differ, the four are unchanged, mirrored, upside down, and both.

Others differ: TF-GAN measures on a classifier's logits, the KID paper on LeNet's features, FID on
Inception's.  Numbers of different extractors, or of this one trained with another seed, do not compare.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW

from limner.data import Dataset, Images, to_float
from limner.data.progress import track
from limner.data.stream import Stream
from limner.random_state import set_seed

FEATURES = 64
BATCH = 128
EPOCHS = 10
LEAST_IMAGES = 60_000  # training images drawn where ten epochs would be fewer
TURNS = 4
FLIPS = ((), (3,), (2,), (2, 3))  # the axes of each turn of images that are not square
SHIFT = 2  # pixels, at most
CONTRAST = 0.25  # factors of the contrast lie within 1 +- this


class Classifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> class logits (B, classes); `features` gives (B, 64)."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        filters = 16
        while len(layers) < 6 or min(height, width) > 8:
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels, filters, height, width = filters, 32, height // 2, width // 2
        self.features = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels * height * width, FEATURES), nn.ReLU()
        )
        self.logits = nn.Linear(FEATURES, classes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.logits.weight.device

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x))


class StackedClassifier(nn.Module):
    """A classifier of grey images on each of three channels (B, 3, H, W): a class for every triple.

    `features` stand side by side, (B, 192); the logits (B, K^3) are sums of the channels' log-probabilities.
    """

    def __init__(self, single: Classifier) -> None:
        super().__init__()
        self.single = single

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.single.device

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.single.features(channel) for channel in x.split(1, dim=1)], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x))

    def logits(self, features: Tensor) -> Tensor:
        """Class logits (B, K^3) of features (B, 192)."""
        a, b, c = (self.single.logits(part).log_softmax(1) for part in features.chunk(3, dim=1))
        return (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).flatten(1)


def train_classifier(dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> Classifier:
    """Train a classifier on the training split by the recipe above; the caller's random state is kept."""
    labels = dataset.train.labels
    assert labels is not None
    batches = Stream(Images(dataset.train.pixels, labels), BATCH, seed, device)
    return _train(dataset, int(labels.max()) + 1, batches, seed, device)


def train_turns(dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> Classifier:
    """Train a classifier of turns by the same recipe; a batch holds each of its images in every turn."""
    batches = Stream(Images(dataset.train.pixels), BATCH // TURNS, seed, device)
    return _train(dataset, TURNS, (all_turns(x) for x, _ in batches), seed, device)


@torch.enable_grad()  # the caller may only want features, and have turned it off
def _train(
    dataset: Dataset,
    classes: int,
    batches: Iterator[tuple[Tensor, Tensor | None]],
    seed: int,
    device: str | torch.device,
) -> Classifier:
    """The recipe: AdamW, one cycle of the learning rate, ten epochs or LEAST_IMAGES."""
    with torch.random.fork_rng():
        set_seed(seed)
        network = Classifier(dataset.shape, classes).to(device)
        steps = max(EPOCHS * len(dataset.train), LEAST_IMAGES) // BATCH
        optimizer = AdamW(network.parameters(), 2e-3, weight_decay=1e-4)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in track(range(steps), steps, f"training {dataset.name}'s classifier"):
            x, y = next(batches)
            assert y is not None
            optimizer.zero_grad()
            F.cross_entropy(network(augment(x)), y).backward()
            optimizer.step()
            rate.step()
    return network.eval().requires_grad_(False)


def all_turns(x: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) in every turn, (4B, C, H, W), and the number of each image's turn, (4B,)."""
    numbers = torch.arange(TURNS, device=x.device).repeat_interleave(len(x))
    return torch.cat([turn(x, number) for number in range(TURNS)]), numbers


def turn(x: Tensor, number: int) -> Tensor:
    """Rotate images (B, C, H, W) by 90 degrees `number` times, or flip them where they are not square."""
    return x.rot90(number, (2, 3)) if x.shape[2] == x.shape[3] else x.flip(FLIPS[number])


def augment(x: Tensor) -> Tensor:
    """Shift each image (B, C, H, W) by up to SHIFT pixels, repeating its edge, and change its contrast."""
    n, _, height, width = x.shape
    padded = F.pad(x, (SHIFT,) * 4, mode="replicate")
    down, right = torch.randint(2 * SHIFT + 1, (2, n, 1), device=x.device)
    rows = down + torch.arange(height, device=x.device)  # (B, H)
    columns = right + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None]
    moved = padded[image, :, rows[:, :, None], columns[:, None]].movedim(3, 1)
    mean = moved.mean((1, 2, 3), keepdim=True)
    change = 1 + CONTRAST * (2 * torch.rand(n, 1, 1, 1, device=x.device) - 1)
    return mean + change * (moved - mean)


@torch.no_grad()
def classify(network: Classifier | StackedClassifier, pixels: Tensor) -> Tensor:
    """Class probabilities (N, classes), on the CPU, of pixels (N, C, H, W) uint8."""
    parts = [network(to_float(part.to(network.device))).softmax(1).cpu() for part in pixels.split(1000)]
    return torch.cat(parts)
