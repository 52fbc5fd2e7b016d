"""Faces whose file names tell their age: UTKFace's `age_gender_race_date.jpg` (Zhang et al. 2017)."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace

import torch

from limner.data.dataset import Dataset, Images, fingerprint
from limner.data.image_files import skipped_notes
from limner.errors import LimnerError

PREFIX = "utkface:"  # before a path
GROUPS = ("0-5", "6-10", "11-15", "16-20", "21-30", "31-40", "41-50", "51-60", "61-70", "71+")
FIRST_AGES = (6, 11, 16, 21, 31, 41, 51, 61, 71)  # of the groups after the first
OLDEST = 130
NAME = re.compile(r"(\d{1,3})_(\d)_(\d)_\d+")


def age_group(name: str) -> int | None:
    """The number of the age group in GROUPS that a file name tells; None for any other name."""
    match = NAME.match(name.rpartition("/")[2])
    if match is None or int(match[1]) > OLDEST:
        return None
    return bisect_right(FIRST_AGES, int(match[1]))


def label_ages(dataset: Dataset) -> Dataset:
    """The images of a data set with their age groups as labels, without those whose names tell no age.

    Raises LimnerError where no training or no test image is left.
    """
    train, test = label_split(dataset.train), label_split(dataset.test)
    if not len(train) or not len(test):
        raise LimnerError(
            f"no file in {dataset.source} tells an age: names must be like 25_0_1_20170116.jpg, "
            "age_gender_race_date"
        )
    used = {*(train.names or ()), *(test.names or ())}
    others = [name for part in (dataset.train, dataset.test) for name in part.names or () if name not in used]
    notes = skipped_notes([(name, "its name tells no age") for name in others])
    return replace(
        dataset, source=f"{PREFIX}{dataset.source}", train=train, test=test, classes=GROUPS,
        notes=(*dataset.notes, *notes), fingerprint=fingerprint(train, test),
    )  # fmt: skip


def label_split(images: Images) -> Images:
    """The images whose names tell an age, labelled with its group."""
    groups = [age_group(name) for name in images.names or ()]
    index = [i for i, group in enumerate(groups) if group is not None]
    chosen = images.subset(torch.tensor(index, dtype=torch.int64))
    return replace(chosen, labels=torch.tensor([group for group in groups if group is not None]))
