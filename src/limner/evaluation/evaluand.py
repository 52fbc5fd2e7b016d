"""The run under evaluation: its images, codes, samples and features, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from limner.data import Dataset
from limner.errors import LimnerError
from limner.explore.codes import choose_indices
from limner.explore.samples import draw_samples
from limner.metrics.features import Extracts
from limner.models.abilities import Decodes, Encodes
from limner.models.base import Model
from limner.random_state import seeded
from limner.training import Run
from limner.training.codes import decode_codes, map_batches


@dataclass
class Evaluand:
    """A run under evaluation, measured on `n` test images and as many samples.

    A likelihood is estimated with `k` codes on `images` of the test images.  `quick` leaves out slow
    measures.  `seed` seeds all random numbers.  `sampling` are the options of sampling that are not the
    model's defaults.  `left_out` collects what could not be measured, and why, a line each.
    """

    run: Run
    extractor: Extracts
    n: int
    k: int
    images: int
    seed: int
    quick: bool
    other: Dataset | None = None  # images of another data set, for anomaly scores
    sampling: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, measure: str, reason: str) -> None:
        """List a measure that this run cannot have, once."""
        if (line := f"{measure}: {reason}") not in self.left_out:
            self.left_out.append(line)

    @property
    def model(self) -> Model:
        return self.run.model

    @property
    def original(self) -> Dataset:
        """The real images; `run.data` has the same images as the model sees them."""
        return self.run.original

    @property
    def channels(self) -> int:
        """Channels of the images that the extractor sees: of two domains, those of the one in colour."""
        second = self.run.config.data.second
        return max(self.run.shape[0], second.shape[0] if second is not None else 0)

    @cached_property
    def indices(self) -> Tensor:
        """The indices (n,) of the test images that are measured."""
        return choose_indices(len(self.original.test), self.n, self.seed)

    @cached_property
    def test(self) -> Tensor:
        """n test images, uint8."""
        return self.original.test.pixels[self.indices]

    @cached_property
    def labels(self) -> Tensor | None:
        """Their labels (n,)."""
        return None if self.original.test.labels is None else self.original.test.labels[self.indices]

    @cached_property
    def viewed_test(self) -> Tensor:
        """The same n test images as the model sees them, uint8: binarised, say."""
        return self.run.data.test.pixels[self.indices]

    @cached_property
    def training(self) -> Tensor:
        """n training images, uint8."""
        train = self.original.train
        return train.pixels[choose_indices(len(train), self.n, self.seed)]

    def map(self, function: Callable[[Tensor], Tensor], pixels: Tensor, progress: str) -> Tensor:
        """`function` of pixels (N, C, H, W) uint8, as floats that the model sees, in batches: on the CPU."""
        return map_batches(self.model, pixels, function, seed=self.seed, progress=progress)

    @cached_property
    def codes(self) -> Tensor:
        """Codes (n, d) of the n test images."""
        assert isinstance(self.model, Encodes)
        return self.map(self.model.encode, self.viewed_test, "encoding test images")

    @cached_property
    def reconstructions(self) -> Tensor:
        """Reconstructions of the n test images: floats in [-1, 1]."""
        return decode_seeded(self.model, self.codes, self.labels, self.seed)

    @cached_property
    def samples(self) -> Tensor:
        """n new images, uint8, with the options of `sampling`."""
        return draw_samples(self.run, self.n, seed=self.seed, **self.sampling)

    @cached_property
    def test_features(self) -> Tensor:
        return self.extractor.features(self.test)

    @cached_property
    def training_features(self) -> Tensor:
        return self.extractor.features(self.training)

    @cached_property
    def sample_features(self) -> Tensor:
        return self.extractor.features(self.samples)


def knows_classes(model: Model) -> bool:
    """Whether the model was trained with labels."""
    return model.labels != "ignored" and model.classes is not None


def decode_seeded(model: Model, z: Tensor, labels: Tensor | None, seed: int) -> Tensor:
    """Images (N, C, H, W) in [-1, 1] of codes (N, d), of their labels (N,) where the model knows classes."""
    assert isinstance(model, Decodes)
    if model.labels == "required" and labels is None:
        raise LimnerError(f"a {type(model).__name__} decodes with labels, and the data have none")
    with seeded(seed):
        return decode_codes(model, z, labels if knows_classes(model) else None)


def pca_size(evaluand: Evaluand, images: int) -> int | None:
    """The size of the code, for PCA of the same size fitted to so many images.

    None, listed in `left_out`, where the code is discrete or PCA cannot have so many components.
    """
    latent = evaluand.model.latent
    most = min(images, evaluand.test[0].numel())
    if latent.kind == "discrete":
        reason = f"the code is discrete, {latent.bits:,.0f} bits"
    elif latent.dim > most:
        reason = f"the code has {latent.dim:,} numbers, PCA here at most {most:,} components"
    else:
        return latent.dim
    evaluand.leave_out("PCA of the same size", reason)
    return None


def prior_name(evaluand: Evaluand) -> str:
    """The prior that samples are drawn from."""
    return str(evaluand.sampling.get("prior", evaluand.model.latent.default_prior))
