"""What a data set contains: how many images of which class, their shape, and what is wrong with its files."""

from __future__ import annotations

from typing import Any

import torch

from limner.data.dataset import Dataset, Images


def describe_contents(dataset: Dataset) -> dict[str, Any]:
    """What a data set contains, as JSON holds it.

    `class_counts` has the training and the test images of each class by its name.  `notes` name the files
    that were skipped and why, repeats, and what was done to images of other sizes.
    """
    classes = list(dataset.classes or [])
    train, test = (count_labels(images, len(classes)) for images in (dataset.train, dataset.test))
    return {
        "name": dataset.name,
        "shape": list(dataset.shape),
        "train": len(dataset.train),
        "test": len(dataset.test),
        "classes": classes,
        "class_counts": {name: [train[i], test[i]] for i, name in enumerate(classes)},
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
    }


def count_labels(images: Images, classes: int) -> list[int]:
    """How many images have each label."""
    if images.labels is None:
        return [0] * classes
    return torch.bincount(images.labels, minlength=classes).tolist()
