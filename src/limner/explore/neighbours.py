"""The training images most like a given image."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import check_whole
from limner.explore.abilities import require_ability
from limner.explore.gallery import Gallery, read_image, select_splits
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.models.abilities import Encodes
from limner.training import Run
from limner.training.codes import encode_images

BATCH = 250  # images whose pixels are compared at a time


class Neighbour(TypedDict):
    """A training image near another image: its index, its name, its class or '', and its distance."""

    index: int
    name: str
    label: str
    distance: float


def similar(run: Run, image: str | Path | int, n: int = 8) -> Picture:
    """The n training images nearest to an image, by code and by pixels, in two rows with their distances.

    `image` is a file or the index of a test image.  Distances are Euclidean, between codes or between pixels
    on the [0, 1] scale.  data["by_code"] and data["by_pixels"] list {index, name, label, distance}, nearest
    first.
    """
    model = require_ability(run, Encodes, "similar")
    check_whole("n", n, 1)
    query, subject, notes = read_image(run, image)
    images, training = select_splits(run.data, "train"), run.data.train.pixels
    by_code = distances(encode_images(model, query), encode_images(model, training, progress="encoding"))
    by_pixels = [distances(unit_pixels(query), unit_pixels(batch)) for batch in training.split(BATCH)]
    neighbours = {
        "by code": list_nearest(by_code, images, n),
        "by pixels": list_nearest(torch.cat(by_pixels), images, n),
    }
    rows, captions = [], []
    for nearest in neighbours.values():
        rows.append(torch.cat([query, images.take([near["index"] for near in nearest])]))
        texts = [f"{images.caption(near['index'])}\n{near['distance']:.2f}".strip() for near in nearest]
        captions.append(["", *texts])
    columns = ["image", *(str(i + 1) for i in range(len(rows[0]) - 1))]
    title = (
        f"{run.name}: {subject} and the training images of {run.data.name} nearest to it, with their distance"
    )
    picture = sheet(rows, title=title, row_labels=list(neighbours), column_labels=columns, captions=captions)
    data = {"query": subject, "notes": list(notes)}
    return Picture(picture, data | {name.replace(" ", "_"): nearest for name, nearest in neighbours.items()})


def unit_pixels(pixels: Tensor) -> Tensor:
    """Pixels (N, C, H, W) uint8 on the [0, 1] scale: (N, C*H*W)."""
    return (to_float(pixels).flatten(1) + 1) / 2


def distances(query: Tensor, features: Tensor) -> Tensor:
    """Euclidean distances (N,) from the query (1, d) to features (N, d), exactly 0 between equals."""
    return torch.cdist(query, features, compute_mode="donot_use_mm_for_euclid_dist")[0]


def list_nearest(distance: Tensor, images: Gallery, n: int) -> list[Neighbour]:
    """The n images at the least distance (N,); equal distances in the images' order."""
    order, names = distance.sort(stable=True).indices[:n].tolist(), images.names
    return [
        {"index": i, "name": names[i], "label": images.class_of(i), "distance": float(distance[i])}
        for i in order
    ]
