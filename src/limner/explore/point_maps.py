"""Images as points: by their codes, or real and generated ones by the same features."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from limner.data import Images
from limner.errors import LimnerError
from limner.explore.abilities import LACKS, describe_run, require_ability
from limner.explore.codes import choose_indices, code_view
from limner.explore.layouts import Layout, lay_out
from limner.explore.maps import LEAST
from limner.explore.neighbours import BATCH, distances, unit_pixels
from limner.explore.places import LONGEST_CODE
from limner.explore.samples import draw_samples
from limner.figures import class_name
from limner.metrics.features import available_extractor
from limner.models.abilities import Decodes, Encodes, HasStyles, Samples
from limner.settings import Settings
from limner.training import Run
from limner.training.codes import encode_images
from limner.training.run import one_dataset

MOST = 5000  # points of a map
DRAWN = 25  # samples drawn in one step
COVERAGE = (
    "Where real images have no samples near, the model does not cover the data; where samples have no real "
    "images near, they are unlike the data. Two dimensions can hide both."
)
T = TypeVar("T")
Space = Literal["codes", "features"]
Steps = Generator[float, None, T]  # yields the share that is done, and returns the result


class Selection(Settings):
    """What is on a map."""

    space: Space = "codes"
    """codes of real images, or features of real and generated ones"""
    split: Literal["test", "train"] = "test"
    """the real images"""
    n: Annotated[int, Field(ge=LEAST, le=MOST)] = 2000
    """points, at most"""


@dataclass(frozen=True, eq=False)
class PointMap:
    """N images: `pixels` (N, C, H, W) uint8, `features` (N, d) that lay them out, described by `title`.

    The first `real` ones are real, the others generated.  `index` (N,) is an image's index in its split, or a
    sample's seed.  `labels` (N,) are those of the data, or the feature network's for samples; None without.
    `decodes`: whether `features` are codes that the model decodes, between data points too.
    """

    pixels: Tensor
    features: Tensor
    index: Tensor
    labels: Tensor | None
    classes: tuple[str, ...] | None
    real: int
    title: str
    decodes: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def methods(self) -> list[str]:
        """How points can be laid out: 'codes' as they are, where they have two numbers, 'pca', 'tsne'."""
        return [*(["codes"] if self.decodes and self.features.shape[1] == 2 else []), "pca", "tsne"]

    @property
    def class_names(self) -> list[str]:
        """The names of the labels, in their order; none without labels."""
        if self.labels is None:
            return []
        most = max(int(self.labels.max()) + 1, len(self.classes or ()))
        return [class_name(k, self.classes) for k in range(most)]

    def lay_out(self, method: str, points: np.ndarray | None = None) -> Layout:
        """Points (N, 2) by one of `methods`; by t-SNE, `points` that were computed elsewhere."""
        if method not in self.methods:
            raise LimnerError(f"no map called '{method}' here: choose from {', '.join(self.methods)}")
        return lay_out(self.features.numpy(), method, self.decodes, points)

    def nearest(self, point: int, k: int = 8) -> dict[str, list[tuple[int, float]]]:
        """The k other points nearest to one, by features and by pixels: their numbers and distances.

        Distances are Euclidean, between features or between pixels on the [0, 1] scale.
        """
        self.check_points([point])
        one = slice(point, point + 1)
        query = unit_pixels(self.pixels[one])
        by_pixels = [distances(query, unit_pixels(part)) for part in self.pixels.split(BATCH)]
        by_features = distances(self.features[one].float(), self.features.float())
        return {
            "features": nearest_others(by_features, point, k),
            "pixels": nearest_others(torch.cat(by_pixels), point, k),
        }

    def mean_image(self, points: Sequence[int]) -> Tensor:
        """The mean (C, H, W) uint8 of the images of these points, pixel by pixel."""
        self.check_points(points)
        if not points:
            raise LimnerError("a mean image needs a point at least")
        total = sum(self.pixels[list(points[i : i + BATCH])].sum(0) for i in range(0, len(points), BATCH))
        return (torch.as_tensor(total) / len(points)).round().to(torch.uint8)

    def check_points(self, points: Sequence[int]) -> None:
        """LimnerError for a point that is not on the map."""
        for point in points:
            if not 0 <= point < len(self):
                raise LimnerError(f"there is no point {point}: the map has 0 to {len(self) - 1}")


def nearest_others(distance: Tensor, point: int, k: int) -> list[tuple[int, float]]:
    """The k points at the least distance (N,) other than `point`; equal distances in the points' order."""
    order = [i for i in distance.sort(stable=True).indices[: k + 1].tolist() if i != point][:k]
    return [(i, float(distance[i])) for i in order]


