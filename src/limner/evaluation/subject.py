"""What is measured: a run, the images it is measured on, and what it makes of them, each made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, to_float
from limner.data.progress import track
from limner.explore.codes import choice, seeded
from limner.explore.samples import drawn
from limner.metrics.features import Extracts
from limner.training import Run

BATCH = 500  # images at a time


@dataclass
class Subject:
    """A run under evaluation: `n` test images and as many samples.

    A likelihood is estimated with `k` codes for each of `images` test images.  `quick` leaves out what takes
    long.  Everything drawn at random goes by `seed`.
    """

    run: Run
    measured: Extracts
    n: int
    k: int
    images: int
    seed: int
    quick: bool
    other: Dataset | None = None  # images of another kind, for anomalies
    left_out: list[str] = field(default_factory=list)

    @cached_property
    def model(self) -> Any:
        return self.run.model

    @property
    def data(self) -> Dataset:
        return self.run.data

    @cached_property
    def chosen(self) -> Tensor:
        """Which test images: n indices."""
        return choice(len(self.data.test), self.n, self.seed)

    @cached_property
    def test(self) -> Tensor:
        """n test images, uint8."""
        return self.data.test.pixels[self.chosen]

    @cached_property
    def labels(self) -> Tensor | None:
        """Their labels."""
        return None if self.data.test.labels is None else self.data.test.labels[self.chosen]

    @cached_property
    def given(self) -> Tensor:
        """The n test images as the model is given them, uint8: black and white where it binarises once."""
        return self.model.prepare(self.data.test.pixels, fresh=False)[self.chosen]

    @cached_property
    def training(self) -> Tensor:
        """n training images, uint8."""
        return self.data.train.pixels[choice(len(self.data.train), self.n, self.seed)]

    def each(self, what: str, pixels: Tensor, measure: Any) -> Tensor:
        """`measure` of pixels (N, C, H, W) uint8, as floats, batch after batch, seeded, on the CPU."""
        parts = pixels.split(BATCH)
        with seeded(self.seed):
            found = [
                measure(to_float(part.to(self.model.device))).cpu() for part in track(parts, len(parts), what)
            ]
        return torch.cat(found)

    @cached_property
    def codes(self) -> Tensor:
        """Codes (n, d) of the n test images."""
        return self.each("encoding test images", self.given, self.model.encode)

    @cached_property
    def reconstructions(self) -> Tensor:
        """What the model makes of the n test images: floats in [-1, 1]."""
        parts = self.codes.split(BATCH)
        with seeded(self.seed):
            return torch.cat([self.model.decode(part.to(self.model.device)).cpu() for part in parts])

    @cached_property
    def samples(self) -> Tensor:
        """n new images, uint8, codes from the model's own prior."""
        return drawn(self.run, self.n, seed=self.seed)

    @cached_property
    def test_features(self) -> Tensor:
        return self.measured.features(self.test)

    @cached_property
    def training_features(self) -> Tensor:
        return self.measured.features(self.training)

    @cached_property
    def sample_features(self) -> Tensor:
        return self.measured.features(self.samples)
