"""Samples beside their nearest training images: whether a model copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from limner.errors import LimnerError, check_whole
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_images
from limner.explore.neighbours import unit_pixels
from limner.explore.point_maps import Steps, finish
from limner.explore.samples import draw_samples
from limner.metrics.features import available_extractor
from limner.metrics.neighbours import neighbours
from limner.models.abilities import Samples
from limner.training import Run
from limner.training.run import one_dataset

PART = 1000  # training images compared at a time
TESTS = 200  # test images whose distances stand beside those of samples
CLOSE = 0.05  # of test images are as near as a sample that is suspicious
Measure = Literal["pixels", "features"]


@dataclass(frozen=True, eq=False)
class NearestTraining:
    """Samples (n, C, H, W) uint8 of seeds 0, 1, ..., and the nearest of `total` training images to each.

    `position` (n,) are their indices, `images` (n, C, H, W) they themselves, `distance` (n,) how far they
    are; `test_distance` (m,) is the same of test images, which the model cannot have copied.
    """

    samples: Tensor
    images: Tensor
    position: Tensor
    distance: Tensor
    test_distance: Tensor
    total: int
    measure: str

    @property
    def nearer(self) -> Tensor:
        """For each sample (n,), the share of test images that are nearer to their training image."""
        return (self.test_distance < self.distance[:, None]).double().mean(1)

    @property
    def summary(self) -> str:
        """The distances of samples and of test images in words, and how many samples are suspicious."""
        n, close = len(self.samples), int((self.nearer < CLOSE).sum())
        sample, test = float(self.distance.median()), float(self.test_distance.median())
        text = (
            f"Distance by {self.measure} to the nearest of {self.total:,} training images: {sample:.2f} for "
            f"the median sample, {test:.2f} for the median of {len(self.test_distance)} test images, which "
            f"cannot be copies. {close} of {n} samples are nearer than {1 - CLOSE:.0%} of test images are; "
            f"about {CLOSE * n:.0f} would be if samples were like test images."
        )
        blurred = " By pixels, a blurred sample is near to many images without being a copy."
        return text + (blurred if self.measure == "pixels" else "")


def nearest_training(run: Run, n: int = 24, by: Measure = "pixels") -> NearestTraining:
    """The training image nearest to each of n samples, by pixels on the [0, 1] scale or by features.

    Distances are Euclidean and exact.  Copies of training images are nearer than test images are, whose
    distances to the same training images stand beside them.  By pixels, blurred samples are near too.
    """
    return finish(nearest_training_steps(run, n, by))


def nearest_training_steps(run: Run, n: int = 24, by: Measure = "pixels") -> Steps[NearestTraining]:
    """`nearest_training` in steps."""
    require_ability(run, Samples, "the search for copies")
    check_whole("n", n, 1)
    function, name = choose_measure(run, by)
    train = run.data.train.pixels
    tests = choose_images(run.data.test.pixels, TESTS, seed=0)
    samples = draw_samples(run, n, seed=range(n))
    x = function(torch.cat([samples, tests])).double()
    best, position = torch.full((len(x),), torch.inf, dtype=torch.float64), torch.zeros(len(x)).long()
    for start in range(0, len(train), PART):
        near = neighbours(x, function(train[start : start + PART]).double())
        closer = near.distance < best
        best[closer], position[closer] = near.distance[closer], near.position[closer] + start
        yield min(1.0, (start + PART) / len(train))
    position = position[:n]
    return NearestTraining(samples, train[position], position, best[:n], best[n:], len(train), name)


def choose_measure(run: Run, by: Measure) -> tuple[Callable[[Tensor], Tensor], str]:
    """What distances are measured in, (N, C, H, W) uint8 -> (N, d), and its name."""
    if by == "pixels":
        return unit_pixels, "pixels"
    extractor = available_extractor(one_dataset(run.loaded, run.name))
    if extractor is None:
        raise LimnerError(f"there is no feature network of {run.data.name} yet: limner evaluate trains one")
    return extractor.features, f"features of {extractor.name}"
