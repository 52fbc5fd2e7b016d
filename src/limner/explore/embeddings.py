"""Codes of images as a table, for use elsewhere."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from limner.explore.able import able
from limner.explore.codes import encode, viewed
from limner.explore.gallery import Source, gallery, gathered
from limner.explore.picture import destination
from limner.figures import class_name
from limner.training.checkpoint import write_atomically
from limner.training.run import Run

TABLES = (".npz", ".csv")


@dataclass(frozen=True)
class Embedding:
    """`codes` float32 (N, d), the images' `names`, `labels` (N,) and `classes`, and `notes` for the user."""

    codes: np.ndarray
    names: list[str]
    labels: np.ndarray | None
    classes: tuple[str, ...] | None
    notes: list[str]

    def save(self, path: str | Path) -> Path:
        """Write .npz (codes, names, labels, classes) or .csv (name, label, z0, z1, ...), atomically."""
        place = destination(Path(path).expanduser(), TABLES)
        write_atomically(place, self._csv if place.suffix.lower() == ".csv" else self._npz)
        return place

    def _npz(self, path: Path) -> None:
        arrays: dict[str, Any] = {"codes": self.codes, "names": np.array(self.names)}
        arrays |= {"labels": self.labels} if self.labels is not None else {}
        arrays |= {"classes": np.array(self.classes)} if self.classes is not None else {}
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)

    def _csv(self, path: Path) -> None:
        with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            write_csv(file, self)


def write_csv(file: IO[str], embedding: Embedding) -> None:
    """A line per image: name, label (its class's name, if any) and code, to the 9 digits that float32 has."""
    table = csv.writer(file)
    table.writerow(["name", "label", *(f"z{i}" for i in range(embedding.codes.shape[1]))])
    for i, (name, code) in enumerate(zip(embedding.names, embedding.codes, strict=True)):
        label = "" if embedding.labels is None else class_name(int(embedding.labels[i]), embedding.classes)
        table.writerow([name, label, *(f"{value:.9g}" for value in code.tolist())])


def embed(run: Run, source: Source | None = None, codes: str = "flat") -> Embedding:
    """Codes of all images of `source`: a data set's name, a folder, zip or .npz, or image files.

    The run's own data, training and test images, unless given.  `codes` is 'flat', or 'channels' for the
    channel means of a convolutional code.
    """
    able(run, "embed")
    images = gallery(run.data, "train", "test") if source is None else gathered(run, source)
    z, what = viewed(run, torch.cat([encode(run, part.pixels) for _, part in images.parts]), codes)
    labels = images.labels.numpy() if images.labels is not None else None
    notes = [*images.notes, f"{len(z):,} images of {images.title}, {what}"]
    return Embedding(z.float().numpy(), images.names, labels, images.classes, notes)
