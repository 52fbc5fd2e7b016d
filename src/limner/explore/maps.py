"""All codes in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from limner import figures, plots
from limner.errors import LimnerError, check_whole, nearest
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_indices, code_view
from limner.explore.gallery import Gallery, select_splits
from limner.explore.picture import Picture
from limner.metrics.codes import knn_accuracy_leave_one_out
from limner.models.abilities import Encodes
from limner.training import Run
from limner.training.codes import encode_images
from limner.tsne import check_distinct, tsne

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

LEAST = 10  # images on a map
NEIGHBOURS = 5
METHODS = {"tsne": "t-SNE", "pca": "PCA"}


def map_codes(
    run: Run,
    method: str = "tsne",
    n: int = 2000,
    codes: str = "flat",
    thumbnails: bool = False,
    seed: int = 0,
) -> Picture:
    """Codes of n images in two dimensions by 'tsne' or 'pca', as coloured points or as thumbnails.

    Test images, and training images too where there are fewer than n.  `codes` is 'flat', or 'channels' for
    the channel means of a convolutional code.  With labels, the title says how well the 5 nearest neighbours
    predict an image's label, by code and by pixels.  data: "points" (n, 2), "codes" (n, d), "labels",
    "index", "accuracy".
    """
    model = require_ability(run, Encodes, "map")
    if method not in METHODS:
        raise LimnerError(f"no map called '{method}': {nearest(method, METHODS)}")
    images = select_images(run, n)
    index = choose_indices(len(images), n, seed)
    if len(index) < LEAST:
        raise LimnerError(f"a map needs at least {LEAST} images, not {len(index)}")
    pixels = images.take(index.tolist())
    z, description = code_view(run, encode_images(model, pixels, progress="encoding"), codes)
    points, axes = project(z.numpy(), method, seed)
    y = images.labels[index] if images.labels is not None else None
    accuracy = neighbour_accuracy(z, pixels, y)
    labels = y.numpy() if y is not None else None
    title = f"{run.name}: {METHODS[method]} of {description}; {len(index):,} images of {images.title}"
    title += describe_accuracy(accuracy)
    if thumbnails:
        title += "\nimages that would cover others are left out"
        picture = figures.thumbnails(points, pixels, labels, images.classes, title=title)
    else:
        picture = plots.scatter(points, labels, images.classes, title=title, axes=axes)
    data = {"points": points, "codes": z.numpy(), "labels": labels, "index": index.numpy()}
    notes = []
    if z.shape[1] <= 2 and method == "tsne":
        notes.append(f"t-SNE distorts what is flat already: --method pca shows these {description} unchanged")
    return Picture(picture, data | {"accuracy": accuracy, "notes": notes})


def select_images(run: Run, n: int) -> Gallery:
    """The test images, and the training images too where there are fewer than n, or fewer than 1000."""
    check_whole("n", n, 1)
    if len(run.data.test) >= min(n, 1000):
        return select_splits(run.data, "test")
    return select_splits(run.data, "test", "train")


def neighbour_accuracy(z: Tensor, pixels: Tensor, labels: Tensor | None) -> dict[str, float]:
    """How well nearest neighbours predict labels (n,), by codes (n, d) and by pixels; {} without labels."""
    if labels is None:
        return {}
    return {
        "codes": knn_accuracy_leave_one_out(z, labels, NEIGHBOURS),
        "pixels": knn_accuracy_leave_one_out(pixels.flatten(1), labels, NEIGHBOURS),
    }


def describe_accuracy(accuracy: dict[str, float]) -> str:
    """A line of the title on how well nearest neighbours predict the labels; '' without labels."""
    if not accuracy:
        return ""
    by_code, by_pixels = f"{accuracy['codes']:.1%} by code", f"{accuracy['pixels']:.1%} by pixels"
    method = f"labels predicted by the {NEIGHBOURS} nearest neighbours, leaving each image out"
    return f"\n{method}: {by_code} and {by_pixels}"


def project(z: np.ndarray, method: str, seed: int = 0) -> tuple[np.ndarray, tuple[str, str] | None]:
    """Codes (N, d) -> points (N, 2), and the axes' names where they mean something."""
    if z.shape[1] == 1:
        z = np.concatenate([z, np.zeros_like(z)], axis=1)
    if method == "tsne":
        return tsne(z, seed), None
    pca = fit_pca(z, seed)
    return pca.transform(z), name_axes(pca)


def fit_pca(z: np.ndarray, seed: int = 0) -> PCA:
    """The first two principal components of codes (N, d); LimnerError where all codes are the same."""
    from sklearn.decomposition import PCA

    check_distinct(len(z), 1 if (z == z[:1]).all() else len(z))
    return PCA(2, random_state=seed).fit(z)


def name_axes(pca: PCA) -> tuple[str, str]:
    """The names of the two components, with their shares of the variance."""
    first, second = (f"principal component {i + 1} ({v:.0%} of the variance)"
                     for i, v in enumerate(pca.explained_variance_ratio_))  # fmt: skip
    return first, second
