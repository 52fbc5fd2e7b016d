"""Codes of images as a table, for use elsewhere."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from limner.explore.abilities import require_ability
from limner.explore.codes import code_view
from limner.explore.gallery import Source, load_gallery, select_all
from limner.explore.picture import destination
from limner.figures import class_name
from limner.files import write_atomically
from limner.models.abilities import Encodes
from limner.training import Run
from limner.training.codes import encode_images

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
        target = destination(Path(path).expanduser(), TABLES)
        write_atomically(target, self._write_csv if target.suffix.lower() == ".csv" else self._write_npz)
        return target

    def _write_npz(self, path: Path) -> None:
        arrays = {"codes": self.codes, "names": np.array(self.names)}
        if self.labels is not None:
            arrays["labels"] = self.labels
        if self.classes is not None:
            arrays["classes"] = np.array(self.classes)
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def _write_csv(self, path: Path) -> None:
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

    Without a source, those of the run's own data, training and test images.  `codes` is 'flat', or 'channels'
    for the channel means of a convolutional code.  Rows are in the order of the files; in a folder, by name.
    """
    model = require_ability(run, Encodes, "embed")
    images = select_all(run.data) if source is None else load_gallery(run, source)
    encoded = images.measure(lambda pixels: encode_images(model, pixels, progress="encoding"))
    z, description = code_view(run, encoded, codes)
    labels = images.labels.numpy() if images.labels is not None else None
    notes = [*images.notes, f"{len(z):,} images of {images.title}, {description}"]
    return Embedding(z.float().numpy(), images.names, labels, images.classes, notes)
