"""All codes in two dimensions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from limner import figures
from limner.errors import LimnerError, nearest
from limner.explore.able import able
from limner.explore.codes import choice, encode, viewed
from limner.explore.gallery import gallery
from limner.explore.picture import Picture
from limner.training.run import Run

LEAST = 10  # images on a map
NEIGHBOURS = 5
NAMES = {"tsne": "t-SNE", "pca": "PCA"}


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
    the channel means of a convolutional code.  With labels, the title tells how well the 5 nearest neighbours
    give an image's label, by code and by pixels.  data: "points" (n, 2), "codes" (n, d), "labels", "index",
    "accuracy".
    """
    able(run, "map")
    if method not in NAMES:
        raise LimnerError(f"no map called '{method}': {nearest(method, NAMES)}")
    enough = len(run.data.test) >= min(n, 1000)
    images = gallery(run.data, *(("test",) if enough else ("test", "train")))
    index = choice(len(images), n, seed)
    if len(index) < LEAST:
        raise LimnerError(f"a map needs at least {LEAST} images, not {len(index)}")
    pixels = images.take(index.tolist())
    z, what = viewed(run, encode(run, pixels), codes)
    labels = images.labels[index].numpy() if images.labels is not None else None
    points, axes = project(z.numpy(), method, seed)
    accuracy = {}
    if labels is not None:
        accuracy = {"codes": knn_accuracy(z, labels), "pixels": knn_accuracy(pixels.flatten(1), labels)}
    title = f"{run.name}: {NAMES[method]} of {what}; {len(index):,} images of {images.title}{told(accuracy)}"
    if thumbnails:
        title += "\nimages that would cover others are left out"
        picture = figures.thumbnails(points, pixels, labels, images.classes, title=title)
    else:
        picture = figures.scatter(points, labels, images.classes, title=title, axes=axes)
    data = {"points": points, "codes": z.numpy(), "labels": labels, "index": index.numpy()}
    flat = z.shape[1] <= 2 and method == "tsne"
    notes = [f"t-SNE bends what is flat already: --method pca shows these {what} as they lie"] if flat else []
    return Picture(picture, data | {"accuracy": accuracy, "notes": notes})


def told(accuracy: dict[str, float]) -> str:
    """A line on what the nearest neighbours know of the labels; nothing without labels."""
    if not accuracy:
        return ""
    by_code, by_pixels = f"{accuracy['codes']:.1%} by code", f"{accuracy['pixels']:.1%} by pixels"
    how = f"labels told by the {NEIGHBOURS} nearest neighbours, leaving each image out"
    return f"\n{how}: {by_code} and {by_pixels}"


def project(z: np.ndarray, method: str, seed: int = 0) -> tuple[np.ndarray, tuple[str, str] | None]:
    """Codes (N, d) -> points (N, 2), and the axes' names where they mean something."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if not (z.std(0) > 0).any():
        raise LimnerError(
            f"all {len(z)} codes are the same, so there is nothing to map: the model has collapsed"
        )
    if z.shape[1] == 1:
        z = np.concatenate([z, np.zeros_like(z)], axis=1)
    if method == "pca":
        pca = PCA(2, random_state=seed)
        points = pca.fit_transform(z)
        first, second = (f"principal component {i + 1} ({v:.0%} of the variance)"
                         for i, v in enumerate(pca.explained_variance_ratio_))  # fmt: skip
        return points, (first, second)
    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(z), None


def knn_accuracy(features: Tensor, labels: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Share of images whose k nearest others (Euclidean) mostly have its label; ties go to the smaller.

    features (N, d), labels (N,) from 0.
    """
    x = features.double()
    near = []
    for begin in range(0, len(x), 500):
        distance = torch.cdist(x[begin : begin + 500], x, compute_mode="donot_use_mm_for_euclid_dist")
        distance[torch.arange(len(distance)), begin + torch.arange(len(distance))] = torch.inf
        near.append(distance.topk(min(k, len(x) - 1), largest=False).indices)
    found = labels[torch.cat(near).numpy()]  # (N, k)
    votes = np.stack([(found == label).sum(1) for label in range(int(labels.max()) + 1)], axis=1)
    return float((votes.argmax(1) == labels).mean())
