"""What the demo measures of its five runs for the page."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limner.data import Dataset, to_float, to_uint8
from limner.data.examples import permutation
from limner.explore.samples import draw_samples
from limner.metrics import extractor, frechet, mse
from limner.recipes.measures import reconstruct
from limner.training import Run

MOST = 2000  # images of a set whose distance is measured
FLOOR, RECONSTRUCTIONS, VAE, GAN = "floor", "reconstructions", "vae", "gan"
PRIORS = {"gaussian": "Per-column Gaussian", "full": "Full Gaussian", "gmm": "Mixture of 10 Gaussians"}
SETS = {
    FLOOR: "Other training digits",
    RECONSTRUCTIONS: "Their reconstructions (Lab 2)",
    **{kind: f"{prior} (Lab 2)" for kind, prior in PRIORS.items()},
    VAE: "VAE (Lab 3)",
    GAN: "GAN (Lab 4)",
}


@dataclass(frozen=True)
class Demo:
    """The runs by their names in LABS, and the Frechet distance of each of SETS from n training images.

    `features` is the name of the features that distances are measured in.
    """

    runs: dict[str, Run]
    features: str
    n: int
    distances: dict[str, float]

    @property
    def data(self) -> Dataset:
        """The digits that all runs were trained on."""
        return self.runs["lab3-vae"].data

    def distance(self, name: str) -> dict[str, str]:
        """The distance of one of SETS, and that of real digits, as numbers beside a picture."""
        return {
            "distance to training digits": f"{self.distances[name]:.0f}",
            "that of other real digits": f"{self.distances[FLOOR]:.0f}",
        }


def measure_demo(runs: dict[str, Run]) -> Demo:
    """Measure how far each set of images is from the training digits."""
    autoencoder = runs["lab2-conv-autoencoder"]
    pixels = autoencoder.data.train.pixels
    n = min(MOST, len(pixels) // 2)
    order = permutation(len(pixels), 0)
    reference, others = pixels[order[:n]], pixels[order[n : 2 * n]]
    sets = {FLOOR: others, RECONSTRUCTIONS: to_uint8(reconstruct(autoencoder, others))}
    sets |= {kind: draw_samples(autoencoder, n, prior=kind) for kind in PRIORS}
    sets |= {VAE: draw_samples(runs["lab3-vae"], n), GAN: draw_samples(runs["lab4-gan"], n)}
    network = extractor(autoencoder.data)
    target = network.features(reference)
    distances = {name: float(frechet(network.features(images), target)) for name, images in sets.items()}
    return Demo(runs, network.name, n, distances)


def one_of_each_class(data: Dataset) -> Tensor:
    """The first held-out image of every class that has one: (N, C, H, W) uint8."""
    labels = data.test.labels
    assert labels is not None
    first = [int((labels == label).nonzero()[0]) for label in labels.unique().tolist()]
    return data.test.pixels[torch.tensor(first)]


def reconstruction_error(run: Run) -> float:
    """Mean squared error of the reconstructions of all test images, on the [0, 1] scale."""
    pixels = run.data.test.pixels
    return float(mse(reconstruct(run, pixels), to_float(pixels)).mean())
