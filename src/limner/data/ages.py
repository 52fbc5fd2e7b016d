"""Faces whose file names tell age and gender: UTKFace's `age_gender_race_date.jpg` (Zhang et al. 2017)."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace

import torch

from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.image_files import skipped_notes
from limner.errors import LimnerError

PREFIX = "utkface:"  # before a path: the age groups are the classes
GENDER_PREFIX = "utkface-gender:"  # the age groups of men, then those of women
GROUPS = ("0-5", "6-10", "11-15", "16-20", "21-30", "31-40", "41-50", "51-60", "61-70", "71+")
GENDERS = ("male", "female")  # as numbered in the names
CLASSES = {
    PREFIX: GROUPS,
    GENDER_PREFIX: tuple(f"{group} {gender}" for gender in GENDERS for group in GROUPS),
}
FIRST_AGES = (6, 11, 16, 21, 31, 41, 51, 61, 71)  # of the groups after the first
OLDEST = 130
NAME = re.compile(r"(\d{1,3})_(\d)_(\d)_\d+")


def read_label(name: str, prefix: str = PREFIX) -> int | None:
    """The number in CLASSES[prefix] of what a file name tells; None where it does not tell it."""
    match = NAME.match(name.rpartition("/")[2])
    if match is None or int(match[1]) > OLDEST:
        return None
    group, gender = bisect_right(FIRST_AGES, int(match[1])), int(match[2])
    if prefix == PREFIX:
        return group
    return group + len(GROUPS) * gender if gender < len(GENDERS) else None


def has_ages(dataset: Dataset) -> bool:
    """Whether the labels are age groups, with genders or without."""
    return dataset.classes in CLASSES.values()


def has_genders(dataset: Dataset) -> bool:
    """Whether the labels are age groups with genders."""
    return dataset.classes == CLASSES[GENDER_PREFIX]


def split_source(source: str) -> tuple[str, str] | None:
    """The prefix and the path of a source of faces; None for another source."""
    return next(((p, source.removeprefix(p)) for p in CLASSES if source.startswith(p)), None)


def label_faces(dataset: Dataset, prefix: str) -> Dataset:
    """The images of a data set with the labels CLASSES[prefix], without those whose names do not tell them.

    Raises LimnerError where no training or no test image is left.
    """
    train, test = label_split(dataset.train, prefix), label_split(dataset.test, prefix)
    if not len(train) or not len(test):
        raise LimnerError(
            f"no file in {dataset.source} tells an age: names must be like 25_0_1_20170116.jpg, "
            "age_gender_race_date"
        )
    used = {*(train.names or ()), *(test.names or ())}
    others = [name for part in (dataset.train, dataset.test) for name in part.names or () if name not in used]
    lacking = "age" if prefix == PREFIX else "age and gender"
    notes = skipped_notes([(name, f"its name tells no {lacking}") for name in others])
    return replace(
        dataset, source=f"{prefix}{dataset.source}", train=train, test=test, classes=CLASSES[prefix],
        notes=(*dataset.notes, *notes), fingerprint=fingerprint(train, test),
    )  # fmt: skip


def label_split(images: Images, prefix: str) -> Images:
    """The images whose names tell the labels, labelled."""
    labels = [read_label(name, prefix) for name in images.names or ()]
    index = [i for i, label in enumerate(labels) if label is not None]
    chosen = images.subset(torch.tensor(index, dtype=torch.int64))
    return replace(chosen, labels=torch.tensor([label for label in labels if label is not None]))