def map_points(run: Run, selection: Selection | None = None) -> PointMap:
    """The images of a selection, and what lays them out; images are drawn without replacement by seed 0.

    Codes need an encoder.  Features need a model that samples: half of the points are real, half samples of
    seeds 0, 1, ...; features are those of the data's feature network where it is in the package or the cache
    (`limner evaluate` trains it), else pixels.
    """
    return finish(map_steps(run, selection or Selection()))


def finish(steps: Steps[T]) -> T:
    """The result of all steps."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def map_spaces(run: Run) -> list[Space]:
    """What maps of a run there are."""
    spaces: list[Space] = ["codes"] if isinstance(run.model, Encodes) else []
    return [*spaces, "features"] if isinstance(run.model, Samples) else spaces


def map_steps(run: Run, selection: Selection) -> Steps[PointMap]:
    """`map_points` in steps."""
    if not map_spaces(run):
        raise LimnerError(f"{describe_run(run)}: {LACKS['encode']} and {LACKS['sample']}, so it has no map")
    images = run.data.train if selection.split == "train" else run.data.test
    return (code_steps if selection.space == "codes" else feature_steps)(run, images, selection)


def code_steps(run: Run, images: Images, selection: Selection) -> Steps[PointMap]:
    """Codes of real images."""
    model = require_ability(run, Encodes, "a map of codes")
    index = choose_images(images, selection.n)
    pixels, codes = images.pixels[index], []
    for part in pixels.split(BATCH):
        codes.append(encode_images(model, part))
        yield len(codes) * BATCH / len(pixels)
    z = torch.cat(codes)
    labels = None if images.labels is None else images.labels[index]
    decodes = isinstance(model, Decodes) and not isinstance(model, HasStyles)
    decodes = decodes and model.latent.kind == "continuous" and z.shape[1] <= LONGEST_CODE
    title = f"{code_view(run, z, 'flat')[1]}; {len(z):,} {selection.split} images of {run.data.name}"
    return PointMap(pixels, z, index, labels, run.data.classes, len(z), title, decodes)


def feature_steps(run: Run, images: Images, selection: Selection) -> Steps[PointMap]:
    """Features of real images and of as many samples."""
    require_ability(run, Samples, "a map of features")
    index = choose_images(images, selection.n // 2)
    real, parts, features = images.pixels[index], [], []
    seeds = torch.arange(len(real))
    for some in seeds.split(DRAWN):
        parts.append(draw_samples(run, len(some), seed=some.tolist()))
        yield 0.8 * len(parts) * DRAWN / len(seeds)
    extractor = available_extractor(one_dataset(run.loaded, run.name))
    pixels = torch.cat([real, *parts])
    for part in pixels.split(BATCH):
        features.append(unit_pixels(part) if extractor is None else extractor.features(part))
        yield 0.8 + 0.2 * len(features) * BATCH / len(pixels)
    labels: Tensor | None = None
    notes: tuple[str, ...] = (COVERAGE,)
    if images.labels is not None and extractor is not None and extractor.labelled:
        labels = torch.cat([images.labels[index], extractor.classify(pixels[len(real) :]).argmax(1)])
        notes += (f"The classes of samples are those that {extractor.name} predicts.",)
    if extractor is None:
        notes += ("There is no feature network of these data yet: limner evaluate trains one, once.",)
    space = "pixels" if extractor is None else f"{features[0].shape[1]} features of {extractor.name}"
    title = f"{space}; {len(real):,} {selection.split} images of {run.data.name} and {len(seeds):,} samples"
    index, z = torch.cat([index, seeds]), torch.cat(features)
    return PointMap(pixels, z, index, labels, run.data.classes, len(real), title, notes=notes)


def choose_images(images: Images, n: int) -> Tensor:
    """The indices of n images, or of all; LimnerError where there are too few for a map."""
    if len(images) < LEAST:
        raise LimnerError(f"a map needs at least {LEAST} images, not {len(images)}")
    return choose_indices(len(images), max(n, LEAST), seed=0)
