"""What a new run is told of its data: where they are from, and the classes of a model that knows classes."""

from __future__ import annotations

from typing import Any

from limner.data import Dataset
from limner.errors import LimnerError
from limner.figures import class_name


def provenance(dataset: Dataset, classes: int) -> dict[str, Any]:
    """What run.json tells of the data: where they are from, what they hold, the names of known classes."""
    about: dict[str, Any] = {"source": dataset.source, "name": dataset.name, "shape": list(dataset.shape)}
    about |= {"train": len(dataset.train), "test": len(dataset.test), "fingerprint": dataset.fingerprint}
    named = {"classes": [class_name(k, dataset.classes) for k in range(classes)]} if classes else {}
    return about | named


def class_count(model: str, dataset: Dataset, given: int | None) -> int:
    """How many classes the data have; LimnerError where they have no labels, or not as many as `given`."""
    if dataset.train.labels is None:
        raise LimnerError(
            f"{model} needs labels and {dataset.name} has none: sub-folders of a folder of images are labels"
        )
    found = len(dataset.classes) if dataset.classes else int(dataset.train.labels.max()) + 1
    if given not in (None, found):
        raise LimnerError(f"{dataset.name} has {found} classes, not {given}: leave classes out")
    return found
