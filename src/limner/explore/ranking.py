"""The images least like those that a model was trained on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TypedDict

from torch import Tensor

from limner.errors import check_whole
from limner.explore.abilities import require_ability
from limner.explore.gallery import Gallery, Source, load_gallery, select_splits
from limner.explore.picture import Picture, destination
from limner.figures import sheet
from limner.files import write_atomically
from limner.models.abilities import Scores
from limner.training import Run
from limner.training.codes import map_batches

COLUMNS = 8


class Ranked(TypedDict):
    """One image of a ranking: its rank from 1, its name, its index, its score, and its class or ''."""

    rank: int
    name: str
    index: int
    score: float
    label: str


def anomalies(run: Run, source: Source | None = None, n: int = 32) -> Picture:
    """All images of `source` ranked by the model's score, largest first, and the first n as a picture.

    `source` is a data set's name, a folder, zip or .npz, or image files; by default the run's test images.
    data["ranking"] lists {rank, name, index, score, label} of all images.
    """
    model = require_ability(run, Scores, "anomalies")
    check_whole("n", n, 1)
    images = select_splits(run.data, "test") if source is None else load_gallery(run, source)
    scores = images.measure(lambda pixels: map_batches(model, pixels, model.score, progress="scoring"))
    ranking = rank_images(scores, images)
    top = ranking[:n]
    pixels = images.take([entry["index"] for entry in top])
    captions = [f"{images.caption(entry['index'])}\n{format_score(entry['score'])}".strip() for entry in top]
    title = (
        f"{run.name}: the {len(top)} strangest of {len(images):,} images of {images.title}, strangest first\n"
        "below each its score: the larger, the less like the training images"
    )
    rows = list(pixels.split(COLUMNS))
    texts = [captions[start : start + COLUMNS] for start in range(0, len(top), COLUMNS)]
    picture = sheet(rows, title=title, captions=texts)
    return Picture(picture, {"ranking": ranking, "pixels": pixels, "notes": list(images.notes)})


def format_score(score: float) -> str:
    """A score to four digits, or whole where it has more."""
    return f"{score:,.0f}" if abs(score) >= 1000 else f"{score:#.4g}"


def rank_images(score: Tensor, images: Gallery) -> list[Ranked]:
    """Every image, the largest score (N,) first; a score that is not a number counts as the largest."""
    names, order = images.names, score.sort(descending=True, stable=True).indices.tolist()
    return [
        {"rank": r + 1, "name": names[i], "index": i, "score": float(score[i]), "label": images.class_of(i)}
        for r, i in enumerate(order)
    ]


def save_ranking(ranking: list[Ranked], path: str | Path) -> Path:
    """Write a ranking as .csv, atomically: rank, name, index, score, label."""
    target = destination(Path(path).expanduser(), (".csv",))

    def write(unfinished: Path) -> None:
        with open(unfinished, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.DictWriter(file, ["rank", "name", "index", "score", "label"])
            table.writeheader()
            table.writerows(ranking)

    write_atomically(target, write)
    return target
