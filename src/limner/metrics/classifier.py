"""The network whose features distances are measured in, and the one recipe that trains it.

A plain convolutional classifier: 3x3 convolutions of 16 and 32 channels with pooling, 64 ReLU features, a
linear layer to the classes; 105,866 parameters for 1x28x28 and ten classes.  Trained on the training
split only, shifted by up to 2 pixels and changed in contrast, so that its features do not mostly see such
changes.  Images without labels are told apart by how they were turned (Gidaris et al. 2018, arXiv
1803.07728): the same network and recipe with four classes, 0, 90, 180 and 270 degrees; where height and
width differ, as they are, mirrored, upside down, and both.

Others differ: TF-GAN measures on a classifier's logits, the KID paper on LeNet's features, FID on
Inception's. Numbers of different extractors, or of this one trained with another seed, do not compare.
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

FEATURES = 64
BATCH = 128
EPOCHS = 10
LEAST_IMAGES = 60_000  # seen by the network where ten epochs would be fewer
TURNS = 4
SHIFT = 2  # pixels
CONTRAST = 0.25  # up to that much more or less


class Classifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> class logits (B, classes); `features` gives (B, 64)."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        wide = 16
        while len(layers) < 6 or min(height, width) > 8:
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels, wide, height, width = wide, 32, height // 2, width // 2
        self.features = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels * height * width, FEATURES), nn.ReLU()
        )
        self.logits = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.told(self.features(x))

    def told(self, features: Tensor) -> Tensor:
        """Class logits (B, classes) of features (B, 64)."""
        return self.logits(features)


class StackedClassifier(nn.Module):
    """A classifier of grey images on each of three channels (B, 3, H, W): a class for every triple.

    `features` stand side by side, (B, 192); the logits (B, K^3) are sums of the channels' log-probabilities.
    """

    def __init__(self, single: Classifier) -> None:
        super().__init__()
        self.single, self.logits = single, single.logits

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.single.features(channel) for channel in x.split(1, dim=1)], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.told(self.features(x))

    def told(self, features: Tensor) -> Tensor:
        """Class logits (B, K^3) of features (B, 192)."""
        a, b, c = (self.logits(channel).log_softmax(1) for channel in features.chunk(3, dim=1))
        return (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).flatten(1)


def train_classifier(dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> Classifier:
    """A classifier trained on the training split by the fixed recipe; the caller's random state is kept."""
    labels = dataset.train.labels
    assert labels is not None
    batches = Stream(Images(dataset.train.pixels, labels), BATCH, seed, device)
    return _trained(dataset, int(labels.max()) + 1, batches, seed, device)


def train_turns(dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> Classifier:
    """A classifier of turns, trained likewise; a batch holds each of its images in every turn."""
    batches = Stream(Images(dataset.train.pixels), BATCH // TURNS, seed, device)
    return _trained(dataset, TURNS, (turns(x) for x, _ in batches), seed, device)


def _trained(
    dataset: Dataset,
    classes: int,
    batches: Iterator[tuple[Tensor, Tensor | None]],
    seed: int,
    device: str | torch.device,
) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Classifier(dataset.shape, classes).to(device)
        steps = max(EPOCHS * len(dataset.train), LEAST_IMAGES) // BATCH
        optimizer = AdamW(network.parameters(), 2e-3, weight_decay=1e-4)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in track(range(steps), steps, f"training {dataset.name}'s classifier"):
            x, y = next(batches)
            assert y is not None
            optimizer.zero_grad()
            F.cross_entropy(network(altered(x)), y).backward()
            optimizer.step()
            rate.step()
    return network.eval().requires_grad_(False)


def turns(x: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) in every turn, (4B, C, H, W), and the turn's number of each, (4B,)."""
    number = torch.arange(TURNS, device=x.device).repeat_interleave(len(x))
    return torch.cat([turned(x, turn) for turn in range(TURNS)]), number


def turned(x: Tensor, turn: int) -> Tensor:
    """Images (B, C, H, W) turned by 90 degrees `turn` times; not square: along the axes in `turn`'s bits."""
    if x.shape[2] == x.shape[3]:
        return x.rot90(turn, (2, 3))
    return x.flip([axis for bit, axis in ((1, 3), (2, 2)) if turn & bit])


def altered(x: Tensor) -> Tensor:
    """Each image (B, C, H, W) moved by up to SHIFT pixels, its edge repeated, and changed in contrast."""
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
def classified(network: Classifier | StackedClassifier, pixels: Tensor) -> Tensor:
    """Class probabilities (N, classes), on the CPU, of pixels (N, C, H, W) uint8."""
    device = network.logits.weight.device
    return torch.cat([network(to_float(part.to(device))).softmax(1).cpu() for part in pixels.split(1000)])
