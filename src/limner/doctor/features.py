"""Small features for live distances: an extractor's where one is at hand, else principal pixels.

Nothing is trained for a live look: a data set whose extractor was never needed gets the leading principal
axes of its training images, 16 pixels a side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from limner.data import Dataset
from limner.metrics import PCA, pca
from limner.metrics.features import Extractor, at_hand

PLAIN = "principal-pixels"
AXES = 48
SIDE = 16
PART = 64  # images at a time, which fit a CPU's cache
FITTED = 2000  # training images


class Small:
    """Features (N, d) of uint8 pixels (N, C, H, W), and classes where the extractor knows them.

    `plain`: of pixels, though an extractor may be at hand.
    """

    def __init__(self, dataset: Dataset, plain: bool = False) -> None:
        found = None if plain else at_hand(dataset)
        fits = found is not None and found.shape == dataset.shape  # not so where images were resized
        self.extractor: Extractor | None = found if fits else None
        self.labelled = self.extractor is not None and self.extractor.labelled
        self.name = self.extractor.name if self.extractor is not None else PLAIN
        if self.extractor is not None:  # a copy of our own, in the layout that is twice as quick on a CPU
            self.extractor.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            generator = torch.Generator().manual_seed(0)
            some = torch.randperm(len(dataset.train), generator=generator)[:FITTED]
            few = thumbnails(dataset.train.pixels[some])
            self.axes: PCA = pca(few, min(AXES, *few.shape))

    def features(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> (N, d) float32, on the CPU."""
        if self.extractor is not None:
            return torch.cat([self.extractor.features(part) for part in pixels.split(PART)])
        return (thumbnails(pixels) - self.axes.mean) @ self.axes.axes.T

    @torch.no_grad()
    def classes(self, features: Tensor) -> Tensor:
        """The classifier's labels of these features: (N, d) -> (N,)."""
        assert self.extractor is not None
        network = self.extractor.network
        return network.told(features.to(network.logits.weight.device)).argmax(1).cpu()


def thumbnails(pixels: Tensor) -> Tensor:
    """Images averaged to at most 16 pixels a side, flat, in [-1, 1]: uint8 (N, C, H, W) -> (N, d)."""
    height, width = (min(side, SIDE) for side in pixels.shape[2:])
    return adaptive_avg_pool2d(pixels.float() / 127.5 - 1, (height, width)).flatten(1)
