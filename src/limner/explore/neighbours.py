"""The images most like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import LimnerError
from limner.explore.able import able
from limner.explore.codes import BATCH, encode
from limner.explore.gallery import Gallery, gallery, one_image
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.training.run import Run


def similar(run: Run, image: str | Path | int, n: int = 8) -> Picture:
    """The n training images nearest to one, by code and by pixels, in two rows with their distances.

    `image` is a file or the index of a test image.  Distances are Euclidean, between codes or between pixels
    on the [0, 1] scale.  data["by_code"] and data["by_pixels"] list {index, name, label, distance}, nearest
    first.
    """
    able(run, "similar")
    if n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
    query, what, notes = one_image(run, image)
    images = gallery(run.data, "train")
    codes = torch.cat([encode(run, split.pixels) for _, split in images.parts])
    batches = [batch for _, split in images.parts for batch in split.pixels.split(BATCH)]
    found = {
        "by code": nearest(distances(encode(run, query), codes), images, n),
        "by pixels": nearest(
            torch.cat([distances(flat(query), flat(batch)) for batch in batches]), images, n
        ),
    }
    rows = [torch.cat([query, images.take([one["index"] for one in near])]) for near in found.values()]
    captions = [
        ["", *(f"{images.caption(one['index'])}\n{one['distance']:.2f}".strip() for one in near)]
        for near in found.values()
    ]
    columns = ["image", *(str(i + 1) for i in range(len(rows[0]) - 1))]
    title = (
        f"{run.name}: {what} and the training images of {run.data.name} nearest to it, with their distance"
    )
    picture = sheet(rows, title=title, row_labels=list(found), column_labels=columns, captions=captions)
    data: dict[str, Any] = {"query": what, "notes": list(notes)}
    return Picture(picture, data | {name.replace(" ", "_"): near for name, near in found.items()})


def flat(pixels: Tensor) -> Tensor:
    """Pixels (N, C, H, W) uint8 on the [0, 1] scale: (N, C*H*W)."""
    return (to_float(pixels).flatten(1) + 1) / 2


def distances(query: Tensor, features: Tensor) -> Tensor:
    """Euclidean distances (N,) from the query (1, d) to features (N, d), exactly 0 between equals."""
    return torch.cdist(query, features, compute_mode="donot_use_mm_for_euclid_dist")[0]


def nearest(distance: Tensor, images: Gallery, n: int) -> list[dict[str, Any]]:
    """The n images at the least distance (N,); equal distances in the images' order."""
    order, names = distance.sort(stable=True).indices[:n].tolist(), images.names
    return [
        {"index": i, "name": names[i], "label": images.class_of(i), "distance": float(distance[i])}
        for i in order
    ]
