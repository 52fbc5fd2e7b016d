"""Features for distances during training: the data set's extractor where there is one, else principal pixels.

The doctor never trains an extractor.  For a data set without one, it uses the leading principal axes of the
training images, reduced to 16 pixels a side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from limner.data import Dataset
from limner.metrics import PCA, pca
from limner.metrics.features import Extractor, available_extractor

PRINCIPAL_PIXELS = "principal-pixels"
AXES = 48
SIDE = 16
BATCH = 64  # images at a time, which fit a CPU's cache
FIT_IMAGES = 2000  # training images that the axes are fitted to


class ProbeFeatures:
    """Features (N, d) of uint8 pixels (N, C, H, W), and classes where the extractor predicts them.

    `principal`: use principal pixels even where there is an extractor.
    """

    def __init__(self, dataset: Dataset, principal: bool = False) -> None:
        available = None if principal else available_extractor(dataset)
        fits = available is not None and available.shape == dataset.shape  # not where images were resized
        self.extractor: Extractor | None = available if fits else None
        self.labelled = self.extractor is not None and self.extractor.labelled
        self.name = self.extractor.name if self.extractor is not None else PRINCIPAL_PIXELS
        if self.extractor is not None:  # this copy is the doctor's own; the layout is twice as fast on a CPU
            self.extractor.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            generator = torch.Generator().manual_seed(0)
            indices = torch.randperm(len(dataset.train), generator=generator)[:FIT_IMAGES]
            vectors = thumbnails(dataset.train.pixels[indices])
            self.axes: PCA = pca(vectors, min(AXES, *vectors.shape))

    def features(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> (N, d) float32, on the CPU."""
        if self.extractor is not None:
            return torch.cat([self.extractor.features(part) for part in pixels.split(BATCH)])
        return (thumbnails(pixels) - self.axes.mean) @ self.axes.axes.T

    @torch.no_grad()
    def classes(self, features: Tensor) -> Tensor:
        """The classes that the extractor predicts from its features: (N, d) -> (N,)."""
        assert self.extractor is not None
        network = self.extractor.network
        return network.logits(features.to(network.device)).argmax(1).cpu()


def thumbnails(pixels: Tensor) -> Tensor:
    """Images averaged to at most 16 pixels a side, flat, in [-1, 1]: uint8 (N, C, H, W) -> (N, d)."""
    height, width = (min(side, SIDE) for side in pixels.shape[2:])
    return adaptive_avg_pool2d(pixels.float() / 127.5 - 1, (height, width)).flatten(1)
