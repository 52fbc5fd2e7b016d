"""The images least like those a model was trained on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.data import to_float
from limner.data.progress import track
from limner.errors import LimnerError
from limner.explore.able import able
from limner.explore.codes import BATCH, seeded
from limner.explore.gallery import Gallery, Source, gallery, gathered
from limner.explore.picture import Picture, destination
from limner.figures import sheet
from limner.training.checkpoint import write_atomically
from limner.training.run import Run

COLUMNS = 8


def anomalies(run: Run, source: Source | None = None, n: int = 32) -> Picture:
    """All images of `source` ranked by the model's score, strangest first, and the first n as a picture.

    `source` is a data set's name, a folder, zip or .npz, or image files; the run's test images unless given.
    data["ranking"] lists {rank, name, index, score, label} of all images.
    """
    able(run, "anomalies")
    if n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
    images = gallery(run.data, "test") if source is None else gathered(run, source)
    score = torch.cat([scores(run, part.pixels) for _, part in images.parts])
    ranking = ranked(score, images)
    top = ranking[:n]
    pixels = images.take([one["index"] for one in top])
    captions = [f"{images.caption(one['index'])}\n{brief(one['score'])}".strip() for one in top]
    title = (
        f"{run.name}: the {len(top)} strangest of {len(images):,} images of {images.title}, strangest first\n"
        "below each its score: the larger, the less like the training images"
    )
    rows = list(pixels.split(COLUMNS))
    texts = [captions[begin : begin + COLUMNS] for begin in range(0, len(top), COLUMNS)]
    picture = sheet(rows, title=title, captions=texts)
    return Picture(picture, {"ranking": ranking, "pixels": pixels, "notes": list(images.notes)})


def scores(run: Run, pixels: Tensor) -> Tensor:
    """The model's score (N,) of pixels (N, C, H, W) uint8; whatever it draws is drawn with seed 0."""
    model: Any = run.model
    if len(pixels) == 0:
        return torch.empty(0)
    parts = model.prepare(pixels, fresh=False).split(BATCH)
    with seeded(0):
        found = [
            model.score(to_float(part.to(model.device))).cpu() for part in track(parts, len(parts), "scoring")
        ]
    return torch.cat(found)


def brief(score: float) -> str:
    """A number in four digits, or whole where it has more."""
    return f"{score:,.0f}" if abs(score) >= 1000 else f"{score:#.4g}"


def ranked(score: Tensor, images: Gallery) -> list[dict[str, Any]]:
    """Every image with its rank from 1, largest score first; one that is not a number counts as largest."""
    names, order = images.names, score.sort(descending=True, stable=True).indices.tolist()
    return [
        {"rank": r + 1, "name": names[i], "index": i, "score": float(score[i]), "label": images.class_of(i)}
        for r, i in enumerate(order)
    ]


def save_ranking(ranking: list[dict[str, Any]], path: str | Path) -> Path:
    """Write a ranking as .csv, atomically: rank, name, index, score, label."""
    place = destination(Path(path).expanduser(), (".csv",))

    def write(beside: Path) -> None:
        with open(beside, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.DictWriter(file, ["rank", "name", "index", "score", "label"])
            table.writeheader()
            table.writerows(ranking)

    write_atomically(place, write)
    return place
